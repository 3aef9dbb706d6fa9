"""ResNet-18 (torchvision's resnet18)."""

from __future__ import annotations

import onnx

from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["resnet18"]


def resnet18(resolution: int) -> onnx.ModelProto:
    """ResNet-18: eight basic blocks."""
    net = NetBuilder("resnet18", resolution)
    x = net.batch_norm("bn1", net.conv("conv1", net.input, 64, 7, stride=2))
    x = net.max_pool("maxpool", net.relu("relu", x), 3, 2, pad=1)
    for stage, channels in enumerate((64, 128, 256, 512), start=1):
        x = _basic_block(net, f"layer{stage}.0", x, channels, stride=1 if stage == 1 else 2)
        x = _basic_block(net, f"layer{stage}.1", x, channels, stride=1)
    x = net.global_average_pool("avgpool", x)
    return net.model(net.linear("fc", x, 1000))


def _basic_block(net: NetBuilder, name: str, x: Tensor, channels: int, *, stride: int) -> Tensor:
    y = net.batch_norm(f"{name}.bn1", net.conv(f"{name}.conv1", x, channels, 3, stride=stride))
    y = net.relu(f"{name}.relu1", y)
    y = net.batch_norm(f"{name}.bn2", net.conv(f"{name}.conv2", y, channels, 3))
    if stride != 1 or channels != x.channels:
        x = net.conv(f"{name}.downsample.0", x, channels, stride=stride)
        x = net.batch_norm(f"{name}.downsample.1", x)
    return net.relu(f"{name}.relu2", net.add(f"{name}.add", y, x))
