"""What layers make of the small probe images that set a network's statistics, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "Array", "convolve", "deformed", "enlarged", "linear", "moved", "out_side", "pool", "rounded",
    "shuffled", "spread", "unpooled",
]  # fmt: skip

Array = npt.NDArray[Any]


def rounded(values: npt.ArrayLike) -> Array:
    """``values`` to ten significant bits."""
    mantissa, exponent = np.frexp(np.asarray(values, np.float64))
    return np.ldexp(np.rint(mantissa * 1024) / 1024, exponent)


def out_side(side: int, reach: int, stride: int, pads: int, ceil: bool = False) -> int:
    """Side of what a kernel reaching over ``reach`` pixels makes of a map with ``pads`` in all."""
    room = side + pads - reach
    return (-(-room // stride) if ceil else room // stride) + 1


def convolve(
    x: Array, weight: Array, *, stride: int, pad: int, groups: int = 1, dilation: int = 1
) -> Array:
    """``x`` (n, c, h, h) by ``weight`` (o, c / groups, k, k).

    Padding repeats the map: on the probe's small maps zeros would be most of what a kernel sees,
    and statistics would not fit the real resolution.
    """
    if groups in (1, x.shape[1]):
        return _convolve(x, weight, stride, pad, dilation)
    parts = zip(np.split(x, groups, 1), np.split(weight, groups), strict=True)
    return np.concatenate([_convolve(*part, stride, pad, dilation) for part in parts], 1)


def _convolve(x: Array, weight: Array, stride: int, pad: int, dilation: int) -> Array:
    """Dense (o, c, k, k) or depthwise (c, 1, k, k)."""
    kernel = weight.shape[2]
    out = out_side(x.shape[2], (kernel - 1) * dilation + 1, stride, 2 * pad)
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="wrap")
    wide = np.ascontiguousarray(weight.transpose(2, 3, 0, 1), np.float64)
    total = np.zeros((len(weight), len(x) * out * out))
    for ky, kx, seen in _taps(padded, kernel, stride, out, dilation):
        flat = seen.transpose(1, 0, 2, 3).reshape(x.shape[1], -1)
        tap = wide[ky, kx]
        total += tap * flat if weight.shape[1] == 1 and x.shape[1] > 1 else tap @ flat
    return total.reshape(len(weight), len(x), out, out).transpose(1, 0, 2, 3)


def deformed(x: Array, weight: Array, offset: Array, mask: Array, stride: int) -> Array:
    """``x`` by ``weight`` (o, c, 3, 3), padded by 1: tap t reads where channels 2 t (rows) and 2 t
    + 1 (columns) of ``offset`` say, times channel t of ``mask``. The map repeats, as in
    :func:`convolve`."""
    n, _, height, width = x.shape
    total = np.zeros((n, len(weight), *offset.shape[2:]))
    i, j = np.ix_(*(stride * np.arange(size) for size in offset.shape[2:]))
    image = np.arange(n)[:, None, None]
    for tap in range(9):
        rows = i + tap // 3 - 1 + offset[:, 2 * tap]
        columns = j + tap % 3 - 1 + offset[:, 2 * tap + 1]
        row, column = (np.floor(at).astype(np.int64) for at in (rows, columns))
        found = np.zeros((*rows.shape, x.shape[1]))
        for down, right in np.ndindex(2, 2):
            share = abs(1 - down - (rows - row)) * abs(1 - right - (columns - column))
            pixels = x[image, :, (row + down) % height, (column + right) % width]
            found += share[..., None] * pixels
        found *= mask[:, tap, ..., None]
        total += np.einsum("nhwc,oc->nohw", found, weight[:, :, tap // 3, tap % 3].astype(float))
    return total


def enlarged(x: Array, weight: Array) -> Array:
    """``x`` (n, c, h, w) by ``weight`` (c, o, k, k), transposed convolution of stride k:
    (n, o, k * h, k * w)."""
    each = np.einsum("nchw,coab->nohawb", x, weight.astype(np.float64))
    n, channels, h, k, w, _ = each.shape
    return each.reshape(n, channels, h * k, w * k)


def pool(
    x: Array, kernel: int, stride: int, pads: tuple[int, int], fill: float,
    reduce: Callable[..., Array], *, ceil: bool = False,
) -> Array:  # fmt: skip
    """``reduce`` (np.max, np.mean) over windows; borders of ``pads`` before and after hold
    ``fill``."""
    size, (before, after) = x.shape[2], pads
    out = out_side(size, kernel, stride, before + after, ceil)
    end = max((out - 1) * stride + kernel - size - before, 0)
    border = ((0, 0), (0, 0), (before, end), (before, end))
    padded = np.pad(x, border, constant_values=fill)
    return reduce([seen for _, _, seen in _taps(padded, kernel, stride, out)], axis=0)


def shuffled(x: Array, groups: int) -> Array:
    """Channels of ``groups`` groups, one of each in turn."""
    images, channels, *sides = x.shape
    split = x.reshape(images, groups, channels // groups, *sides)
    return split.swapaxes(1, 2).reshape(x.shape)


def moved(x: Array, offset: tuple[int, int]) -> Array:
    """Pixel (y, x) + ``offset`` of the map repeated, as :func:`convolve` pads."""
    return np.roll(x, (-offset[0], -offset[1]), (2, 3))


def linear(x: Array) -> Array:
    """The map at twice the size, bilinear, half pixels."""
    for axis in (2, 3):
        size = x.shape[axis]
        before = x.take([max(i - 1, 0) for i in range(size)], axis)
        after = x.take([min(i + 1, size - 1) for i in range(size)], axis)
        both = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
        x = both.reshape([n * (1 + (a == axis)) for a, n in enumerate(x.shape)])
    return x


def unpooled(x: Array, like: Array) -> Array:
    """Each pixel where the largest of its 2 x 2 in ``like`` (the first of several) is, else 0."""
    n, channels, height, width = x.shape
    windows = like.reshape(n, channels, height, 2, width, 2).swapaxes(3, 4)
    chosen = windows.reshape(*x.shape, 4).argmax(-1)[..., None] == np.arange(4)
    each = (x[..., None] * chosen).reshape(n, channels, height, width, 2, 2)
    return each.swapaxes(3, 4).reshape(like.shape)


def spread(x: Array, side: int) -> Array:
    """The map repeated until it has ``side`` pixels each way."""
    times = -(-side // x.shape[2])
    return np.tile(x, (1, 1, times, times))[:, :, :side, :side]


def _taps(
    padded: Array, kernel: int, stride: int, out: int, dilation: int = 1
) -> list[tuple[int, int, Array]]:
    """What each kernel tap (ky, kx) sees, (n, c, out, out)."""
    reach = (out - 1) * stride + 1
    return [
        (
            ky, kx,
            padded[
                :, :, ky * dilation : ky * dilation + reach : stride,
                kx * dilation : kx * dilation + reach : stride,
            ],
        )
        for ky in range(kernel)
        for kx in range(kernel)
    ]  # fmt: skip
