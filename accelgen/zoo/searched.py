"""Networks that a search found: MCUNet's mcunet-in3 (320 KB of RAM, 1 MB of flash) and a
sub-network of Once-for-All, note8_lat@31ms."""

from __future__ import annotations

import onnx

from accelgen.zoo.blocks import classify, conv_norm, divisible, inverted_residual
from accelgen.zoo.mobilenet_v3 import hard_excite
from accelgen.zoo.net_builder import NetBuilder

__all__ = ["mcunet", "ofa"]

#: MCUNet: expand ratio, channels, stride, kernel of each block.
_MCUNET = (
    (1, 8, 1, 3), (3, 16, 2, 7), (5, 16, 1, 3), (5, 16, 1, 7), (4, 16, 1, 5), (5, 24, 2, 5),
    (5, 24, 1, 5), (5, 24, 1, 5), (5, 40, 2, 3), (6, 40, 1, 7), (4, 40, 1, 5), (5, 48, 1, 5),
    (5, 48, 1, 7), (5, 48, 1, 3), (6, 96, 2, 3), (5, 96, 1, 7), (4, 96, 1, 3), (5, 160, 1, 7),
)  # fmt: skip
#: Once-for-All, of each stage: channels, stride, squeeze-and-excite, h-swish for Relu; expand ratio
#: and kernel of each block. The space is MobileNetV3-Large's.
_OFA = (
    (16, 1, False, False, ((1, 3),)),
    (24, 2, False, False, ((3, 5), (3, 3))),
    (40, 2, True, False, ((4, 5), (3, 5))),
    (80, 2, False, True, ((4, 3), (4, 3), (4, 5))),
    (112, 1, True, True, ((4, 3), (3, 5), (4, 7))),
    (160, 2, True, True, ((6, 3), (3, 3), (3, 5), (3, 5))),
)


def mcunet(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """MCUNet for microcontrollers: inverted residuals with Relu6, no layer behind them."""
    net = NetBuilder("mcunet", resolution, width=width)
    act = NetBuilder.relu6
    x = conv_norm(net, "first_conv", net.input, net.wide(16), 3, stride=2, epsilon=1e-3, act=act)
    for index, (expand, channels, stride, kernel) in enumerate(_MCUNET):
        x = inverted_residual(
            net, f"blocks.{index}", x, net.wide(channels), kernel, stride=stride,
            hidden=x.channels * expand, epsilon=1e-3, act=act,
        )  # fmt: skip
    return net.model(classify(net, "classifier", x, classes))


def ofa(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """A sub-network of Once-for-All's MobileNetV3 space."""
    net = NetBuilder("ofa", resolution, centred=0.4, width=width)
    hard = NetBuilder.hard_swish
    x = conv_norm(net, "first_conv", net.input, net.wide(16), 3, stride=2, act=hard)
    for stage, (channels, stride, excite, hardened, blocks) in enumerate(_OFA):
        for index, (expand, kernel) in enumerate(blocks):
            hidden = divisible(x.channels * expand)
            x = inverted_residual(
                net, f"blocks.{stage}.{index}", x, net.wide(channels), kernel, hidden=hidden,
                stride=stride if index == 0 else 1, act=hard if hardened else NetBuilder.relu,
                excite=hard_excite(hidden) if excite else None, gain=0.5,
            )  # fmt: skip
    x = conv_norm(net, "final_expand", x, net.wide(960), act=hard)
    x = net.global_average_pool("pool", x)
    x = hard(net, "feature_mix.act", net.conv("feature_mix", x, net.wide(1280)))
    return net.model(net.linear("classifier", x, classes))
