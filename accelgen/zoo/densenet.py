"""DenseNet-121 (torchvision's densenet121)."""

from __future__ import annotations

import onnx

from accelgen.zoo.blocks import classify
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["densenet121"]

_BLOCKS = (6, 12, 24, 16)
_GROWTH = 32


def densenet121(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """DenseNet-121: each of 58 layers adds 32 channels to all that its block has made before."""
    net = NetBuilder("densenet121", resolution, width=width)
    growth = net.wide(_GROWTH)
    x = net.conv("features.conv0", net.input, 2 * growth, 7, stride=2)
    x = net.relu("features.relu0", net.batch_norm("features.norm0", x))
    x = net.max_pool("features.pool0", x, 3, 2, pad=1)
    for block, layers in enumerate(_BLOCKS, start=1):
        parts = [x]
        for layer in range(1, layers + 1):
            parts.append(_layer(net, f"block{block}.{layer}", parts, growth))
        x = net.concat(f"block{block}.concat", *parts)
        if block < len(_BLOCKS):
            x = _norm_relu_conv(net, f"transition{block}", x, x.channels // 2, 1)
            x = net.average_pool(f"transition{block}.pool", x, 2, 2)
    x = net.relu("features.relu5", net.batch_norm("features.norm5", x))
    return net.model(classify(net, "classifier", x, classes))


def _layer(net: NetBuilder, name: str, parts: list[Tensor], growth: int) -> Tensor:
    """1x1 to four times the growth, 3x3; BatchNormalization and Relu before each."""
    x = net.concat(f"{name}.concat", *parts) if len(parts) > 1 else parts[0]
    x = _norm_relu_conv(net, f"{name}.1", x, 4 * growth, 1)
    return _norm_relu_conv(net, f"{name}.2", x, growth, 3)


def _norm_relu_conv(net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int) -> Tensor:
    x = net.relu(f"{name}.relu", net.batch_norm(f"{name}.norm", x))
    return net.conv(f"{name}.conv", x, channels, kernel)
