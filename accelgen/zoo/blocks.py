"""What the zoo's networks are made of: convolution with BatchNormalization, squeeze-and-excite,
inverted residuals, bottlenecks."""

from __future__ import annotations

from collections.abc import Callable

from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = [
    "Layer", "classify", "conv_norm", "divisible", "inverted_residual", "separable",
    "squeeze_excite",
]  # fmt: skip

#: A layer without weights of its own: net, name, input; ``NetBuilder.relu`` is one.
Layer = Callable[[NetBuilder, str, Tensor], Tensor]


def divisible(channels: float, multiple: int = 8) -> int:
    """``channels`` rounded to a ``multiple``, but never down by more than a tenth."""
    rounded = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return rounded + multiple if rounded < 0.9 * channels else rounded


def conv_norm(
    net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int = 1, *, stride: int = 1,
    pad: int | None = None, depthwise: bool = False, groups: int = 1, dilation: int = 1,
    epsilon: float = 1e-5, gain: float = 1.0, act: Layer | None = None,
) -> Tensor:  # fmt: skip
    """Convolution, BatchNormalization, and ``act`` if there is one."""
    x = net.conv(
        f"{name}.conv", x, channels, kernel, stride=stride, pad=pad, depthwise=depthwise,
        groups=groups, dilation=dilation,
    )  # fmt: skip
    x = net.batch_norm(f"{name}.bn", x, epsilon=epsilon, gain=gain)
    return act(net, f"{name}.act", x) if act else x


def separable(
    net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int = 3, *, stride: int = 1,
    epsilon: float = 1e-5, act: Layer,
) -> Tensor:  # fmt: skip
    """Depthwise, then pointwise convolution, each with BatchNormalization and ``act``."""
    x = conv_norm(
        net, f"{name}.dw", x, x.channels, kernel, stride=stride, depthwise=True,
        epsilon=epsilon, act=act,
    )  # fmt: skip
    return conv_norm(net, f"{name}.pw", x, channels, epsilon=epsilon, act=act)


def squeeze_excite(
    net: NetBuilder, name: str, x: Tensor, squeeze: int, *, act: Layer, gate: Layer
) -> Tensor:
    """``x`` times a vector that its average becomes through ``squeeze`` channels."""
    s = net.global_average_pool(f"{name}.pool", x)
    s = act(net, f"{name}.act", net.conv(f"{name}.fc1", s, squeeze, bias=True))
    s = gate(net, f"{name}.gate", net.conv(f"{name}.fc2", s, x.channels, bias=True))
    return net.mul(f"{name}.mul", x, s)


def inverted_residual(
    net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int = 3, *, hidden: int,
    act: Layer, stride: int = 1, dilation: int = 1, excite: Layer | None = None,
    epsilon: float = 1e-5, gain: float = 1.0,
) -> Tensor:  # fmt: skip
    """1x1 to ``hidden`` channels (none where ``x`` has as many), depthwise, ``excite``, linear 1x1
    to ``channels``; added to ``x`` where that is possible.

    ``gain`` is that of what is added: half is what trained nets have, where the sum of many blocks
    would outgrow the unit scale.
    """
    entry = x
    if hidden != x.channels:
        x = conv_norm(net, f"{name}.expand", x, hidden, epsilon=epsilon, act=act)
    x = conv_norm(
        net, f"{name}.dw", x, hidden, kernel, stride=stride, depthwise=True, dilation=dilation,
        epsilon=epsilon, act=act,
    )  # fmt: skip
    if excite:
        x = excite(net, f"{name}.se", x)
    residual = stride == 1 and channels == entry.channels
    x = conv_norm(
        net, f"{name}.project", x, channels, epsilon=epsilon, gain=gain if residual else 1.0
    )
    return net.add(f"{name}.add", x, entry) if residual else x


def classify(net: NetBuilder, name: str, x: Tensor, classes: int) -> Tensor:
    """Average over the map, then a fully connected layer."""
    return net.linear(name, net.global_average_pool("avgpool", x), classes)
