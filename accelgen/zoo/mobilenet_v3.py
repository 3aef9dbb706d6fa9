"""MobileNetV3 large and small, and LR-ASPP over the large one (torchvision's)."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import onnx

from accelgen.zoo.blocks import conv_norm, divisible, inverted_residual, squeeze_excite
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["hard_excite", "lraspp", "mobilenet_v3_large", "mobilenet_v3_small"]

_EPSILON = 1e-3


class _Block(NamedTuple):
    kernel: int
    hidden: int
    channels: int
    excite: bool
    hard: bool  # h-swish for Relu
    stride: int


_LARGE = tuple(_Block(*row) for row in (
    (3, 16, 16, False, False, 1), (3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2), (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2), (3, 200, 80, False, True, 1), (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1), (3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2), (5, 960, 160, True, True, 1), (5, 960, 160, True, True, 1),
))  # fmt: skip
_SMALL = tuple(_Block(*row) for row in (
    (3, 16, 16, True, False, 2), (3, 72, 24, False, False, 2), (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2), (5, 240, 40, True, True, 1), (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1), (5, 144, 48, True, True, 1), (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1), (5, 576, 96, True, True, 1),
))  # fmt: skip
#: Index of the block of the large one from which on LR-ASPP dilates, and of its finer map.
_DILATED, _FINE = 12, 5
_INTERMEDIATE = 128


def mobilenet_v3_large(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """MobileNetV3-Large."""
    net = NetBuilder("mobilenet_v3_large", resolution, centred=0.4, width=width)
    return _classifier(net, _features(net, _LARGE)[-1], 1280, classes)


def mobilenet_v3_small(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """MobileNetV3-Small."""
    net = NetBuilder("mobilenet_v3_small", resolution, centred=0.4, width=width)
    return _classifier(net, _features(net, _SMALL)[-1], 1024, classes)


def _classifier(net: NetBuilder, x: Tensor, hidden: int, classes: int) -> onnx.ModelProto:
    x = net.linear("classifier.0", net.global_average_pool("avgpool", x), net.wide(hidden))
    return net.model(net.linear("classifier.3", net.hard_swish("classifier.1", x), classes))


def hard_excite(hidden: int) -> partial[Tensor]:
    """Squeeze-and-excite through a quarter of ``hidden``, with Relu and HardSigmoid."""
    return partial(
        squeeze_excite, squeeze=divisible(hidden / 4), act=NetBuilder.relu,
        gate=NetBuilder.hard_sigmoid,
    )  # fmt: skip


def _features(
    net: NetBuilder, blocks: tuple[_Block, ...], *, dilated: int | None = None
) -> list[Tensor]:
    """All maps; from the block of index ``dilated`` on dilation 2 for a stride of 2."""
    x = conv_norm(
        net, "features.0", net.input, net.wide(16), 3, stride=2, epsilon=_EPSILON,
        act=NetBuilder.hard_swish,
    )  # fmt: skip
    maps = [x]
    for index, block in enumerate(blocks):
        hidden = net.wide(block.hidden)
        wider = dilated is not None and index >= dilated
        x = inverted_residual(
            net, f"features.{index + 1}", x, net.wide(block.channels), block.kernel,
            hidden=hidden, stride=1 if wider else block.stride, dilation=2 if wider else 1,
            act=NetBuilder.hard_swish if block.hard else NetBuilder.relu,
            excite=hard_excite(hidden) if block.excite else None, epsilon=_EPSILON, gain=0.5,
        )  # fmt: skip
        maps.append(x)
    maps.append(conv_norm(
        net, f"features.{len(blocks) + 1}", x, 6 * x.channels, epsilon=_EPSILON,
        act=NetBuilder.hard_swish,
    ))  # fmt: skip
    return maps


def lraspp(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """Lite R-ASPP: classes of each pixel at an eighth of the resolution; enlarging that is the
    host's. Its own x2 is nearest (bilinear in torchvision)."""
    net = NetBuilder("lraspp", resolution, centred=0.4, width=width)
    maps = _features(net, _LARGE, dilated=_DILATED)
    fine, x = maps[_FINE - 1], maps[-1]
    hidden = net.wide(_INTERMEDIATE)
    gate = net.conv("classifier.scale.1", net.global_average_pool("classifier.scale.0", x), hidden)
    x = conv_norm(net, "classifier.cbr", x, hidden, act=NetBuilder.relu)
    x = net.mul("classifier.mul", x, net.sigmoid("classifier.scale.2", gate))
    high = net.conv("classifier.high", net.upsample("classifier.up", x), classes, bias=True)
    low = net.conv("classifier.low", fine, classes, bias=True)
    return net.model(net.add("classifier.add", high, low))
