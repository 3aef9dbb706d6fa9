"""EfficientNet B0 and B4 (torchvision's efficientnet_b0 and efficientnet_b4)."""

from __future__ import annotations

from math import ceil

import onnx

from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["efficientnet_b0", "efficientnet_b4"]

#: expand ratio, kernel, stride, input channels, output channels, layers of each stage of B0.
_STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)


def efficientnet_b0(resolution: int) -> onnx.ModelProto:
    """EfficientNet-B0."""
    return _efficientnet("efficientnet_b0", resolution, width=1.0, depth=1.0)


def efficientnet_b4(resolution: int) -> onnx.ModelProto:
    """EfficientNet-B4: 1.4 times as wide, 1.8 times as deep."""
    return _efficientnet("efficientnet_b4", resolution, width=1.4, depth=1.8)


def _divisible(channels: float) -> int:
    """``channels`` rounded to a multiple of 8, but never down by more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _efficientnet(name: str, resolution: int, *, width: float, depth: float) -> onnx.ModelProto:
    net = NetBuilder(name, resolution, centred=0.0)
    x = _conv_norm(net, "features.0", net.input, _divisible(32 * width), 3, stride=2)
    x = net.swish("features.0.act", x)
    for stage, (expand, kernel, stride, _, channels, layers) in enumerate(_STAGES, start=1):
        for layer in range(ceil(layers * depth)):
            x = _block(
                net, f"features.{stage}.{layer}", x, _divisible(channels * width), kernel,
                stride=stride if layer == 0 else 1, expand=expand,
            )  # fmt: skip
    x = _conv_norm(net, "features.8", x, 4 * x.channels, 1)
    x = net.swish("features.8.act", x)
    x = net.global_average_pool("avgpool", x)
    return net.model(net.linear("classifier", x, 1000))


def _conv_norm(
    net: NetBuilder,
    name: str,
    x: Tensor,
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    depthwise: bool = False,
    gain: float = 1.0,
) -> Tensor:
    x = net.conv(f"{name}.conv", x, channels, kernel, stride=stride, depthwise=depthwise)
    return net.batch_norm(f"{name}.bn", x, gain=gain)


def _block(
    net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int, *, stride: int, expand: int
) -> Tensor:
    """Inverted residual with squeeze-and-excite; the squeeze is a quarter of the block's input."""
    entry, hidden = x, x.channels * expand
    if expand != 1:
        x = net.swish(f"{name}.expand.act", _conv_norm(net, f"{name}.expand", x, hidden, 1))
    x = _conv_norm(net, f"{name}.dw", x, hidden, kernel, stride=stride, depthwise=True)
    x = net.swish(f"{name}.dw.act", x)
    s = net.global_average_pool(f"{name}.se.pool", x)
    s = net.conv(f"{name}.se.fc1", s, max(1, entry.channels // 4), bias=True)
    s = net.swish(f"{name}.se.act", s)
    s = net.sigmoid(f"{name}.se.gate", net.conv(f"{name}.se.fc2", s, hidden, bias=True))
    x = net.mul(f"{name}.se.mul", x, s)
    residual = stride == 1 and channels == entry.channels
    # Half gain, as trained nets have: the sum of many blocks would outgrow the unit scale.
    gain = 0.5 if residual else 1.0
    x = _conv_norm(net, f"{name}.project", x, channels, 1, gain=gain)
    if residual:
        x = net.add(f"{name}.add", x, entry)
    return x
