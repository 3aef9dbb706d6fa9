"""The layers of the micro-benchmark as ONNX, with seeded weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["LAYERS", "Layer"]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """``key`` as in published.toml; ``make`` adds the layer to a net with the input
    (1, channels, side, side)."""

    key: str
    title: str
    channels: int
    side: int
    make: Callable[[NetBuilder, Tensor], Tensor]

    def model(self) -> onnx.ModelProto:
        """The layer alone, input and output in DDR."""
        net = NetBuilder(f"layer_{self.key}", self.side, channels=self.channels)
        return net.model(self.make(net, net.input))


def _convolution(
    channels: int, kernel: int, *, depthwise: bool = False
) -> Callable[[NetBuilder, Tensor], Tensor]:
    def make(net: NetBuilder, x: Tensor) -> Tensor:
        return net.relu(
            "relu", net.conv("conv", x, channels, kernel, depthwise=depthwise, bias=True)
        )

    return make


def _inverted_residual(net: NetBuilder, x: Tensor) -> Tensor:
    y = net.relu6("expand.relu", net.conv("expand", x, 6 * x.channels, bias=True))
    y = net.conv("depthwise", y, y.channels, 3, depthwise=True, bias=True)
    y = net.conv("project", net.relu6("depthwise.relu", y), x.channels, bias=True)
    return net.add("add", y, x)


def _squeeze_excite(net: NetBuilder, x: Tensor) -> Tensor:
    s = net.global_average_pool("average", x)
    s = net.relu("relu", net.conv("reduce", s, x.channels // 4, bias=True))
    s = net.sigmoid("sigmoid", net.conv("expand", s, x.channels, bias=True))
    return net.mul("mul", x, s)


LAYERS = (
    Layer(key="a", title="conv 3x3 32→32 @32x32", channels=32, side=32,
          make=_convolution(32, 3)),
    Layer(key="b", title="conv 1x1 64→128 @28x28", channels=64, side=28,
          make=_convolution(128, 1)),
    Layer(key="c", title="depthwise 3x3 128 @28x28", channels=128, side=28,
          make=_convolution(128, 3, depthwise=True)),
    Layer(key="d", title="maxpool 2x2 32 @32x32", channels=32, side=32,
          make=lambda net, x: net.max_pool("pool", x, 2, 2)),
    Layer(key="e", title="global average pool 7x7x1024", channels=1024, side=7,
          make=lambda net, x: net.global_average_pool("pool", x)),
    Layer(key="f", title="fully connected 1024→1000", channels=1024, side=1,
          make=lambda net, x: net.linear("fc", x, 1000)),
    Layer(key="g", title="inverted residual 24→144→24 + add @28x28", channels=24, side=28,
          make=_inverted_residual),
    Layer(key="h", title="x * sigmoid(x) 28x28x32", channels=32, side=28,
          make=lambda net, x: net.swish("swish", x)),
    Layer(key="i", title="squeeze and excite 14x14x128, r = 4", channels=128, side=14,
          make=_squeeze_excite),
)  # fmt: skip
