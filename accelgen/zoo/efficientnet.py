"""EfficientNet B0, B4 and V2-S (torchvision's), and Lite0 (TensorFlow's)."""

from __future__ import annotations

from functools import partial
from math import ceil

import onnx

from accelgen.zoo.blocks import classify, conv_norm, divisible, inverted_residual, squeeze_excite
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["efficientnet_b0", "efficientnet_b4", "efficientnet_lite0", "efficientnet_v2_s"]

#: expand ratio, kernel, stride, output channels, layers of each stage of B0.
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
#: V2-S: the same, and whether expansion and depthwise are fused to one convolution.
_V2_S = (
    (1, 3, 1, 24, 2, True),
    (4, 3, 2, 48, 4, True),
    (4, 3, 2, 64, 4, True),
    (4, 3, 2, 128, 6, False),
    (6, 3, 1, 160, 9, False),
    (6, 3, 2, 256, 15, False),
)


def efficientnet_b0(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """EfficientNet-B0."""
    return _efficientnet("efficientnet_b0", resolution, classes, width=width, depth=1.0)


def efficientnet_b4(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """EfficientNet-B4: 1.4 times as wide, 1.8 times as deep."""
    return _efficientnet("efficientnet_b4", resolution, classes, width=1.4 * width, depth=1.8)


def _efficientnet(
    name: str, resolution: int, classes: int, *, width: float, depth: float
) -> onnx.ModelProto:
    net = NetBuilder(name, resolution, centred=0.0)
    act = NetBuilder.swish
    x = conv_norm(net, "features.0", net.input, divisible(32 * width), 3, stride=2, act=act)
    for stage, (expand, kernel, stride, channels, layers) in enumerate(_STAGES, start=1):
        for layer in range(ceil(layers * depth)):
            x = inverted_residual(
                net, f"features.{stage}.{layer}", x, divisible(channels * width), kernel,
                stride=stride if layer == 0 else 1, hidden=x.channels * expand, act=act,
                excite=_excite(x), gain=0.5,
            )  # fmt: skip
    x = conv_norm(net, "features.8", x, 4 * x.channels, act=act)
    return net.model(classify(net, "classifier", x, classes))


def _excite(entry: Tensor) -> partial[Tensor]:
    """Squeeze-and-excite through a quarter of the channels of the block's input."""
    return partial(
        squeeze_excite, squeeze=max(1, entry.channels // 4), act=NetBuilder.swish,
        gate=NetBuilder.sigmoid,
    )  # fmt: skip


def efficientnet_lite0(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """EfficientNet-Lite0: B0 with Relu6, without squeeze-and-excite."""
    net = NetBuilder("efficientnet_lite0", resolution, width=width)
    act = NetBuilder.relu6
    x = conv_norm(net, "features.0", net.input, net.wide(32), 3, stride=2, epsilon=1e-3, act=act)
    for stage, (expand, kernel, stride, channels, layers) in enumerate(_STAGES, start=1):
        for layer in range(layers):
            x = inverted_residual(
                net, f"features.{stage}.{layer}", x, net.wide(channels), kernel, epsilon=1e-3,
                stride=stride if layer == 0 else 1, hidden=x.channels * expand, act=act, gain=0.5,
            )  # fmt: skip
    x = conv_norm(net, "features.8", x, net.wide(1280), epsilon=1e-3, act=act)
    return net.model(classify(net, "classifier", x, classes))


def efficientnet_v2_s(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """EfficientNetV2-S: early blocks with 3x3 convolutions for 1x1 and depthwise."""
    net = NetBuilder("efficientnet_v2_s", resolution, centred=0.0, width=width)
    act = NetBuilder.swish
    x = conv_norm(net, "features.0", net.input, net.wide(24), 3, stride=2, epsilon=1e-3, act=act)
    for stage, (expand, kernel, stride, channels, layers, fused) in enumerate(_V2_S, start=1):
        for layer in range(layers):
            name, strided = f"features.{stage}.{layer}", stride if layer == 0 else 1
            if fused:
                x = _fused_block(net, name, x, net.wide(channels), strided, expand)
                continue
            x = inverted_residual(
                net, name, x, net.wide(channels), kernel, stride=strided,
                hidden=x.channels * expand, act=act, excite=_excite(x), epsilon=1e-3, gain=0.5,
            )  # fmt: skip
    x = conv_norm(net, "features.7", x, net.wide(1280), epsilon=1e-3, act=act)
    return net.model(classify(net, "classifier", x, classes))


def _fused_block(
    net: NetBuilder, name: str, x: Tensor, channels: int, stride: int, expand: int
) -> Tensor:
    """3x3 to ``expand`` times the channels, linear 1x1; one 3x3 where nothing is expanded."""
    entry, act = x, NetBuilder.swish
    residual = stride == 1 and channels == entry.channels
    gain = 0.5 if residual else 1.0
    if expand == 1:
        x = conv_norm(
            net, f"{name}.fused", x, channels, 3, stride=stride, epsilon=1e-3, gain=gain, act=act
        )
    else:
        x = conv_norm(
            net, f"{name}.fused", x, expand * x.channels, 3, stride=stride, epsilon=1e-3, act=act
        )
        x = conv_norm(net, f"{name}.project", x, channels, epsilon=1e-3, gain=gain)
    return net.add(f"{name}.add", x, entry) if residual else x
