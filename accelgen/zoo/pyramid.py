"""Feature pyramid over MobileNetV2 (torchvision's FeaturePyramidNetwork over mobilenet_v2)."""

from __future__ import annotations

import onnx

from accelgen.zoo.mobilenet import mobilenet_v2_stages
from accelgen.zoo.net_builder import NetBuilder

__all__ = ["fpn_mobilenet_v2"]

#: Stages of MobileNetV2 that are levels: the last ones at a 4th, 8th, 16th and 32nd.
_LEVELS = (1, 2, 4, 6)
_CHANNELS = 256


def fpn_mobilenet_v2(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """Four maps of 256 channels, at a 4th to a 32nd of the resolution, finest first; coarser ones
    are enlarged by nearest neighbour and added. There are no ``classes``."""
    net = NetBuilder("fpn_mobilenet_v2", resolution, width=width)
    stages = mobilenet_v2_stages(net)
    channels = net.wide(_CHANNELS)
    outputs = []
    coarser = None
    for level in reversed(_LEVELS):
        name = f"fpn.{level}"
        x = net.conv(f"{name}.inner", stages[level], channels, bias=True)
        if coarser is not None:
            x = net.add(f"{name}.add", x, net.upsample(f"{name}.up", coarser))
        outputs.append(net.conv(f"{name}.layer", x, channels, 3, bias=True))
        coarser = x
    return net.model(*reversed(outputs))
