"""Sums of products, and their scaling to int8, in floats that cannot round: exact and quick.

A float holds every integer up to its bound below, so a sum of which no part exceeds the bound may
be added in any order, on the BLAS. Maps are worked on block by block, so that what lies between
two steps stays in the caches. The definition, in integers, is ``arith.requantize``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.golden.arith import MAX_MULTIPLIER, MAX_SHIFT, requantize
from accelgen.golden.windows import framed, insert, taps
from accelgen.ir.ops import Pair, QConv2d
from accelgen.ir.shapes import window_sizes

__all__ = ["EXACT_FLOAT32", "EXACT_FLOAT64", "MOST_SUM", "Sums", "look_up", "rescale"]

Array = npt.NDArray[Any]
Int8s = npt.NDArray[np.int8]

#: Up to here floats hold every integer.
EXACT_FLOAT32 = 1 << 24
EXACT_FLOAT64 = 1 << 53
#: Largest sum, and largest bias, that :func:`rescale` takes in floats: its numbers are integers
#: below 2 ** 53 then, times a power of two.
MOST_SUM = 1 << 34
assert 2 * MOST_SUM * MAX_MULTIPLIER + (1 << (MAX_SHIFT - 1)) <= EXACT_FLOAT64

# Numbers of a block, and the fewest pixels of one: a thin product of matrices is a slow one.
_BLOCK = 1 << 17
_FEWEST_PIXELS = 256
# Fewer numbers than this in a row: numpy takes longer to begin a row than to go through it.
_SHORT = 256


@dataclass(frozen=True)
class Sums:
    """The sums of products of a convolution, before bias and scaling.

    ``x`` (n, h, w, c) int8, ``weight`` OHWI int8, as :class:`~accelgen.ir.ops.QConv2d` has them.
    Raises ModelError when they do not fit each other.
    """

    op: QConv2d
    x: Int8s
    weight: Int8s

    def __post_init__(self) -> None:
        channels = self.weight.shape[3] * self.op.groups
        if self.x.shape[3] != channels or self.weight.shape[0] % self.op.groups:
            raise ModelError(
                f"weights of shape {self.weight.shape} in {self.op.groups} groups do not fit a map "
                f"of {self.x.shape[3]} channels"
            )
        assert self.most <= EXACT_FLOAT64, "no float holds these sums"

    @cached_property
    def most(self) -> int:
        """No part of a sum exceeds it: ``128 * sum(|w|)``, the largest of all output channels."""
        sizes = np.abs(self.weight.astype(np.int16)).sum(axis=(1, 2, 3), dtype=np.int64)
        return 128 * int(sizes.max(initial=0))

    @cached_property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, h, w, c) of the sums."""
        n, h, w, _ = self.x.shape
        fh, fw = self.op.insert
        size = window_sizes(
            self.op.kernel, self.op.stride, self.op.dilation, self.op.pads, (h * fh, w * fw)
        )
        return n, *size, self.weight.shape[0]

    def blocks(self) -> Iterator[tuple[tuple[slice, slice], Array]]:
        """(Pictures, rows) of the result and the sums there, until all of it is made.

        In float32 if :attr:`most` is up to 2 ** 24, else in float64: exact in both.
        """
        op, x = self.op, self.x
        if op.insert != (1, 1):
            x = insert(x, op.insert, op.input_zero)
        x = framed(x, op.kernel, op.stride, op.dilation, op.pads, op.input_zero)
        weight = self.weight.astype(np.float32 if self.most <= EXACT_FLOAT32 else np.float64)
        n, height, width, c_out = self.shape
        lane_wise = op.groups > 1 and weight.shape[3] == 1
        work = c_out if lane_wise else max(c_out, weight[0].size)
        pixels = max(_BLOCK // work, 1 if lane_wise else _FEWEST_PIXELS)
        rows = min(max(pixels // width, 1), height)
        pictures = max(pixels // (width * height), 1)
        reach = op.dilation[0] * (op.kernel[0] - 1) + 1
        for first in range(0, n, pictures):
            some = slice(first, min(first + pictures, n))
            for top in range(0, height, rows):
                here = slice(top, min(top + rows, height))
                seen = slice(top * op.stride[0], (here.stop - 1) * op.stride[0] + reach)
                make = _lane_sums if lane_wise else _joined_sums
                yield (some, here), make(op, x[some, seen], weight, (here.stop - top, width))


def _joined_sums(op: QConv2d, x: Int8s, weight: Array, size: Pair) -> Array:
    """All taps side by side: one product of matrices per group."""
    c_out, kh, kw, c_group = weight.shape
    matrix = weight.reshape(op.groups, c_out // op.groups, kh * kw * c_group)
    made = []
    for group, part in enumerate(matrix):
        joined = np.empty((len(x), *size, kh * kw, c_group), weight.dtype)
        inside = x[..., group * c_group : (group + 1) * c_group]
        for tap, pixels in enumerate(taps(inside, op.kernel, op.stride, op.dilation)):
            joined[:, :, :, tap] = pixels
        flat: Array = joined.reshape(-1, kh * kw * c_group) @ part.T
        made.append(flat.reshape(len(x), *size, -1))
    return made[0] if len(made) == 1 else np.concatenate(made, axis=3)


def _lane_sums(op: QConv2d, x: Int8s, weight: Array, size: Pair) -> Array:
    """One input channel per output channel: a product and a sum per tap.

    Columns that one tap meets lie side by side (those of a stride are picked first), and weights
    are repeated along them, so that numpy goes through a whole row of a map at once.
    """
    c_out, kh, kw, _ = weight.shape
    height, width = size
    (sy, sx), (dy, dx) = op.stride, op.dilation
    x = x.repeat(c_out // op.groups, axis=3) if c_out > op.groups else x
    phases = [x[:, :, phase::sx].astype(weight.dtype) for phase in range(sx)]
    kernel = weight.reshape(c_out, kh * kw).T[:, None]
    kernel = kernel.repeat(width, axis=1) if c_out < _SHORT else np.ascontiguousarray(kernel)
    total = np.empty((len(x), *size, c_out), weight.dtype)
    product = np.empty_like(total)
    for tap in range(kh * kw):
        top, left = tap // kw * dy, tap % kw * dx
        pixels = phases[left % sx][
            :, top : top + (height - 1) * sy + 1 : sy, left // sx : left // sx + width
        ]
        if tap == 0:
            np.multiply(pixels, kernel[tap], out=total)
        else:
            np.multiply(pixels, kernel[tap], out=product)
            total += product
    return total


def rescale(
    acc: Array,
    bias: npt.ArrayLike,
    multiplier: npt.ArrayLike,
    shift: npt.ArrayLike,
    zero: int,
    low: int = -128,
    high: int = 127,
    *,
    most: int,
) -> Int8s:
    """As :func:`~accelgen.golden.arith.requantize`, of (..., c) integers in any type.

    Parameters
    ----------
    bias, multiplier, shift : one integer, or one of each channel
        As requantize takes them.
    most : int
        No ``acc`` exceeds it. Where it and the biases are up to 2 ** 34 all is computed in
        float64: ``floor(acc * (M / 2 ** n) + (bias * M + 2 ** (n - 1)) / 2 ** n)``, where every
        number is an integer below 2 ** 53 times ``2 ** -n``, so that nothing rounds but floor.
    """
    bias, multiplier, shift = (np.asarray(v, np.int64) for v in (bias, multiplier, shift))
    if max(most, int(np.abs(bias).max(initial=0))) > MOST_SUM:
        return requantize(acc.astype(np.int64), bias, multiplier, shift, zero, low, high)
    offset = bias * multiplier + (np.int64(1) << (shift - 1))
    channels = acc.shape[-1]
    factor, offset = (
        np.broadcast_to(np.ldexp(v.astype(np.float64), -shift), channels)
        for v in (multiplier, offset)
    )
    run = _run(acc.size // max(channels, 1)) if channels < _SHORT else 1
    flat = acc.reshape(-1, run * channels)
    factor, offset = (np.tile(v, run) for v in (factor, offset))
    result = np.empty(flat.shape, np.int8)
    rows = max(_BLOCK // flat.shape[1], 1)
    for first in range(0, len(flat), rows):
        scaled = np.multiply(flat[first : first + rows], factor, dtype=np.float64)
        scaled += offset
        np.floor(scaled, out=scaled)
        np.clip(scaled, low - zero, high - zero, out=scaled)
        scaled += zero
        result[first : first + rows] = scaled
    return result.reshape(acc.shape)


def _run(pixels: int) -> int:
    """Into how long runs ``pixels`` can be cut: the longest of up to 64."""
    return next(run for run in range(min(64, max(pixels, 1)), 0, -1) if pixels % run == 0)


def look_up(table: Int8s, x: Int8s) -> Int8s:
    """``table[x + 128]`` of 256 numbers."""
    by_byte = np.concatenate([table[128:], table[:128]])  # int8 -1 is byte 255
    found = bytearray(np.ascontiguousarray(x)).translate(by_byte.tobytes())
    return np.frombuffer(found, np.int8).reshape(x.shape)
