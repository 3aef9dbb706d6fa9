"""Int8 operations in exact integers, NHWC, any batch. Formulas: ``ir.ops`` and ``arith``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.arith import requantize
from accelgen.golden.blas import one_blas_thread
from accelgen.golden.exact import Sums, look_up, rescale
from accelgen.golden.ps_ops import PS_INT8_OPS
from accelgen.golden.windows import border, insert, largest, stretch, total, upsample
from accelgen.ir import ops
from accelgen.ir.shapes import BYTES

__all__ = ["INT8_OPS", "accumulate"]

Int8s = npt.NDArray[np.int8]
Ints = npt.NDArray[Any]
_INT32 = -(1 << 31), (1 << 31) - 1


def accumulate(op: ops.QConv2d, x: Int8s, weight: Int8s) -> npt.NDArray[np.int64]:
    """The exact sums of products of a convolution, before bias and scaling."""
    sums = Sums(op, x, weight)
    result = np.empty(sums.shape, np.int64)
    with one_blas_thread():
        for at, block in sums.blocks():
            result[at] = block
    return result


def _conv2d(
    op: ops.QConv2d, x: Int8s, weight: Int8s, bias: Ints, multiplier: Ints, shift: Ints
) -> Ints:
    if op.wide:
        return np.clip(accumulate(op, x, weight) + bias, *_INT32).astype(np.int32)
    if op.low > op.high:
        acc = accumulate(op, x, weight)
        return requantize(acc, bias, multiplier, shift, op.output_zero, op.low, op.high)
    sums = Sums(op, x, weight)
    result = np.empty(sums.shape, np.int8)
    with one_blas_thread():
        for at, block in sums.blocks():
            result[at] = rescale(
                block, bias, multiplier, shift, op.output_zero, op.low, op.high, most=sums.most
            )
    return result


def _max_pool(op: ops.QMaxPool, x: Int8s) -> Int8s:
    return largest(x, op.kernel, op.stride, op.dilation, op.pads, -128)


def _avg_pool(op: ops.QAvgPool, x: Int8s) -> Int8s:
    acc = total(x.astype(np.int32), op.kernel, op.stride, op.pads, op.input_zero)
    bias = -op.kernel[0] * op.kernel[1] * op.input_zero
    return requantize(acc, bias, op.multiplier, op.shift, op.output_zero)


def _global_avg_pool(op: ops.QGlobalAvgPool, x: Int8s) -> Ints:
    acc = x.sum(axis=(1, 2), dtype=np.int64, keepdims=True)
    bias = -x.shape[1] * x.shape[2] * op.input_zero
    if op.wide:
        return np.asarray(acc + bias, np.int32)
    return requantize(acc, bias, op.multiplier, op.shift, op.output_zero)


def _sum_bytes(op: ops.QSumBytes, x: Int8s) -> Int8s:
    acc = x.sum(axis=(1, 2), dtype=np.int64, keepdims=True)
    return np.concatenate([acc >> 8 * k for k in range(BYTES)], axis=2).astype(np.int8)


def _table(op: ops.QTable, x: Int8s, table: Int8s) -> Int8s:
    return look_up(table, x)


def _add(op: ops.QAdd, a: Int8s, b: Int8s) -> Int8s:
    total_ = a.astype(np.int64) * op.multiplier_a + b.astype(np.int64) * op.multiplier_b
    scaled = ((total_ + op.offset) >> op.shift) + op.output_zero
    result: Int8s = np.clip(scaled, op.low, op.high).astype(np.int8)
    return result


def _scale(op: ops.QScale, x: Int8s, s: Int8s) -> Int8s:
    product = (x.astype(np.int32) - op.x_zero) * (s.astype(np.int32) - op.s_zero)
    return rescale(product, 0, op.multiplier, op.shift, op.output_zero, most=1 << 16)


def _concat(op: ops.QConcat, *inputs: Int8s) -> Int8s:
    return np.concatenate(inputs, axis=3)


def _select(op: ops.QSelect, x: Int8s) -> Int8s:
    return x[..., list(op.channels)]


def _upsample(op: ops.QUpsample, x: Int8s) -> Int8s:
    return upsample(x, op.factor)


def _stretch(op: ops.QStretch, x: Int8s) -> Int8s:
    return stretch(x, op.axis)


def _insert(op: ops.QInsert, x: Int8s) -> Int8s:
    return insert(x, op.factor, op.value)


def _border(op: ops.QBorder, x: Int8s) -> Int8s:
    return border(x, op.pads, op.mode)


#: Operation type: function of (op, *inputs). Activations are int8.
INT8_OPS: dict[type, Callable[..., npt.NDArray[Any]]] = {
    ops.QConv2d: _conv2d,
    ops.QMaxPool: _max_pool,
    ops.QAvgPool: _avg_pool,
    ops.QGlobalAvgPool: _global_avg_pool,
    ops.QSumBytes: _sum_bytes,
    ops.QTable: _table,
    ops.QAdd: _add,
    ops.QScale: _scale,
    ops.QConcat: _concat,
    ops.QSelect: _select,
    ops.QUpsample: _upsample,
    ops.QStretch: _stretch,
    ops.QInsert: _insert,
    **PS_INT8_OPS,
    ops.QBorder: _border,
}
