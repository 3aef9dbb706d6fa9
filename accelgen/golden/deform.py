"""What a deformable convolution gathers: float and in exact integers. Formulas: ``ir.ps_ops``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir.ps_ops import Deform, QDeform
from accelgen.ir.shapes import window_sizes

__all__ = ["deform", "deform_int8"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Int8s = npt.NDArray[np.int8]


def deform(op: Deform, x: Floats, offset: Floats, mask: Floats | None = None) -> Floats:
    """:class:`Deform`."""
    rows, columns = (
        base + moved for base, moved in zip(_bases(op, x), _of_axes(op, offset), strict=True)
    )
    row, column = (np.floor(at).astype(np.int64) for at in (rows, columns))
    down, right = (rows - row)[..., None], (columns - column)[..., None]
    upper = _pixels(x, row, column, 0) * (1 - right) + _pixels(x, row, column + 1, 0) * right
    row = row + 1
    lower = _pixels(x, row, column, 0) * (1 - right) + _pixels(x, row, column + 1, 0) * right
    found = upper * (1 - down) + lower * down
    if mask is not None:
        found = found * _of_taps(op, mask)[..., None]
    return _as_channels(found.astype(np.float32))


def deform_int8(op: QDeform, x: Int8s, offset: Int8s, mask: Int8s | None = None) -> Int8s:
    """:class:`QDeform`."""
    steps = np.asarray(op.offsets, np.int32)[offset.astype(np.int32) + 128]
    rows, columns = (
        (base << 11) + moved for base, moved in zip(_bases(op, x), _of_axes(op, steps), strict=True)
    )
    row, column = rows >> 11, columns >> 11
    down, right = rows & 2047, columns & 2047
    wide = x.astype(np.int32)
    factor = np.full(down.shape, op.factors[0], np.int32)
    if mask is not None:
        factor = _of_taps(op, np.asarray(op.factors, np.int32)[mask.astype(np.int32) + 128])
    below = _part(factor, down)
    total = ((1 << (op.shift - 1)) - factor * op.input_zero)[..., None]
    for at, share in ((row, factor - below), (row + 1, below)):
        after = _part(share, right)
        for along, weight in ((column, share - after), (column + 1, after)):
            total = total + _pixels(wide, at, along, op.input_zero) * weight[..., None]
    found = np.clip((total >> op.shift) + op.output_zero, -128, 127)
    return _as_channels(found.astype(np.int8))


def _part(factor: Array, place: Array) -> Array:
    """Of ``factor`` what is ``place`` / 2048 of it."""
    return (factor * place + 1024) >> 11


def _bases(op: Deform | QDeform, x: Array) -> tuple[Array, ...]:
    """Rows, and columns, of all taps without offsets: (1, h, w, 1, taps)."""
    size = window_sizes(op.kernel, op.stride, op.dilation, op.pads, (x.shape[1], x.shape[2]))
    i, j, ky, kx = np.ix_(*(np.arange(n) for n in (*size, *op.kernel)))
    both = (
        i * op.stride[0] - op.pads[0] + ky * op.dilation[0] + 0 * (j + kx),
        j * op.stride[1] - op.pads[1] + kx * op.dilation[1] + 0 * (i + ky),
    )
    return tuple(at.reshape(1, *size, 1, -1) for at in both)


def _of_taps(op: Deform | QDeform, each: Array) -> Array:
    """(n, h, w, groups * taps * ...) as (n, h, w, groups, taps)."""
    return each.reshape(*each.shape[:3], op.groups, op.kernel[0] * op.kernel[1])


def _of_axes(op: Deform | QDeform, offset: Array) -> tuple[Array, Array]:
    """Offsets of rows and of columns: (n, h, w, groups, taps) each."""
    return _of_taps(op, offset[..., 0::2]), _of_taps(op, offset[..., 1::2])


def _pixels(x: Array, row: Array, column: Array, outside: int) -> Array:
    """Of each (n, h, w, groups, taps) the channels of its group, in the last axis."""
    n, height, width, channels = x.shape
    groups = row.shape[3]
    parts = x.reshape(n, height, width, groups, channels // groups)
    batch = np.arange(n)[:, None, None, None, None]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    at = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
    found = parts[batch, *at, np.arange(groups)[:, None]]
    result: Array = np.where(inside[..., None], found, found.dtype.type(outside))
    return result


def _as_channels(found: Array) -> Array:
    """(n, h, w, groups, taps, channels of a group) as a map: taps of a channel side by side."""
    return found.swapaxes(4, 5).reshape(*found.shape[:3], -1)
