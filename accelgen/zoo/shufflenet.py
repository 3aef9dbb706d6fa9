"""ShuffleNetV1 with three groups (as published) and V2 1x (torchvision's shufflenet_v2_x1_0)."""

from __future__ import annotations

import onnx

from accelgen.zoo.blocks import Layer, classify, conv_norm
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["shufflenet_v1", "shufflenet_v2", "shufflenet_v2_stages"]

#: V1, three groups: output channels of the first stage, each later one has twice as many; units of
#: each stage.
_V1_CHANNELS = 240
_V1_UNITS = (4, 8, 4)
_GROUPS = 3
#: V2 1x: output channels and units of each stage.
_V2 = ((116, 4), (232, 8), (464, 4))


def shufflenet_v1(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """ShuffleNet 1x, g = 3: bottlenecks of grouped 1x1 convolutions with a shuffle between."""
    net = NetBuilder("shufflenet_v1", resolution, width=width)
    x = conv_norm(net, "conv1", net.input, net.wide(24, 24), 3, stride=2, act=NetBuilder.relu)
    x = net.max_pool("maxpool", x, 3, 2, pad=1)
    for stage, units in enumerate(_V1_UNITS, start=2):
        channels = net.wide(_V1_CHANNELS, 48) << (stage - 2)
        for unit in range(units):
            # The first grouped convolution of all would see eight channels at a time.
            groups = 1 if (stage, unit) == (2, 0) else _GROUPS
            x = _grouped_unit(
                net, f"stage{stage}.{unit}", x, channels, groups, stride=2 if unit == 0 else 1,
            )  # fmt: skip
    return net.model(classify(net, "fc", x, classes))


def _grouped_unit(
    net: NetBuilder, name: str, x: Tensor, channels: int, groups: int, *, stride: int
) -> Tensor:
    """Added to ``x``; with a stride, joined to its average."""
    hidden = channels // 4
    out = channels - x.channels if stride == 2 else channels
    y = conv_norm(net, f"{name}.pw1", x, hidden, groups=groups, act=NetBuilder.relu)
    y = net.shuffle(f"{name}.shuffle", y, _GROUPS)
    y = conv_norm(net, f"{name}.dw", y, hidden, 3, stride=stride, depthwise=True)
    y = conv_norm(net, f"{name}.pw2", y, out, groups=_GROUPS, gain=1.0 if stride == 2 else 0.5)
    if stride == 1:
        return net.relu(f"{name}.relu", net.add(f"{name}.add", x, y))
    x = net.average_pool(f"{name}.pool", x, 3, 2, pad=1)
    return net.relu(f"{name}.relu", net.concat(f"{name}.concat", x, y))


def shufflenet_v2(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """ShuffleNetV2 1x: units compute half of their channels, pass on the other, and shuffle."""
    net = NetBuilder("shufflenet_v2", resolution, width=width)
    x = shufflenet_v2_stages(net, NetBuilder.relu)[-1]
    x = conv_norm(net, "conv5", x, net.wide(1024), act=NetBuilder.relu)
    return net.model(classify(net, "fc", x, classes))


def shufflenet_v2_stages(net: NetBuilder, act: Layer) -> list[Tensor]:
    """The last map of each of V2's three stages, with ``act`` for Relu."""
    x = conv_norm(net, "conv1", net.input, net.wide(24), 3, stride=2, act=act)
    x = net.max_pool("maxpool", x, 3, 2, pad=1)
    stages = []
    for stage, (channels, units) in enumerate(_V2, start=2):
        x = _first_unit(net, f"stage{stage}.0", x, net.wide(channels, 16) // 2, act)
        for unit in range(1, units):
            x = _unit(net, f"stage{stage}.{unit}", x, act)
        stages.append(x)
    return stages


def _first_unit(net: NetBuilder, name: str, x: Tensor, half: int, act: Layer) -> Tensor:
    """Stride 2: both halves are computed from all channels."""
    one = conv_norm(net, f"{name}.branch1.dw", x, x.channels, 3, stride=2, depthwise=True)
    one = conv_norm(net, f"{name}.branch1.pw", one, half, act=act)
    two = _branch(net, name, x, half, act, stride=2)
    return net.shuffle(f"{name}.shuffle", net.concat(f"{name}.concat", one, two), 2)


def _unit(net: NetBuilder, name: str, x: Tensor, act: Layer) -> Tensor:
    passed, half = net.split(f"{name}.split", x, 2)
    half = _branch(net, name, half, half.channels, act, stride=1)
    return net.shuffle(f"{name}.shuffle", net.concat(f"{name}.concat", passed, half), 2)


def _branch(
    net: NetBuilder, name: str, x: Tensor, channels: int, act: Layer, *, stride: int
) -> Tensor:
    x = conv_norm(net, f"{name}.branch2.pw1", x, channels, act=act)
    x = conv_norm(net, f"{name}.branch2.dw", x, channels, 3, stride=stride, depthwise=True)
    return conv_norm(net, f"{name}.branch2.pw2", x, channels, act=act)
