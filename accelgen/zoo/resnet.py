"""ResNet-18 and ResNet-50 (torchvision's resnet18 and resnet50)."""

from __future__ import annotations

import onnx

from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["resnet18", "resnet50"]

#: Blocks of each stage of ResNet-50.
_BLOCKS_50 = (3, 4, 6, 3)


def resnet18(resolution: int) -> onnx.ModelProto:
    """ResNet-18: eight basic blocks."""
    net = NetBuilder("resnet18", resolution)
    x = _stem(net)
    for stage, channels in enumerate((64, 128, 256, 512), start=1):
        x = _basic_block(net, f"layer{stage}.0", x, channels, stride=1 if stage == 1 else 2)
        x = _basic_block(net, f"layer{stage}.1", x, channels, stride=1)
    x = net.global_average_pool("avgpool", x)
    return net.model(net.linear("fc", x, 1000))


def resnet50(resolution: int) -> onnx.ModelProto:
    """ResNet-50 v1.5: sixteen bottlenecks, strides in their 3x3 convolutions."""
    net = NetBuilder("resnet50", resolution)
    x = _stem(net)
    for stage, (channels, blocks) in enumerate(
        zip((64, 128, 256, 512), _BLOCKS_50, strict=True), start=1
    ):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 1 else 1
            x = _bottleneck(net, f"layer{stage}.{block}", x, channels, stride=stride)
    x = net.global_average_pool("avgpool", x)
    return net.model(net.linear("fc", x, 1000))


def _stem(net: NetBuilder) -> Tensor:
    x = net.batch_norm("bn1", net.conv("conv1", net.input, 64, 7, stride=2))
    return net.max_pool("maxpool", net.relu("relu", x), 3, 2, pad=1)


def _basic_block(net: NetBuilder, name: str, x: Tensor, channels: int, *, stride: int) -> Tensor:
    y = net.batch_norm(f"{name}.bn1", net.conv(f"{name}.conv1", x, channels, 3, stride=stride))
    y = net.relu(f"{name}.relu1", y)
    y = net.batch_norm(f"{name}.bn2", net.conv(f"{name}.conv2", y, channels, 3))
    if stride != 1 or channels != x.channels:
        x = _downsample(net, name, x, channels, stride)
    return net.relu(f"{name}.relu2", net.add(f"{name}.add", y, x))


def _bottleneck(net: NetBuilder, name: str, x: Tensor, channels: int, *, stride: int) -> Tensor:
    """1x1 to ``channels``, 3x3 with the stride, 1x1 to four times ``channels``."""
    y = net.batch_norm(f"{name}.bn1", net.conv(f"{name}.conv1", x, channels))
    y = net.relu(f"{name}.relu1", y)
    y = net.batch_norm(f"{name}.bn2", net.conv(f"{name}.conv2", y, channels, 3, stride=stride))
    y = net.relu(f"{name}.relu2", y)
    # Half gain, as trained nets have: the sum of sixteen blocks would outgrow the unit scale.
    y = net.batch_norm(f"{name}.bn3", net.conv(f"{name}.conv3", y, 4 * channels), gain=0.5)
    if stride != 1 or 4 * channels != x.channels:
        x = _downsample(net, name, x, 4 * channels, stride)
    return net.relu(f"{name}.relu3", net.add(f"{name}.add", y, x))


def _downsample(net: NetBuilder, name: str, x: Tensor, channels: int, stride: int) -> Tensor:
    x = net.conv(f"{name}.downsample.0", x, channels, stride=stride)
    return net.batch_norm(f"{name}.downsample.1", x)
