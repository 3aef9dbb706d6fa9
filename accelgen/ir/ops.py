"""The closed set of operations, one frozen dataclass each.

Float operations come from the front end; int8 operations (``Q...``) come from the quantizer. The
formulas of the int8 ones are the contract that golden model, compiler and RTL share; with
``clamp(v) = min(max(v, low), high)`` and ``>>`` an arithmetic shift, all in exact integers.
Input 0 is always the activation. NHWC, batch 1.

What other packages must know of an operation to treat it right are its traits: they stand beside
it, so that a new operation is told once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

__all__ = [
    "Activation", "Add", "AvgPool", "Concat", "Conv2d", "Convolution", "Doubling", "Elementwise",
    "GlobalAvgPool", "Joining", "MaxPool", "Mul", "OnePixel", "Op", "Operation", "Pooling", "QAdd",
    "QAvgPool", "QConcat", "QConv2d", "QGlobalAvgPool", "QMaxPool", "QScale", "QSelect", "QStretch",
    "QTable", "QUpsample", "SameShape", "Scaling", "Select", "Selection", "Softmax", "Upsample",
]  # fmt: skip

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]  # top, left, bottom, right


# Traits.


class Operation:
    """Traits of every operation.

    ``arity``: inputs, constants among them; 0: any number. ``int8``: one of the int8 graph.
    ``lane_wise``: output channel c is made of the input channels c alone. ``keeps_scale``: the
    numbers stay, only their places change. ``in_window``: a stage of the window engine.
    """

    arity: ClassVar[int] = 1
    int8: ClassVar[bool] = False
    lane_wise: ClassVar[bool] = False
    keeps_scale: ClassVar[bool] = False
    in_window: ClassVar[bool] = False


class SameShape(Operation):
    """The output has the shape of input 0."""


class OnePixel(Operation):
    """A map becomes a vector: (1, 1, 1, c)."""


class Convolution(Operation):
    """A window over the map, and weights (input 1): their outputs are its channels."""


class Pooling(Operation):
    """A window over the map, channel by channel."""


class Selection(Operation):
    """Some channels, in some order."""


class Doubling(Operation):
    """Twice as high and wide."""


class Joining(Operation):
    """Channels of all inputs, one after the other."""

    arity = 0


class Elementwise(Operation):
    """Two maps of one shape, pixel by pixel."""

    arity = 2


class Scaling(Operation):
    """A map by a vector, or by another map."""

    arity = 2


# Float.


@dataclass(frozen=True, kw_only=True)
class Conv2d(Convolution):
    """inputs (x, weight OHWI with i = c_in / groups, bias (o,)). Fully connected: kernel = map."""

    arity = 3

    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class MaxPool(Pooling):
    """inputs (x,). Padding never wins. ceil_mode is already resolved into ``pads``."""

    keeps_scale = True

    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class AvgPool(Pooling):
    """inputs (x,). Padding counts as zeros (count_include_pad=1, or pads are all 0)."""

    kernel: Pair
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class GlobalAvgPool(OnePixel):
    """inputs (x,): (1, h, w, c) -> (1, 1, 1, c)."""


@dataclass(frozen=True, kw_only=True)
class Add(Elementwise):
    """inputs (a, b), same shape: a + b, or a - b with ``minus``."""

    minus: bool = False


@dataclass(frozen=True, kw_only=True)
class Mul(Scaling):
    """inputs (x, s): s is (1, 1, 1, c), broadcast over pixels (squeeze-and-excite)."""


@dataclass(frozen=True, kw_only=True)
class Concat(Joining):
    """inputs (a, b, ...): joined along channels."""

    keeps_scale = True


@dataclass(frozen=True, kw_only=True)
class Select(Selection):
    """inputs (x,): ``y[..., i] = x[..., channels[i]]``. Split, Slice and channel shuffle."""

    keeps_scale = True

    channels: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Upsample(Doubling):
    """inputs (x,): twice as high and wide, ``y[i, j] = x[i // 2, j // 2]``."""

    keeps_scale = True


@dataclass(frozen=True, kw_only=True)
class Activation(SameShape):
    """inputs (x,). Elementwise ``kind`` with ``params``; kinds and formulas: ir.activations.

    ``params`` become float32 numbers, as a file holds them: what is written reads back equal.
    """

    kind: str
    params: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):
            rounded = tuple(float(np.float32(value)) for value in self.params)
        object.__setattr__(self, "params", rounded)


@dataclass(frozen=True, kw_only=True)
class Softmax(SameShape):
    """inputs (x,): over channels. Runs on the PS, in float, from a float or an int8 tensor."""


# Int8.


@dataclass(frozen=True, kw_only=True)
class QConv2d(Convolution):
    """inputs (x int8, weight int8 OHWI, bias int32 (o,), multiplier int32 (o,), shift int32 (o,)).

    ``y[o] = clamp((((sum(x * w[o]) + bias[o]) * multiplier[o] + (1 << (shift[o] - 1)))
    >> shift[o]) + output_zero)``; pixels outside the map are ``input_zero``; bias already holds
    ``-input_zero * sum(w[o])``. Weights in [-127, 127], multiplier in [0, 2**17), shift in [1, 47].
    """

    int8 = True
    arity = 5

    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    groups: int = 1
    input_zero: int
    output_zero: int
    low: int = -128
    high: int = 127


@dataclass(frozen=True, kw_only=True)
class QMaxPool(Pooling):
    """inputs (x,): the largest pixel under the kernel; outside the map -128. Same scale out.
    Negative pads cut the map."""

    int8 = lane_wise = keeps_scale = in_window = True

    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class QAvgPool(Pooling):
    """inputs (x,). ``y = clamp((((sum(x) - kh * kw * input_zero) * multiplier + half) >> shift)
    + output_zero)``; pixels outside the map are ``input_zero``; multiplier includes 1 / (kh * kw).
    """

    int8 = lane_wise = in_window = True

    kernel: Pair
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    input_zero: int
    output_zero: int
    multiplier: int
    shift: int


@dataclass(frozen=True, kw_only=True)
class QGlobalAvgPool(OnePixel):
    """inputs (x,). As QAvgPool with the kernel the whole map."""

    int8 = lane_wise = True

    input_zero: int
    output_zero: int
    multiplier: int
    shift: int


@dataclass(frozen=True, kw_only=True)
class QTable(SameShape):
    """inputs (x, table int8 (256,)). ``y = table[x + 128]``."""

    int8 = lane_wise = True
    arity = 2


@dataclass(frozen=True, kw_only=True)
class QAdd(Elementwise):
    """inputs (a, b). ``y = clamp(((a * multiplier_a + b * multiplier_b + offset) >> shift)
    + output_zero)``; offset holds the rounding half and both zero points. Multipliers fit 18
    bits signed, offset 32 bits, shift in [1, 31]."""

    int8 = lane_wise = True

    multiplier_a: int
    multiplier_b: int
    offset: int
    shift: int
    output_zero: int
    low: int = -128
    high: int = 127


@dataclass(frozen=True, kw_only=True)
class QScale(Scaling):
    """inputs (x, s (1, 1, 1, c)). ``y = clamp((((x - x_zero) * (s - s_zero) * multiplier
    + half) >> shift) + output_zero)``. multiplier in [0, 2**17), shift in [1, 47]."""

    int8 = lane_wise = in_window = True

    x_zero: int
    s_zero: int
    multiplier: int
    shift: int
    output_zero: int


@dataclass(frozen=True, kw_only=True)
class QConcat(Joining):
    """inputs (a, b, ...): joined along channels, all of one scale and zero point."""

    int8 = keeps_scale = True


@dataclass(frozen=True, kw_only=True)
class QSelect(Selection):
    """inputs (x,). As Select; same scale out."""

    int8 = keeps_scale = True

    channels: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class QUpsample(Doubling):
    """inputs (x,). As Upsample; same scale out."""

    int8 = lane_wise = keeps_scale = True


@dataclass(frozen=True, kw_only=True)
class QStretch(Operation):
    """inputs (x,). What the compiler makes QUpsample of: runs that overlap by half, of pixels
    numbered row by row. ``y[2 * run * t + j] = x[run * t + j]``, 0 <= j < 2 * run.

    ``axis`` 2: run = 1, a block per pixel of all rows but the last; (h, w) -> (h - 1, 2 * w).
    ``axis`` 1: run = w, a block per row but the last; (h, w) -> (2 * (h - 1), w).
    """

    int8 = lane_wise = keeps_scale = in_window = True

    axis: int


Op = (
    Conv2d | MaxPool | AvgPool | GlobalAvgPool | Add | Mul | Concat | Select | Upsample
    | Activation | Softmax
    | QConv2d | QMaxPool | QAvgPool | QGlobalAvgPool | QTable | QAdd | QScale | QConcat
    | QSelect | QUpsample | QStretch
)  # fmt: skip
