"""What only the PS computes: float and in exact integers. Formulas: ``ir.ps_ops``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.arith import requantize
from accelgen.golden.deform import deform_int8
from accelgen.golden.norms import (
    local_norm_int8,
    normalize_int8,
    response_int8,
    softmax_int8,
)
from accelgen.golden.windows import total
from accelgen.ir.ps_ops import (
    Bilinear,
    ChannelMax,
    InnerAvgPool,
    QBilinear,
    QChannelMax,
    QDeform,
    QInnerAvgPool,
    QJoinBytes,
    QLocalNorm,
    QMul,
    QNormalize,
    QResponse,
    QSoftmax,
    QUnpool,
    Unpool,
)
from accelgen.ir.shapes import BYTES

__all__ = [
    "PS_INT8_OPS",
    "STEP",
    "bilinear",
    "bilinear_int8",
    "channel_max",
    "inner_pool",
    "inner_pool_int8",
    "multiply_int8",
    "positions",
    "unpool",
]

Floats = npt.NDArray[np.float32]
Int8s = npt.NDArray[np.int8]

#: Positions of the int8 operation, in one pixel.
STEP = 1 << 11


def positions(op: Bilinear, size: tuple[int, int]) -> tuple[npt.NDArray[np.float64], ...]:
    """Of every output row, and of every column, where it is in a map of ``size``."""
    found = []
    for axis in (0, 1):
        old, new, scale = size[axis], op.size[axis], op.scales[axis]
        i = np.arange(new, dtype=np.float64)
        at = {
            "half_pixel": (i + 0.5) / scale - 0.5,
            "pytorch_half_pixel": (i + 0.5) / scale - 0.5 if new > 1 else i,
            "asymmetric": i / scale,
            "align_corners": i * (old - 1) / max(new - 1, 1),
        }[op.coordinates]
        found.append(np.clip(at, 0, old - 1))
    return tuple(found)


def bilinear(op: Bilinear, x: Floats) -> Floats:
    """:class:`Bilinear`, columns first."""
    _, height, width, _ = x.shape
    rows, columns = positions(op, (height, width))
    at = np.minimum(columns.astype(np.int64), max(width - 2, 0))
    part: Floats = (columns - at).astype(np.float32)[:, None]
    wide: Floats = x[:, :, at] * (1 - part) + x[:, :, np.minimum(at + 1, width - 1)] * part
    at = np.minimum(rows.astype(np.int64), max(height - 2, 0))
    part = (rows - at).astype(np.float32)[:, None, None]
    result: Floats = wide[:, at] * (1 - part) + wide[:, np.minimum(at + 1, height - 1)] * part
    return result


def bilinear_int8(op: QBilinear, x: Int8s) -> Int8s:
    """:class:`QBilinear`."""
    _, height, width, _ = x.shape
    at, after, part = _neighbours(op.columns, width)
    wide = x[:, :, at] * (STEP - part)[:, None] + x[:, :, after] * part[:, None]
    at, after, part = _neighbours(op.rows, height)
    part = part[:, None, None]
    tall = wide[:, at] * (STEP - part) + wide[:, after] * part
    bias = -op.input_zero * STEP * STEP
    return requantize(tall, bias, op.multiplier, op.shift, op.output_zero)


def multiply_int8(op: QMul, a: Int8s, b: Int8s) -> Int8s:
    """:class:`QMul`."""
    product = (a.astype(np.int32) - op.a_zero) * (b.astype(np.int32) - op.b_zero)
    return requantize(product, 0, op.multiplier, op.shift, op.output_zero)


def channel_max(op: ChannelMax | QChannelMax, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Float and int8 alike."""
    result: npt.NDArray[Any] = x.max(axis=3, keepdims=True)
    return result


def join_bytes(op: QJoinBytes, x: Int8s) -> npt.NDArray[np.int32]:
    """:class:`QJoinBytes`."""
    planes = x.reshape(len(x), BYTES, -1).astype(np.uint8).astype(np.int64)
    total_ = op.offset + sum(plane << 8 * k for k, plane in enumerate(planes.swapaxes(0, 1)))
    joined = np.asarray(total_, np.int64).astype(np.uint32).view(np.int32)
    return joined.reshape(len(x), 1, 1, -1)


def unpool(op: Unpool | QUnpool, x: npt.NDArray[Any], like: npt.NDArray[Any]) -> Any:
    """Float and int8 alike."""
    batch, rows, columns, channels = x.shape
    (kh, kw), (height, width) = op.kernel, (rows * op.kernel[0], columns * op.kernel[1])
    blocks = like[:, :height, :width].reshape(batch, rows, kh, columns, kw, channels)
    blocks = blocks.transpose(0, 1, 3, 5, 2, 4).reshape(batch, rows, columns, channels, kh * kw)
    value = op.value if isinstance(op, QUnpool) else 0
    first = np.arange(kh * kw) == blocks.argmax(-1)[..., None]
    placed = np.where(first, x[..., None], value).astype(x.dtype)
    placed = placed.reshape(batch, rows, columns, channels, kh, kw).transpose(0, 1, 4, 2, 5, 3)
    result = np.full_like(like, value)
    result[:, :height, :width] = placed.reshape(batch, height, width, channels)
    return result


def inner_pool(op: InnerAvgPool, x: Floats) -> Floats:
    """:class:`InnerAvgPool`."""
    sums: Floats = total(x, op.kernel, op.stride, op.pads, 0)
    counts: Floats = _counts(op, x).astype(np.float32)
    return sums / counts


def inner_pool_int8(op: QInnerAvgPool, x: Int8s) -> Int8s:
    """:class:`QInnerAvgPool`."""
    zero = op.input_zero
    wide = x.astype(np.int32) - zero
    sums = total(wide, op.kernel, op.stride, op.pads, 0)
    at = _counts(op, x) - 1
    multiplier, shift = (np.asarray(a)[at] for a in (op.multipliers, op.shifts))
    return requantize(sums, 0, multiplier, shift, op.output_zero)


def _counts(op: InnerAvgPool | QInnerAvgPool, x: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Pixels that count under the kernel, (1, h, w, 1)."""
    top, left, bottom, right = op.counted
    sizes = (x.shape[1] + top + bottom, x.shape[2] + left + right)
    beyond = tuple(pad - inner for pad, inner in zip(op.pads, op.counted, strict=True))
    pads = (beyond[0], beyond[1], beyond[2], beyond[3])
    return total(np.ones((1, *sizes, 1), np.int64), op.kernel, op.stride, pads, 0)


def _neighbours(steps: tuple[int, ...], size: int) -> tuple[npt.NDArray[Any], ...]:
    """The pixel before each position, the one after it, and 1/2048 of the way."""
    where = np.asarray(steps, np.int32)
    before = where >> 11
    return before, np.minimum(before + 1, size - 1), where & (STEP - 1)


#: As ``int8_ops.INT8_OPS``.
PS_INT8_OPS: dict[type, Callable[..., npt.NDArray[Any]]] = {
    QBilinear: bilinear_int8,
    QInnerAvgPool: inner_pool_int8,
    QMul: multiply_int8,
    QNormalize: normalize_int8,
    QResponse: response_int8,
    QLocalNorm: local_norm_int8,
    QSoftmax: softmax_int8,
    QChannelMax: channel_max,
    QJoinBytes: join_bytes,
    QUnpool: unpool,
    QDeform: deform_int8,
}
