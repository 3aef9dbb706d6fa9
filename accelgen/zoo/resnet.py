"""ResNet-18 and ResNet-50 (torchvision's), and SE-ResNet-50 (timm's seresnet50)."""

from __future__ import annotations

from functools import partial

import onnx

from accelgen.zoo.blocks import Layer, classify, squeeze_excite
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["basic_block", "downsample", "resnet18", "resnet50", "se_resnet50", "stem"]

#: Blocks of each stage of ResNet-50.
_BLOCKS_50 = (3, 4, 6, 3)


def resnet18(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """ResNet-18: eight basic blocks."""
    net = NetBuilder("resnet18", resolution, width=width)
    x = stem(net)
    for stage, channels in enumerate((64, 128, 256, 512), start=1):
        wide = net.wide(channels)
        x = basic_block(net, f"layer{stage}.0", x, wide, stride=1 if stage == 1 else 2)
        x = basic_block(net, f"layer{stage}.1", x, wide, stride=1)
    return net.model(classify(net, "fc", x, classes))


def resnet50(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """ResNet-50 v1.5: sixteen bottlenecks, strides in their 3x3 convolutions."""
    return _resnet50(NetBuilder("resnet50", resolution, width=width), classes, excited=False)


def se_resnet50(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """ResNet-50 whose bottlenecks end in squeeze-and-excite through a 16th of their channels."""
    return _resnet50(NetBuilder("se_resnet50", resolution, width=width), classes, excited=True)


def _resnet50(net: NetBuilder, classes: int, *, excited: bool) -> onnx.ModelProto:
    x = stem(net)
    for stage, (channels, blocks) in enumerate(
        zip((64, 128, 256, 512), _BLOCKS_50, strict=True), start=1
    ):
        wide = net.wide(channels)
        excite = partial(
            squeeze_excite, squeeze=max(1, wide // 4), act=NetBuilder.relu, gate=NetBuilder.sigmoid
        )
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 1 else 1
            x = _bottleneck(
                net, f"layer{stage}.{block}", x, wide, stride=stride,
                excite=excite if excited else None,
            )  # fmt: skip
    return net.model(classify(net, "fc", x, classes))


def stem(net: NetBuilder) -> Tensor:
    """What all of them begin with: a quarter of the rows and columns."""
    x = net.batch_norm("bn1", net.conv("conv1", net.input, net.wide(64), 7, stride=2))
    return net.max_pool("maxpool", net.relu("relu", x), 3, 2, pad=1)


def basic_block(net: NetBuilder, name: str, x: Tensor, channels: int, *, stride: int) -> Tensor:
    """Two 3x3 convolutions, the first with the stride, and what comes in, added."""
    y = net.batch_norm(f"{name}.bn1", net.conv(f"{name}.conv1", x, channels, 3, stride=stride))
    y = net.relu(f"{name}.relu1", y)
    y = net.batch_norm(f"{name}.bn2", net.conv(f"{name}.conv2", y, channels, 3))
    if stride != 1 or channels != x.channels:
        x = downsample(net, name, x, channels, stride)
    return net.relu(f"{name}.relu2", net.add(f"{name}.add", y, x))


def _bottleneck(
    net: NetBuilder, name: str, x: Tensor, channels: int, *, stride: int, excite: Layer | None
) -> Tensor:
    """1x1 to ``channels``, 3x3 with the stride, 1x1 to four times ``channels``."""
    y = net.batch_norm(f"{name}.bn1", net.conv(f"{name}.conv1", x, channels))
    y = net.relu(f"{name}.relu1", y)
    y = net.batch_norm(f"{name}.bn2", net.conv(f"{name}.conv2", y, channels, 3, stride=stride))
    y = net.relu(f"{name}.relu2", y)
    # Half gain, as trained nets have: the sum of sixteen blocks would outgrow the unit scale. A
    # gate halves it by itself.
    gain = 1.0 if excite else 0.5
    y = net.batch_norm(f"{name}.bn3", net.conv(f"{name}.conv3", y, 4 * channels), gain=gain)
    if excite:
        y = excite(net, f"{name}.se", y)
    if stride != 1 or 4 * channels != x.channels:
        x = downsample(net, name, x, 4 * channels, stride)
    return net.relu(f"{name}.relu3", net.add(f"{name}.add", y, x))


def downsample(net: NetBuilder, name: str, x: Tensor, channels: int, stride: int) -> Tensor:
    """The way past a block, where its shape is another."""
    x = net.conv(f"{name}.downsample.0", x, channels, stride=stride)
    return net.batch_norm(f"{name}.downsample.1", x)
