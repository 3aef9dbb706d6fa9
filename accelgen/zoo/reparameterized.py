"""RepVGG-A0 and MobileOne-S0, as deployed: their branches are one convolution."""

from __future__ import annotations

import onnx

from accelgen.zoo.blocks import classify
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["mobileone_s0", "repvgg_a0"]

#: Channels and layers of each stage, the stem's first.
_REPVGG_A0 = ((48, 1), (48, 2), (96, 4), (192, 14), (1280, 1))
_MOBILEONE_S0 = ((48, 2), (128, 8), (256, 10), (1024, 1))


def repvgg_a0(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """RepVGG-A0: 3x3 convolutions and Relu, nothing else."""
    net = NetBuilder("repvgg_a0", resolution, width=width)
    x = net.input
    for stage, (channels, layers) in enumerate(_REPVGG_A0):
        for layer in range(layers):
            name = f"stage{stage}.{layer}"
            stride = 2 if layer == 0 else 1
            x = _conv_relu(net, name, x, net.wide(channels), 3, stride=stride)
    return net.model(classify(net, "linear", x, classes))


def mobileone_s0(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """MobileOne-S0: depthwise and pointwise convolutions with Relu."""
    net = NetBuilder("mobileone_s0", resolution, width=width)
    x = _conv_relu(net, "stage0", net.input, net.wide(48), 3, stride=2)
    for stage, (channels, layers) in enumerate(_MOBILEONE_S0, start=1):
        for layer in range(layers):
            name, stride = f"stage{stage}.{layer}", 2 if layer == 0 else 1
            x = _conv_relu(net, f"{name}.dw", x, x.channels, 3, stride=stride, depthwise=True)
            x = _conv_relu(net, f"{name}.pw", x, net.wide(channels), 1)
    return net.model(classify(net, "linear", x, classes))


def _conv_relu(
    net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int, *, stride: int = 1,
    depthwise: bool = False,
) -> Tensor:  # fmt: skip
    x = net.conv(name, x, channels, kernel, stride=stride, depthwise=depthwise, bias=True)
    return net.relu(f"{name}.relu", x)
