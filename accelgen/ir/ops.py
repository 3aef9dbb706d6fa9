"""The closed set of operations, one frozen dataclass each.

Float operations come from the front end; int8 operations (``Q...``) come from the quantizer. The
formulas of the int8 ones are the contract that golden model, compiler and RTL share; with
``clamp(v) = min(max(v, low), high)`` and ``>>`` an arithmetic shift, all in exact integers.
Input 0 is always the activation. NHWC, batch 1.

What other packages must know of an operation to treat it right are its traits (``ir.traits``): they
stand beside it, so that a new operation is told once. What only the PS computes: ``ir.ps_ops``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accelgen.ir.ps_ops import (
    Bilinear,
    InnerAvgPool,
    PsOp,
    QBilinear,
    QInnerAvgPool,
    QMul,
)
from accelgen.ir.traits import (
    Bordering,
    ByteSums,
    Convolution,
    Elementwise,
    Enlarging,
    Joining,
    OneChannel,
    OnePixel,
    Operation,
    Pads,
    Pair,
    Pooling,
    Resampling,
    SameShape,
    Scaling,
    Selection,
)

__all__ = [
    "Activation", "Add", "AvgPool", "Bilinear", "Border", "Bordering", "ByteSums", "Concat",
    "Conv2d", "Convolution", "Elementwise", "Enlarging", "GlobalAvgPool", "InnerAvgPool", "Insert",
    "Joining", "MaxPool", "Mul", "OneChannel", "OnePixel", "Op", "Operation", "Pads", "Pair",
    "Pooling", "QAdd",
    "QAvgPool", "QBilinear", "QBorder", "QConcat", "QConv2d", "QGlobalAvgPool", "QInnerAvgPool",
    "QInsert", "QMaxPool", "QMul", "QScale", "QSelect", "QStretch", "QSumBytes", "QTable",
    "QUpsample",
    "Resampling", "SameShape", "Scaling", "Select", "Selection", "Softmax", "Upsample",
]  # fmt: skip

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
    """inputs (x, s): s is (1, 1, 1, c), broadcast over pixels (squeeze-and-excite), or a map."""


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
class Upsample(Enlarging):
    """inputs (x,): every pixel fh times fw times, (fh, fw) = ``factor``:
    ``y[i, j] = x[i // fh, j // fw]``."""

    keeps_scale = True

    factor: Pair = (2, 2)


@dataclass(frozen=True, kw_only=True)
class Insert(Enlarging):
    """inputs (x,): ``y[fh * i, fw * j] = x[i, j]`` with (fh, fw) = ``factor``, 0 elsewhere. What
    a transposed convolution slides its kernel over."""

    keeps_scale = True

    factor: Pair


@dataclass(frozen=True, kw_only=True)
class Border(Bordering):
    """inputs (x,): ``pads`` rows and columns around it that repeat its pixels, as numpy.pad does
    in ``mode``: "edge" the outermost, "reflect" what lies within it, "wrap" the other end's."""

    keeps_scale = True

    pads: Pads
    mode: str


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

    on_ps = True


# Int8.


@dataclass(frozen=True, kw_only=True)
class QConv2d(Convolution):
    """inputs (x int8, weight int8 OHWI, bias int32 (o,), multiplier int32 (o,), shift int32 (o,)).

    ``y[o] = clamp((((sum(x * w[o]) + bias[o]) * multiplier[o] + (1 << (shift[o] - 1)))
    >> shift[o]) + output_zero)``; pixels outside the map are ``input_zero``; bias already holds
    ``-input_zero * sum(w[o])``. Weights in [-127, 127], multiplier in [0, 2**17), shift in [1, 47].

    ``insert`` (fh, fw): x is taken as ``QInsert(factor=insert, value=input_zero)`` of it. The
    compiler's: with a kernel of 1 x 1 without stride and pads, along one axis (lowering/insert.py);
    or with one of fh x fw and more without stride and dilation (lowering/strands.py).

    ``wide``: y is int32, ``y[o] = clamp(sum(x * w[o]) + bias[o], -2**31, 2**31 - 1)``; multiplier,
    shift, output_zero, low and high wait for a y that is int8 (ir.wide).

    ``low`` above ``high``: nothing is clamped, y is the lowest 8 bits. The compiler's, for a layer
    that leaves its sums byte by byte (lowering/leave_sums.py).
    """

    int8 = True
    arity = 5

    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    groups: int = 1
    insert: Pair = (1, 1)
    input_zero: int
    output_zero: int
    low: int = -128
    high: int = 127
    wide: bool = False


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
    """inputs (x,). As QAvgPool with the kernel the whole map.

    ``wide``: y is int32, ``y[c] = sum(x - input_zero)``; multiplier, shift and output_zero wait for
    a y that is int8 (ir.wide).
    """

    int8 = lane_wise = in_squeeze = True

    input_zero: int
    output_zero: int
    multiplier: int
    shift: int
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class QSumBytes(ByteSums):
    """inputs (x,). The sum of each channel's pixels, byte by byte: ``y[0, 0, k, c]`` is bits 8k to
    8k + 7 of ``sum(x)``, an int32. The compiler's (lowering/leave_sums.py)."""

    int8 = lane_wise = in_squeeze = True


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

    int8 = lane_wise = in_adder = True

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
class QUpsample(Enlarging):
    """inputs (x,). As Upsample; same scale out."""

    int8 = lane_wise = keeps_scale = True

    factor: Pair = (2, 2)


@dataclass(frozen=True, kw_only=True)
class QStretch(Operation):
    """inputs (x,). What the compiler makes QUpsample of: runs that overlap by half, of pixels
    numbered row by row. ``y[2 * run * t + j] = x[run * t + j]``, 0 <= j < 2 * run.

    ``axis`` 2: run = 1, a block per pixel of all rows but the last; (h, w) -> (h - 1, 2 * w).
    ``axis`` 1: run = w, a block per row but the last; (h, w) -> (2 * (h - 1), w).
    """

    int8 = lane_wise = keeps_scale = in_window = True

    axis: int


@dataclass(frozen=True, kw_only=True)
class QInsert(Enlarging):
    """inputs (x,). ``y[fh * i, fw * j] = x[i, j]`` with (fh, fw) = ``factor``, ``value``
    elsewhere; same scale out. The zero point as ``value`` inserts zeros."""

    int8 = lane_wise = keeps_scale = True

    factor: Pair
    value: int


@dataclass(frozen=True, kw_only=True)
class QBorder(Bordering):
    """inputs (x,). As Border; same scale out."""

    int8 = lane_wise = keeps_scale = True

    pads: Pads
    mode: str


Op = (
    Conv2d | MaxPool | AvgPool | GlobalAvgPool | Add | Mul | Concat | Select | Upsample | Insert
    | Border
    | Activation | Softmax
    | QConv2d | QMaxPool | QAvgPool | QGlobalAvgPool | QTable | QAdd | QScale | QConcat
    | QSelect | QUpsample | QStretch | QInsert | QBorder | QSumBytes
    | PsOp
)  # fmt: skip
