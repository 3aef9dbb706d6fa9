"""MobileNet V1 (width 1.0, as published) and V2 (torchvision's mobilenet_v2)."""

from __future__ import annotations

import onnx

from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["mobilenet_v1", "mobilenet_v2"]

#: V1: output channels and stride of each depthwise-separable block.
_V1 = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
#: V2: expand ratio, channels, layers, stride of each stage.
_V2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


def mobilenet_v1(resolution: int) -> onnx.ModelProto:
    """MobileNetV1: thirteen depthwise-separable blocks with Relu."""
    net = NetBuilder("mobilenet_v1", resolution)
    x = _conv_relu(net, "stem", net.input, 32, 3, stride=2)
    for index, (channels, stride) in enumerate(_V1):
        x = _conv_relu(net, f"block{index}.dw", x, x.channels, 3, stride=stride, depthwise=True)
        x = _conv_relu(net, f"block{index}.pw", x, channels, 1)
    x = net.global_average_pool("avgpool", x)
    return net.model(net.linear("classifier", x, 1000))


def _conv_relu(
    net: NetBuilder,
    name: str,
    x: Tensor,
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    depthwise: bool = False,
) -> Tensor:
    x = net.conv(f"{name}.conv", x, channels, kernel, stride=stride, depthwise=depthwise)
    # Keras' epsilon, which most published V1 weights were trained with.
    return net.relu(f"{name}.relu", net.batch_norm(f"{name}.bn", x, epsilon=1e-3))


def mobilenet_v2(resolution: int) -> onnx.ModelProto:
    """MobileNetV2: inverted residuals with Relu6 and linear bottlenecks."""
    net = NetBuilder("mobilenet_v2", resolution)
    x = _conv_relu6(net, "features.0", net.input, 32, 3, stride=2)
    index = 1
    for expand, channels, layers, stride in _V2:
        for layer in range(layers):
            first = stride if layer == 0 else 1
            x = _inverted_residual(net, f"features.{index}", x, channels, first, expand)
            index += 1
    x = _conv_relu6(net, f"features.{index}", x, 1280, 1)
    x = net.global_average_pool("avgpool", x)
    return net.model(net.linear("classifier", x, 1000))


def _conv_relu6(
    net: NetBuilder,
    name: str,
    x: Tensor,
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    depthwise: bool = False,
) -> Tensor:
    x = net.conv(f"{name}.conv", x, channels, kernel, stride=stride, depthwise=depthwise)
    return net.relu6(f"{name}.relu6", net.batch_norm(f"{name}.bn", x))


def _inverted_residual(
    net: NetBuilder, name: str, x: Tensor, channels: int, stride: int, expand: int
) -> Tensor:
    entry, hidden = x, x.channels * expand
    if expand != 1:
        x = _conv_relu6(net, f"{name}.expand", x, hidden, 1)
    x = _conv_relu6(net, f"{name}.dw", x, hidden, 3, stride=stride, depthwise=True)
    x = net.batch_norm(f"{name}.project.bn", net.conv(f"{name}.project.conv", x, channels))
    if stride == 1 and channels == entry.channels:
        x = net.add(f"{name}.add", x, entry)
    return x
