"""What is divided by a statistic of the map itself, float and int8. Formulas: ``ir.ps_ops``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.arith import rounding_shift
from accelgen.ir.ps_ops import (
    LocalNorm,
    Normalize,
    QLocalNorm,
    QNormalize,
    QResponse,
    QSoftmax,
    Response,
    split_along,
)

__all__ = [
    "by_mean",
    "integer_root",
    "local_norm",
    "local_norm_int8",
    "normalize",
    "normalize_int8",
    "place_of",
    "response",
    "response_int8",
    "softmax_int8",
]

Floats = npt.NDArray[np.float32]
Int8s = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int64]


def normalize(op: Normalize, x: Floats) -> Floats:
    """:class:`Normalize`; sums in float64."""
    wide = by_mean(op, x.astype(np.float64))
    if op.centred:
        wide = wide - wide.mean((1, 3), keepdims=True)
    variance = (wide * wide).mean((1, 3), keepdims=True) + op.epsilon
    if op.unit:
        variance = np.maximum(variance * wide.shape[1] * wide.shape[3], np.finfo(np.float64).tiny)
    return np.asarray(wide / np.sqrt(variance), np.float32).reshape(x.shape)


def by_mean(op: Normalize | QNormalize, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``x`` as [map][][mean][]: of each mean the numbers along the second and the last."""
    means, count, row = split_along(op, (1, *x.shape[1:]))
    rows = means * count // row if row > 1 else 1
    return x.reshape(x.shape[0], rows, means, count // rows)


def normalize_int8(op: QNormalize, x: Int8s) -> Int8s:
    """:class:`QNormalize`."""
    wide = by_mean(op, x.astype(np.int64))
    n = wide.shape[1] * wide.shape[3]
    if op.input_zero is not None:
        wide = wide - op.input_zero
    sums = wide.sum((1, 3), keepdims=True) * (op.input_zero is None)
    v = ((n * (wide * wide).sum((1, 3), keepdims=True) - sums * sums) << 8) + op.epsilon
    e = (60 - bit_length(v)) // 2
    factor = (np.int64(op.multiplier) << 43) // integer_root(v << (2 * e))
    shift = np.minimum(op.shift + 39 - e, 62)
    y = rounding_shift((n * wide - sums) * factor, shift) + op.output_zero
    return np.clip(y, -128, 127).astype(np.int8).reshape(x.shape)


def response(op: Response, x: Floats) -> Floats:
    """:class:`Response`; sums in float64."""
    wide = x.astype(np.float64)
    g = np.sqrt((wide * wide).sum((1, 2), keepdims=True))
    # A map of zeros alone, without an epsilon, is 0 / 0 elsewhere: here 0.
    mean = np.maximum(g.mean(3, keepdims=True) + op.epsilon, np.finfo(np.float64).tiny)
    return np.asarray(g / mean, np.float32)


def response_int8(op: QResponse, x: Int8s) -> Int8s:
    """:class:`QResponse`."""
    wide = x.astype(np.int64) - op.input_zero
    g = integer_root((wide * wide).sum((1, 2), keepdims=True) << 26)
    whole = g.sum(3, keepdims=True) + op.epsilon
    factor = (np.int64(op.multiplier * x.shape[3]) << 28) // whole
    y = rounding_shift(g * factor, min(op.shift + 28, 62)) + op.output_zero
    return np.clip(y, -128, 127).astype(np.int8)


def _neighbours_sum(squares: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """Of ``size`` channels around each; beyond the first and the last there is nothing."""
    channels = squares.shape[3]
    before, after = (size - 1) // 2, size // 2
    sums = np.zeros((*squares.shape[:3], channels + 1), squares.dtype)
    np.cumsum(squares, axis=3, out=sums[..., 1:])
    at = np.arange(channels)
    ends = np.minimum(at + after + 1, channels), np.maximum(at - before, 0)
    result: npt.NDArray[Any] = sums[..., ends[0]] - sums[..., ends[1]]
    return result


def local_norm(op: LocalNorm, x: Floats) -> Floats:
    """:class:`LocalNorm`; sums in float64."""
    wide = x.astype(np.float64)
    base = op.bias + op.alpha / op.size * _neighbours_sum(wide * wide, op.size)
    return np.asarray(wide * base**-op.beta, np.float32)


def place_of(sums: Ints) -> tuple[Ints, Ints]:
    """Of QLocalNorm: e and i of each sum."""
    e = np.maximum(bit_length(np.maximum(sums, 1)) - 7, 0)
    return e, 64 * e + (sums >> e)


def local_norm_int8(op: QLocalNorm, x: Int8s) -> Int8s:
    """:class:`QLocalNorm`."""
    wide = x.astype(np.int64) - op.input_zero
    sums = _neighbours_sum(wide * wide, op.size)
    e, i = place_of(sums)
    factors = np.asarray(op.factors, np.int64)
    part = sums & ((np.int64(1) << e) - 1)
    factor = factors[i] + (((factors[i + 1] - factors[i]) * part) >> e)
    y = rounding_shift(wide * factor, op.shift) + op.output_zero
    return np.clip(y, -128, 127).astype(np.int8)


def softmax_int8(op: QSoftmax, x: Int8s) -> Int8s:
    """:class:`QSoftmax`."""
    wide = x.astype(np.int64)
    p = np.asarray(op.powers, np.int64)[wide.max(3, keepdims=True) - wide]
    factor = (np.int64(op.multiplier) << 40) // p.sum(3, keepdims=True)
    y = rounding_shift(p * factor, op.shift + 40) + op.output_zero
    return np.clip(y, -128, 127).astype(np.int8)


def bit_length(v: Ints) -> Ints:
    """Bits of each v in [1, 2**61)."""
    bits = np.frexp(v.astype(np.float64))[1].astype(np.int64)
    # Just below a power of two, float64 rounds up to it.
    return bits - (v < np.int64(1) << (bits - 1))


def integer_root(v: Ints) -> Ints:
    """The largest r with ``r * r <= v``, v in [0, 2**62)."""
    r = np.sqrt(v.astype(np.float64)).astype(np.int64)
    # float64 may round v up to the next square, never so far down that a root is lost.
    r -= r * r > v
    return r
