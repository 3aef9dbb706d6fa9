"""GhostNet 1.0x (as published; timm's ghostnet_100)."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import onnx

from accelgen.zoo.blocks import Layer, conv_norm, divisible, squeeze_excite
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["ghostnet"]


class _Block(NamedTuple):
    kernel: int
    hidden: int
    channels: int
    excite: bool
    stride: int


_BLOCKS = tuple(_Block(*row) for row in (
    (3, 16, 16, False, 1), (3, 48, 24, False, 2), (3, 72, 24, False, 1), (5, 72, 40, True, 2),
    (5, 120, 40, True, 1), (3, 240, 80, False, 2), (3, 200, 80, False, 1), (3, 184, 80, False, 1),
    (3, 184, 80, False, 1), (3, 480, 112, True, 1), (3, 672, 112, True, 1), (5, 672, 160, True, 2),
    (5, 960, 160, False, 1), (5, 960, 160, True, 1), (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
))  # fmt: skip


def ghostnet(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """GhostNet: half of the channels of a pointwise convolution are made of the other half."""
    net = NetBuilder("ghostnet", resolution, centred=0.4, width=width)
    act = NetBuilder.relu
    x = conv_norm(net, "conv_stem", net.input, net.wide(16, 16), 3, stride=2, act=act)
    for index, block in enumerate(_BLOCKS):
        x = _bottleneck(net, f"blocks.{index}", x, block)
    x = conv_norm(net, "conv_last", x, net.wide(960), act=act)
    x = net.global_average_pool("global_pool", x)
    x = act(net, "act2", net.conv("conv_head", x, net.wide(1280), bias=True))
    return net.model(net.linear("classifier", x, classes))


def _bottleneck(net: NetBuilder, name: str, x: Tensor, block: _Block) -> Tensor:
    """Ghost module up, depthwise with the stride, squeeze-and-excite, ghost module down."""
    hidden, channels = net.wide(block.hidden, 16), net.wide(block.channels, 16)
    y = _ghost(net, f"{name}.ghost1", x, hidden, NetBuilder.relu)
    if block.stride > 1:
        y = conv_norm(
            net, f"{name}.dw", y, hidden, block.kernel, stride=block.stride, depthwise=True
        )
    if block.excite:
        y = _excite(hidden)(net, f"{name}.se", y)
    y = _ghost(net, f"{name}.ghost2", y, channels, None, gain=0.5)
    if block.stride > 1 or channels != x.channels:
        x = conv_norm(
            net, f"{name}.shortcut.dw", x, x.channels, block.kernel, stride=block.stride,
            depthwise=True,
        )  # fmt: skip
        x = conv_norm(net, f"{name}.shortcut.pw", x, channels)
    return net.add(f"{name}.add", y, x)


def _excite(hidden: int) -> partial[Tensor]:
    return partial(
        squeeze_excite, squeeze=divisible(hidden / 4, 4), act=NetBuilder.relu,
        gate=NetBuilder.hard_sigmoid,
    )  # fmt: skip


def _ghost(
    net: NetBuilder, name: str, x: Tensor, channels: int, act: Layer | None, *, gain: float = 1.0
) -> Tensor:
    """A pointwise convolution of half the channels, and a depthwise 3x3 of that behind it."""
    one = conv_norm(net, f"{name}.primary", x, channels // 2, act=act, gain=gain)
    two = conv_norm(net, f"{name}.cheap", one, channels // 2, 3, depthwise=True, act=act, gain=gain)
    return net.concat(f"{name}.concat", one, two)
