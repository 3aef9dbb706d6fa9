"""MobileNet V1 (width 1.0, as published) and V2 (torchvision's mobilenet_v2)."""

from __future__ import annotations

import onnx

from accelgen.zoo.blocks import classify, conv_norm, inverted_residual, separable
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["mobilenet_v1", "mobilenet_v2", "mobilenet_v2_stages"]

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


def mobilenet_v1(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """MobileNetV1: thirteen depthwise-separable blocks with Relu."""
    net = NetBuilder("mobilenet_v1", resolution, width=width)
    # Keras' epsilon, which most published V1 weights were trained with.
    x = conv_norm(
        net, "stem", net.input, net.wide(32), 3, stride=2, epsilon=1e-3, act=NetBuilder.relu
    )
    for index, (channels, stride) in enumerate(_V1):
        x = separable(
            net, f"block{index}", x, net.wide(channels), stride=stride, epsilon=1e-3,
            act=NetBuilder.relu,
        )  # fmt: skip
    return net.model(classify(net, "classifier", x, classes))


def mobilenet_v2(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """MobileNetV2: inverted residuals with Relu6 and linear bottlenecks."""
    net = NetBuilder("mobilenet_v2", resolution, width=width)
    x = mobilenet_v2_stages(net)[-1]
    x = conv_norm(net, "features.18", x, net.wide(1280), act=NetBuilder.relu6)
    return net.model(classify(net, "classifier", x, classes))


def mobilenet_v2_stages(net: NetBuilder) -> list[Tensor]:
    """The last map of each of V2's seven stages."""
    x = conv_norm(net, "features.0", net.input, net.wide(32), 3, stride=2, act=NetBuilder.relu6)
    stages = []
    index = 1
    for expand, channels, layers, stride in _V2:
        for layer in range(layers):
            x = inverted_residual(
                net, f"features.{index}", x, net.wide(channels), hidden=x.channels * expand,
                stride=stride if layer == 0 else 1, act=NetBuilder.relu6,
            )  # fmt: skip
            index += 1
        stages.append(x)
    return stages
