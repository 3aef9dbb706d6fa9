"""The closed set of operations, one frozen dataclass each.

Float operations come from the front end; int8 operations (``Q...``) come from the quantizer. The
formulas of the int8 ones are the contract that golden model, compiler and RTL share; with
``clamp(v) = min(max(v, low), high)`` and ``>>`` an arithmetic shift, all in exact integers.
Input 0 is always the activation. NHWC, batch 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = [
    "Activation", "Add", "AvgPool", "Concat", "Conv2d", "GlobalAvgPool", "MaxPool", "Mul", "Op",
    "QAdd", "QAvgPool", "QConcat", "QConv2d", "QGlobalAvgPool", "QMaxPool", "QScale", "QSelect",
    "QStretch", "QTable", "QUpsample", "Select", "Softmax", "Upsample",
]  # fmt: skip

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]  # top, left, bottom, right


# Float.


@dataclass(frozen=True, kw_only=True)
class Conv2d:
    """inputs (x, weight OHWI with i = c_in / groups, bias (o,)). Fully connected: kernel = map."""

    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class MaxPool:
    """inputs (x,). Padding never wins. ceil_mode is already resolved into ``pads``."""

    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class AvgPool:
    """inputs (x,). Padding counts as zeros (count_include_pad=1, or pads are all 0)."""

    kernel: Pair
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class GlobalAvgPool:
    """inputs (x,): (1, h, w, c) -> (1, 1, 1, c)."""


@dataclass(frozen=True, kw_only=True)
class Add:
    """inputs (a, b), same shape."""


@dataclass(frozen=True, kw_only=True)
class Mul:
    """inputs (x, s): s is (1, 1, 1, c), broadcast over pixels (squeeze-and-excite)."""


@dataclass(frozen=True, kw_only=True)
class Concat:
    """inputs (a, b, ...): joined along channels."""


@dataclass(frozen=True, kw_only=True)
class Select:
    """inputs (x,): ``y[..., i] = x[..., channels[i]]``. Split, Slice and channel shuffle."""

    channels: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Upsample:
    """inputs (x,): twice as high and wide, ``y[i, j] = x[i // 2, j // 2]``."""


@dataclass(frozen=True, kw_only=True)
class Activation:
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
class Softmax:
    """inputs (x,): over channels. Runs on the PS, in float, from a float or an int8 tensor."""


# Int8.


@dataclass(frozen=True, kw_only=True)
class QConv2d:
    """inputs (x int8, weight int8 OHWI, bias int32 (o,), multiplier int32 (o,), shift int32 (o,)).

    ``y[o] = clamp((((sum(x * w[o]) + bias[o]) * multiplier[o] + (1 << (shift[o] - 1)))
    >> shift[o]) + output_zero)``; pixels outside the map are ``input_zero``; bias already holds
    ``-input_zero * sum(w[o])``. Weights in [-127, 127], multiplier in [0, 2**17), shift in [1, 47].
    """

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
class QMaxPool:
    """inputs (x,): the largest pixel under the kernel; outside the map -128. Same scale out.
    Negative pads cut the map."""

    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class QAvgPool:
    """inputs (x,). ``y = clamp((((sum(x) - kh * kw * input_zero) * multiplier + half) >> shift)
    + output_zero)``; pixels outside the map are ``input_zero``; multiplier includes 1 / (kh * kw).
    """

    kernel: Pair
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    input_zero: int
    output_zero: int
    multiplier: int
    shift: int


@dataclass(frozen=True, kw_only=True)
class QGlobalAvgPool:
    """inputs (x,). As QAvgPool with the kernel the whole map."""

    input_zero: int
    output_zero: int
    multiplier: int
    shift: int


@dataclass(frozen=True, kw_only=True)
class QTable:
    """inputs (x, table int8 (256,)). ``y = table[x + 128]``."""


@dataclass(frozen=True, kw_only=True)
class QAdd:
    """inputs (a, b). ``y = clamp(((a * multiplier_a + b * multiplier_b + offset) >> shift)
    + output_zero)``; offset holds the rounding half and both zero points. Multipliers fit 18
    bits signed, offset 32 bits, shift in [1, 31]."""

    multiplier_a: int
    multiplier_b: int
    offset: int
    shift: int
    output_zero: int
    low: int = -128
    high: int = 127


@dataclass(frozen=True, kw_only=True)
class QScale:
    """inputs (x, s (1, 1, 1, c)). ``y = clamp((((x - x_zero) * (s - s_zero) * multiplier
    + half) >> shift) + output_zero)``. multiplier in [0, 2**17), shift in [1, 47]."""

    x_zero: int
    s_zero: int
    multiplier: int
    shift: int
    output_zero: int


@dataclass(frozen=True, kw_only=True)
class QConcat:
    """inputs (a, b, ...): joined along channels, all of one scale and zero point."""


@dataclass(frozen=True, kw_only=True)
class QSelect:
    """inputs (x,). As Select; same scale out."""

    channels: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class QUpsample:
    """inputs (x,). As Upsample; same scale out."""


@dataclass(frozen=True, kw_only=True)
class QStretch:
    """inputs (x,). What the compiler makes QUpsample of: runs that overlap by half, of pixels
    numbered row by row. ``y[2 * run * t + j] = x[run * t + j]``, 0 <= j < 2 * run.

    ``axis`` 2: run = 1, a block per pixel of all rows but the last; (h, w) -> (h - 1, 2 * w).
    ``axis`` 1: run = w, a block per row but the last; (h, w) -> (2 * (h - 1), w).
    """

    axis: int


Op = (
    Conv2d | MaxPool | AvgPool | GlobalAvgPool | Add | Mul | Concat | Select | Upsample
    | Activation | Softmax
    | QConv2d | QMaxPool | QAvgPool | QGlobalAvgPool | QTable | QAdd | QScale | QConcat
    | QSelect | QUpsample | QStretch
)  # fmt: skip
