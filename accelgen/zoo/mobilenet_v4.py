"""MobileNetV4-Conv-Small (timm's mobilenetv4_conv_small)."""

from __future__ import annotations

from typing import NamedTuple

import onnx

from accelgen.zoo.blocks import conv_norm
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["mobilenet_v4_conv_small"]


class _Block(NamedTuple):
    start: int  # depthwise kernel before the expansion; 0: none
    middle: int  # and behind it
    channels: int
    expand: int
    stride: int


_BLOCKS = tuple(_Block(*row) for row in (
    (5, 5, 96, 3, 2), (0, 3, 96, 2, 1), (0, 3, 96, 2, 1), (0, 3, 96, 2, 1), (0, 3, 96, 2, 1),
    (3, 0, 96, 4, 1), (3, 3, 128, 6, 2), (5, 5, 128, 4, 1), (0, 5, 128, 4, 1), (0, 5, 128, 3, 1),
    (0, 3, 128, 4, 1), (0, 3, 128, 4, 1),
))  # fmt: skip


def mobilenet_v4_conv_small(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """MobileNetV4-Conv-Small: inverted residuals with a depthwise convolution at either place."""
    net = NetBuilder("mobilenet_v4_conv_small", resolution, width=width)
    act = NetBuilder.relu
    x = conv_norm(net, "conv_stem", net.input, net.wide(32), 3, stride=2, act=act)
    for index, (three, one) in enumerate(((32, 32), (96, 64))):
        x = conv_norm(net, f"fused.{index}.0", x, net.wide(three), 3, stride=2, act=act)
        x = conv_norm(net, f"fused.{index}.1", x, net.wide(one), act=act)
    for index, block in enumerate(_BLOCKS):
        x = _universal(net, f"blocks.{index}", x, block)
    x = conv_norm(net, "conv_last", x, net.wide(960), act=act)
    x = net.global_average_pool("global_pool", x)
    x = conv_norm(net, "conv_head", x, net.wide(1280), act=act)
    return net.model(net.linear("classifier", x, classes))


def _universal(net: NetBuilder, name: str, x: Tensor, block: _Block) -> Tensor:
    """The stride is the last depthwise convolution's."""
    entry, channels = x, net.wide(block.channels)
    if block.start:
        x = conv_norm(
            net, f"{name}.dw_start", x, x.channels, block.start, depthwise=True,
            stride=1 if block.middle else block.stride,
        )  # fmt: skip
    hidden = entry.channels * block.expand
    x = conv_norm(net, f"{name}.pw_exp", x, hidden, act=NetBuilder.relu)
    if block.middle:
        x = conv_norm(
            net, f"{name}.dw_mid", x, hidden, block.middle, depthwise=True, stride=block.stride,
            act=NetBuilder.relu,
        )  # fmt: skip
    residual = block.stride == 1 and channels == entry.channels
    x = conv_norm(net, f"{name}.pw_proj", x, channels, gain=0.5 if residual else 1.0)
    return net.add(f"{name}.add", x, entry) if residual else x
