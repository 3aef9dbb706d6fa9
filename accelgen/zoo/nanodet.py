"""NanoDet-m (RangiLyu's): ShuffleNetV2 1x, path aggregation, three heads."""

from __future__ import annotations

import onnx

from accelgen.zoo.blocks import separable
from accelgen.zoo.net_builder import NetBuilder
from accelgen.zoo.shufflenet import shufflenet_v2_stages

__all__ = ["nanodet"]

_CHANNELS = 96
#: What it says of each of a box's four sides: a distribution over so many distances.
_DISTANCES = 8


def nanodet(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """NanoDet-m: classes and distances at an 8th, a 16th and a 32nd, before the decoding. Maps are
    enlarged by nearest neighbour (bilinear in the original); halving one bilinearly is the average
    of 2x2 pixels."""
    net = NetBuilder("nanodet", resolution, width=width)
    stages = shufflenet_v2_stages(net, NetBuilder.leaky_relu)
    channels = net.wide(_CHANNELS)
    maps = [net.conv(f"fpn.{i}", x, channels, bias=True) for i, x in enumerate(stages)]
    for index in (1, 0):
        up = net.upsample(f"fpn.{index}.up", maps[index + 1])
        maps[index] = net.add(f"fpn.{index}.down_add", maps[index], up)
    for index in (1, 2):
        down = net.average_pool(f"fpn.{index}.half", maps[index - 1], 2, 2)
        maps[index] = net.add(f"fpn.{index}.up_add", maps[index], down)
    ends = []
    for index, x in enumerate(maps):
        for layer in range(2):
            x = separable(
                net, f"head.{index}.{layer}", x, channels, act=NetBuilder.leaky_relu
            )  # fmt: skip
        ends.append(net.conv(f"head.{index}.gfl", x, classes + 4 * _DISTANCES, bias=True))
    return net.model(*ends)
