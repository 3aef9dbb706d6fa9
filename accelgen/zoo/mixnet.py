"""MixNet-S (timm's mixnet_s)."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import onnx

from accelgen.zoo.blocks import classify, conv_norm, inverted_residual, squeeze_excite
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["mixnet_s"]


class _Stage(NamedTuple):
    kernels: tuple[int, ...]  # of the depthwise convolutions, a share of the channels each
    up: int  # 1x1 convolutions side by side that expand
    down: int  # and that project
    expand: int
    channels: int
    squeeze: float  # of the block's input channels; 0: no squeeze-and-excite
    stride: int
    layers: int


_STAGES = tuple(_Stage(*row) for row in (
    ((3,), 2, 2, 6, 24, 0, 2, 1), ((3,), 2, 2, 3, 24, 0, 1, 1),
    ((3, 5, 7), 1, 1, 6, 40, 0.5, 2, 1), ((3, 5), 2, 2, 6, 40, 0.5, 1, 3),
    ((3, 5, 7), 1, 2, 6, 80, 0.25, 2, 1), ((3, 5), 1, 2, 6, 80, 0.25, 1, 2),
    ((3, 5, 7), 2, 2, 6, 120, 0.5, 1, 1), ((3, 5, 7, 9), 2, 2, 3, 120, 0.5, 1, 2),
    ((3, 5, 7, 9, 11), 1, 1, 6, 200, 0.5, 2, 1), ((3, 5, 7, 9), 1, 2, 6, 200, 0.5, 1, 2),
))  # fmt: skip


def mixnet_s(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """MixNet-S: depthwise convolutions of several kernels side by side."""
    net = NetBuilder("mixnet_s", resolution, centred=0.0, width=width)
    x = conv_norm(net, "conv_stem", net.input, net.wide(16), 3, stride=2, act=NetBuilder.relu)
    x = inverted_residual(
        net, "blocks.0.0", x, net.wide(16), hidden=x.channels, act=NetBuilder.relu, gain=0.5
    )
    for index, stage in enumerate(_STAGES, start=1):
        for layer in range(stage.layers):
            strided = stage if layer == 0 else stage._replace(stride=1)
            x = _block(net, f"blocks.{index}.{layer}", x, strided)
    x = conv_norm(net, "conv_head", x, net.wide(1536), act=NetBuilder.relu)
    return net.model(classify(net, "classifier", x, classes))


def _block(net: NetBuilder, name: str, x: Tensor, stage: _Stage) -> Tensor:
    """Inverted residual; with squeeze-and-excite its activations are swish."""
    entry, act = x, NetBuilder.swish if stage.squeeze else NetBuilder.relu
    channels = net.wide(stage.channels, 16)
    hidden = entry.channels * stage.expand
    x = _mixed(net, f"{name}.expand", x, hidden, (1,) * stage.up)
    x = act(net, f"{name}.act1", net.batch_norm(f"{name}.bn1", x))
    x = _mixed(net, f"{name}.dw", x, hidden, stage.kernels, stride=stage.stride, depthwise=True)
    x = act(net, f"{name}.act2", net.batch_norm(f"{name}.bn2", x))
    if stage.squeeze:
        excite = partial(
            squeeze_excite, squeeze=int(entry.channels * stage.squeeze), act=act,
            gate=NetBuilder.sigmoid,
        )  # fmt: skip
        x = excite(net, f"{name}.se", x)
    x = _mixed(net, f"{name}.project", x, channels, (1,) * stage.down)
    residual = stage.stride == 1 and channels == entry.channels
    x = net.batch_norm(f"{name}.bn3", x, gain=0.5 if residual else 1.0)
    return net.add(f"{name}.add", x, entry) if residual else x


def _mixed(
    net: NetBuilder, name: str, x: Tensor, channels: int, kernels: tuple[int, ...], *,
    stride: int = 1, depthwise: bool = False,
) -> Tensor:  # fmt: skip
    """A convolution per kernel, each from its share of the channels to its share."""
    if len(kernels) == 1:
        return net.conv(name, x, channels, kernels[0], stride=stride, depthwise=depthwise)
    shares = zip(
        net.split(f"{name}.split", x, *_shares(x.channels, len(kernels))),
        _shares(channels, len(kernels)), kernels, strict=True,
    )  # fmt: skip
    return net.concat(f"{name}.concat", *(
        net.conv(f"{name}.{index}", part, share, kernel, stride=stride, depthwise=depthwise)
        for index, (part, share, kernel) in enumerate(shares)
    ))  # fmt: skip


def _shares(channels: int, parts: int) -> tuple[int, ...]:
    """Equal shares; what remains is the first one's."""
    share = channels // parts
    return (channels - share * (parts - 1), *(share,) * (parts - 1))
