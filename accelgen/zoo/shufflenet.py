"""ShuffleNetV2 1x (torchvision's shufflenet_v2_x1_0)."""

from __future__ import annotations

import onnx

from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["shufflenet_v2"]

#: Output channels and units of each stage.
_STAGES = ((116, 4), (232, 8), (464, 4))


def shufflenet_v2(resolution: int) -> onnx.ModelProto:
    """ShuffleNetV2 1x: units compute half of their channels, pass on the other, and shuffle."""
    net = NetBuilder("shufflenet_v2", resolution)
    x = _conv_norm(net, "conv1", net.input, 24, 3, stride=2)
    x = net.max_pool("maxpool", net.relu("conv1.relu", x), 3, 2, pad=1)
    for stage, (channels, units) in enumerate(_STAGES, start=2):
        x = _first_unit(net, f"stage{stage}.0", x, channels // 2)
        for unit in range(1, units):
            x = _unit(net, f"stage{stage}.{unit}", x)
    x = net.relu("conv5.relu", _conv_norm(net, "conv5", x, 1024, 1))
    return net.model(net.linear("fc", net.global_average_pool("mean", x), 1000))


def _first_unit(net: NetBuilder, name: str, x: Tensor, half: int) -> Tensor:
    """Stride 2: both halves are computed from all channels."""
    one = _conv_norm(net, f"{name}.branch1.dw", x, x.channels, 3, stride=2, depthwise=True)
    one = net.relu(f"{name}.branch1.relu", _conv_norm(net, f"{name}.branch1.pw", one, half, 1))
    two = _branch(net, name, x, half, stride=2)
    return net.shuffle(f"{name}.shuffle", net.concat(f"{name}.concat", one, two), 2)


def _unit(net: NetBuilder, name: str, x: Tensor) -> Tensor:
    passed, half = net.split(f"{name}.split", x, 2)
    half = _branch(net, name, half, half.channels, stride=1)
    return net.shuffle(f"{name}.shuffle", net.concat(f"{name}.concat", passed, half), 2)


def _branch(net: NetBuilder, name: str, x: Tensor, channels: int, *, stride: int) -> Tensor:
    x = net.relu(f"{name}.branch2.relu1", _conv_norm(net, f"{name}.branch2.pw1", x, channels, 1))
    x = _conv_norm(net, f"{name}.branch2.dw", x, channels, 3, stride=stride, depthwise=True)
    return net.relu(f"{name}.branch2.relu2", _conv_norm(net, f"{name}.branch2.pw2", x, channels, 1))


def _conv_norm(
    net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int, *, stride: int = 1,
    depthwise: bool = False,
) -> Tensor:  # fmt: skip
    x = net.conv(f"{name}.conv", x, channels, kernel, stride=stride, depthwise=depthwise)
    return net.batch_norm(f"{name}.bn", x)
