"""U-Net (Ronneberger et al., MICCAI 2015), with padding and BatchNormalization as used now."""

from __future__ import annotations

import onnx

from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["unet"]

#: Channels of the five levels; the map's sides are halved between them.
_LEVELS = (64, 128, 256, 512, 1024)


def unet(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """Down by max pooling, up by transposed convolutions of stride 2, each level joined with the
    map of its size on the way down; out comes a map of ``classes`` logits."""
    net = NetBuilder("unet", resolution, width=width)
    channels = [net.wide(c) for c in _LEVELS]
    x = _twice(net, "down.0", net.input, channels[0])
    skips = []
    for level, wide in enumerate(channels[1:], start=1):
        skips.append(x)
        x = _twice(net, f"down.{level}", net.max_pool(f"down.{level}.pool", x, 2, 2), wide)
    for level in reversed(range(len(skips))):
        up = net.conv_transpose(f"up.{level}.up", x, channels[level])
        x = net.concat(f"up.{level}.join", skips[level], up)
        x = _twice(net, f"up.{level}", x, channels[level])
    return net.model(net.conv("head", x, classes, bias=True))


def _twice(net: NetBuilder, name: str, x: Tensor, channels: int) -> Tensor:
    """Two 3x3 convolutions with BatchNormalization and Relu."""
    for number in (0, 1):
        at = f"{name}.{number}"
        x = net.conv(f"{at}.conv", x, channels, 3)
        x = net.relu(f"{at}.relu", net.batch_norm(f"{at}.bn", x))
    return x
