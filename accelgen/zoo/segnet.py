"""SegNet (Badrinarayanan et al., PAMI 2017): VGG-16 down, and up again by max unpooling."""

from __future__ import annotations

import onnx

from accelgen.zoo.blocks import conv_norm
from accelgen.zoo.net_builder import NetBuilder

__all__ = ["segnet"]

#: Channels and convolutions of the five levels, as VGG-16's.
_LEVELS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def segnet(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """Each level on the way up puts its pixels where the maxima of the level on the way down were;
    its last convolution has the channels of the next. Out comes a map of ``classes`` logits."""
    net = NetBuilder("segnet", resolution, width=width)
    x = net.input
    pooled = []
    for level, (channels, count) in enumerate(_LEVELS):
        for number in range(count):
            x = conv_norm(
                net, f"down.{level}.{number}", x, net.wide(channels), 3, act=NetBuilder.relu
            )
        before = x
        x, indices = net.max_pool_indices(f"down.{level}.pool", x)
        pooled.append((indices, before))
    for level, (channels, count) in reversed(list(enumerate(_LEVELS))):
        x = net.max_unpool(f"up.{level}.unpool", x, *pooled[level])
        for number in range(count - 1 if level == 0 else count):
            last = number == count - 1
            wide = net.wide(_LEVELS[level - 1][0] if last else channels)
            x = conv_norm(net, f"up.{level}.{number}", x, wide, 3, act=NetBuilder.relu)
    return net.model(net.conv("head", x, classes, 3, bias=True))
