"""ResNet-18 whose last stage is deformable: modulated convolutions (Zhu et al., CVPR 2019)."""

from __future__ import annotations

import onnx

from accelgen.zoo.blocks import classify
from accelgen.zoo.net_builder import NetBuilder, Tensor
from accelgen.zoo.resnet import basic_block, downsample, stem

__all__ = ["deformable"]


def deformable(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """ResNet-18; each of the four 3x3 convolutions of the last stage reads where two others of the
    same map say: 18 offsets and 9 masks for each pixel."""
    net = NetBuilder("deformable", resolution, width=width)
    x = stem(net)
    for stage, channels in enumerate((64, 128, 256), start=1):
        wide = net.wide(channels)
        x = basic_block(net, f"layer{stage}.0", x, wide, stride=1 if stage == 1 else 2)
        x = basic_block(net, f"layer{stage}.1", x, wide, stride=1)
    x = _deformable_block(net, "layer4.0", x, net.wide(512), stride=2)
    x = _deformable_block(net, "layer4.1", x, net.wide(512), stride=1)
    return net.model(classify(net, "fc", x, classes))


def _deformable_block(
    net: NetBuilder, name: str, x: Tensor, channels: int, *, stride: int
) -> Tensor:
    y = _deformed(net, f"{name}.conv1", x, channels, stride=stride)
    y = net.relu(f"{name}.relu1", net.batch_norm(f"{name}.bn1", y))
    y = _deformed(net, f"{name}.conv2", y, channels, stride=1)
    y = net.batch_norm(f"{name}.bn2", y)
    if stride != 1 or channels != x.channels:
        x = downsample(net, name, x, channels, stride)
    return net.relu(f"{name}.relu2", net.add(f"{name}.add", y, x))


def _deformed(net: NetBuilder, name: str, x: Tensor, channels: int, *, stride: int) -> Tensor:
    offset = net.conv(f"{name}.offset", x, 18, 3, stride=stride, bias=True)
    mask = net.conv(f"{name}.mask", x, 9, 3, stride=stride, bias=True)
    mask = net.sigmoid(f"{name}.sigmoid", mask)
    return net.deform_conv(name, x, channels, offset, mask, stride=stride)
