"""MoveNet SinglePose Lightning (Google, 2021), up to its heads' maps."""

from __future__ import annotations

import onnx

from accelgen.zoo.blocks import conv_norm
from accelgen.zoo.mobilenet import mobilenet_v2_stages
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["movenet"]

#: Stages of MobileNetV2 that are levels, at a 4th, 8th and 16th; channels they are added with, and
#: what the sum becomes.
_LEVELS = ((1, 24, 24), (2, 32, 24), (3, 64, 32))
_TOP = 64
_HEAD = 96


def movenet(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """MobileNetV2, a pyramid that gets narrower to a 4th of the resolution, four heads.

    Out come maps at a 4th: heat of the person's centre (1 channel), from there to the ``classes``
    joints (two each), heat of the joints (one each), offsets of the joints (two each).
    """
    net = NetBuilder("movenet", resolution, width=width)
    stages = mobilenet_v2_stages(net)
    x = conv_norm(net, "features.18", stages[-1], net.wide(1280), act=NetBuilder.relu6)
    x = net.conv("fpn.top", x, net.wide(_TOP), bias=True)
    for stage, added, fused in reversed(_LEVELS):
        name = f"fpn.{stage}"
        side = net.conv(f"{name}.inner", stages[stage], net.wide(added), bias=True)
        up = net.upsample_linear(f"{name}.up", x)
        x = _separable(net, name, net.add(f"{name}.add", side, up), net.wide(fused))
    maps = {"centre": 1, "joints": 2 * classes, "heat": classes, "offsets": 2 * classes}
    return net.model(*(_head(net, f"head.{name}", x, count) for name, count in maps.items()))


def _separable(net: NetBuilder, name: str, x: Tensor, channels: int) -> Tensor:
    """Depthwise 3x3, pointwise, Relu."""
    x = net.conv(f"{name}.dw", x, x.channels, 3, depthwise=True, bias=True)
    return net.relu(f"{name}.relu", net.conv(f"{name}.pw", x, channels, bias=True))


def _head(net: NetBuilder, name: str, x: Tensor, channels: int) -> Tensor:
    x = _separable(net, name, x, net.wide(_HEAD))
    return net.conv(f"{name}.out", x, channels, bias=True)
