"""SqueezeNet 1.1 (torchvision's squeezenet1_1)."""

from __future__ import annotations

import onnx

from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["squeezenet1_1"]

#: squeeze and expand channels of each fire module; a pool where there is None.
_FIRES = (
    (16, 64), (16, 64), None, (32, 128), (32, 128), None,
    (48, 192), (48, 192), (64, 256), (64, 256),
)  # fmt: skip


def squeezenet1_1(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """SqueezeNet 1.1: fire modules, no BatchNormalization, a convolution for a classifier."""
    net = NetBuilder("squeezenet1_1", resolution, width=width)
    x = net.conv("features.0", net.input, net.wide(64), 3, stride=2, pad=0, bias=True)
    x = net.max_pool("features.2", net.relu("features.1", x), 3, 2, ceil=True)
    for index, fire in enumerate(_FIRES, start=3):
        name = f"features.{index}"
        x = net.max_pool(name, x, 3, 2, ceil=True) if fire is None else _fire(net, name, x, *fire)
    x = net.relu("classifier.2", net.conv("classifier.1", x, classes, bias=True))
    x = net.global_average_pool("classifier.3", x)
    return net.model(net.flatten("flatten", x))


def _fire(net: NetBuilder, name: str, x: Tensor, squeeze: int, expand: int) -> Tensor:
    squeeze, expand = net.wide(squeeze), net.wide(expand)
    x = net.relu(f"{name}.squeeze.relu", net.conv(f"{name}.squeeze", x, squeeze, bias=True))
    one = net.relu(f"{name}.expand1x1.relu", net.conv(f"{name}.expand1x1", x, expand, bias=True))
    three = net.conv(f"{name}.expand3x3", x, expand, 3, bias=True)
    three = net.relu(f"{name}.expand3x3.relu", three)
    return net.concat(f"{name}.concat", one, three)
