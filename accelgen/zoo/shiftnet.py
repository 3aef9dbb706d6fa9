"""ShiftNet-A (Wu et al., CVPR 2018): no spatial convolution but the first."""

from __future__ import annotations

import onnx

from accelgen.zoo.blocks import classify
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["shiftnet"]

#: Channels before the first stage; each has twice as many as what it reads.
_STEM = 32
#: Units, kernel of the shift, expansion of the first unit and of the others.
_STAGES = ((5, 5, 4, 4), (6, 5, 4, 3), (7, 3, 3, 2), (3, 3, 2, 1))


def shiftnet(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """ShiftNet-A: 1x1 convolutions with a shift of channels between, BatchNormalization and Relu
    before each."""
    net = NetBuilder("shiftnet", resolution, width=width)
    x = net.conv("conv1", net.input, net.wide(_STEM), 7, stride=2)
    for stage, (units, kernel, first, others) in enumerate(_STAGES, start=1):
        channels = 2 * x.channels
        for unit in range(units):
            x = _unit(
                net, f"layer{stage}.{unit}", x, channels, kernel, others if unit else first,
                stride=1 if unit else 2,
            )  # fmt: skip
    return net.model(classify(net, "fc", net.relu("relu", net.batch_norm("bn", x)), classes))


def _unit(
    net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int, expansion: int, *,
    stride: int,
) -> Tensor:  # fmt: skip
    """Added to ``x``; with a stride, joined to its average."""
    out = channels - x.channels if stride == 2 else channels
    y = net.relu(f"{name}.relu1", net.batch_norm(f"{name}.bn1", x))
    y = net.shift(f"{name}.shift", net.conv(f"{name}.conv1", y, expansion * out), kernel)
    y = net.relu(f"{name}.relu2", net.batch_norm(f"{name}.bn2", y))
    y = net.conv(f"{name}.conv2", y, out, stride=stride)
    if stride == 1:
        return net.add(f"{name}.add", y, x)
    return net.concat(f"{name}.concat", y, net.average_pool(f"{name}.pool", x, 3, 2, pad=1))
