"""Kernels over maps, element type by element type: what float and int8 operations share.

Everything here is plain linear algebra on NHWC arrays; whether the result is exact is the
caller's business (see ``int8_ops``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.ir.ops import Pads, Pair
from accelgen.ir.shapes import window_sizes

__all__ = [
    "border", "convolve", "framed", "insert", "largest", "stretch", "taps", "total", "upsample",
]  # fmt: skip

Tensor = npt.NDArray[Any]

# Below so many input channels one tap is too thin a matrix product: join all taps into one.
_THIN = 16


def framed(
    x: Tensor, kernel: Pair, stride: Pair, dilation: Pair, pads: Pads, pad_value: float
) -> Tensor:
    """``x`` with its pads around it, or cut where they are negative. Raises ModelError when the
    kernel does not fit there."""
    n, h, w, c = x.shape
    out_h, out_w = window_sizes(kernel, stride, dilation, pads, (h, w))
    if out_h < 1 or out_w < 1:
        raise ModelError(
            f"a kernel of {kernel} with dilation {dilation} does not fit a map of {h} x {w} with "
            f"pads {pads}; enlarge the map or the pads"
        )
    x = x[:, max(0, -pads[0]) : h + min(0, pads[2]), max(0, -pads[1]) : w + min(0, pads[3])]
    h, w = x.shape[1:3]
    top, left, bottom, right = (max(0, pad) for pad in pads)
    if not any((top, left, bottom, right)):
        return x
    padded = np.full((n, h + top + bottom, w + left + right, c), pad_value, x.dtype)
    padded[:, top : top + h, left : left + w] = x
    return padded


def taps(x: Tensor, kernel: Pair, stride: Pair, dilation: Pair) -> Iterator[Tensor]:
    """For each kernel position, row by row: the pixels of a :func:`framed` map that it meets,
    (n, out_h, out_w, c)."""
    out_h, out_w = window_sizes(kernel, stride, dilation, (0, 0, 0, 0), (x.shape[1], x.shape[2]))
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            y0, x0 = ky * dilation[0], kx * dilation[1]
            yield x[
                :,
                y0 : y0 + (out_h - 1) * stride[0] + 1 : stride[0],
                x0 : x0 + (out_w - 1) * stride[1] + 1 : stride[1],
            ]


def convolve(
    x: Tensor,
    weight: Tensor,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pads: Pads = (0, 0, 0, 0),
    groups: int = 1,
    pad_value: float = 0,
) -> Tensor:
    """Sum of products of (n, h, w, c_in) with OHWI ``weight``, in the dtype both have.

    ``pad_value`` is what lies outside the map. Output channel o reads input channels
    ``(o // (c_out / groups)) * (c_in / groups)`` on.
    """
    c_out, kh, kw, c_group = weight.shape
    if x.shape[3] != c_group * groups or c_out % groups:
        raise ModelError(
            f"weights of shape {weight.shape} in {groups} groups do not fit a map of "
            f"{x.shape[3]} channels"
        )
    if groups > 1 and c_group > 1:
        xs, ws = np.split(x, groups, axis=3), np.split(weight, groups, axis=0)
        parts = [
            convolve(a, b, stride=stride, dilation=dilation, pads=pads, pad_value=pad_value)
            for a, b in zip(xs, ws, strict=True)
        ]
        return np.concatenate(parts, axis=3)

    pixels = _padded_taps(x, (kh, kw), stride, dilation, pads, pad_value)
    kernel = weight.reshape(c_out, kh * kw, c_group)
    if groups > 1:
        return _depthwise(pixels, kernel.reshape(groups, c_out // groups, kh * kw))
    if c_group < _THIN and kh * kw > 1:
        joined = np.concatenate(list(pixels), axis=3)
        return _matmul(joined, kernel.reshape(c_out, -1))
    result = _matmul(next(pixels), kernel[:, 0])
    for tap, pixel in enumerate(pixels, start=1):
        result += _matmul(pixel, kernel[:, tap])
    return result


def _padded_taps(
    x: Tensor, kernel: Pair, stride: Pair, dilation: Pair, pads: Pads, pad_value: float
) -> Iterator[Tensor]:
    return taps(framed(x, kernel, stride, dilation, pads, pad_value), kernel, stride, dilation)


def _matmul(pixels: Tensor, weight: Tensor) -> Tensor:
    """(n, h, w, i) x (o, i) -> (n, h, w, o), as one product of matrices."""
    flat: Tensor = pixels.reshape(-1, pixels.shape[3]) @ weight.T
    return flat.reshape(*pixels.shape[:3], -1)


def _depthwise(pixels: Iterator[Tensor], kernel: Tensor) -> Tensor:
    """One input channel per group; ``kernel`` is (groups, outputs per group, taps)."""
    groups, per_group, count = kernel.shape
    result: Tensor | None = None
    for tap in range(count):
        pixel = next(pixels)
        product = (pixel[..., None] * kernel[:, :, tap]).reshape(
            *pixel.shape[:3], groups * per_group
        )
        if result is None:
            result = product
        else:
            result += product
    assert result is not None
    return result


def largest(
    x: Tensor, kernel: Pair, stride: Pair, dilation: Pair, pads: Pads, pad_value: float
) -> Tensor:
    """The largest pixel under the kernel, per channel."""
    pixels = _padded_taps(x, kernel, stride, dilation, pads, pad_value)
    result = next(pixels).copy()
    for pixel in pixels:
        np.maximum(result, pixel, out=result)
    return result


def total(x: Tensor, kernel: Pair, stride: Pair, pads: Pads, pad_value: float) -> Tensor:
    """The sum of the pixels under the kernel, per channel, in ``x``'s dtype."""
    pixels = _padded_taps(x, kernel, stride, (1, 1), pads, pad_value)
    result = next(pixels).copy()
    for pixel in pixels:
        result += pixel
    return result


def insert(x: Tensor, factor: Pair, value: float) -> Tensor:
    """``value`` in the rows and columns after each of ``x``'s: ir.ops.Insert."""
    n, h, w, c = x.shape
    y = np.full((n, h * factor[0], w * factor[1], c), value, x.dtype)
    y[:, :: factor[0], :: factor[1]] = x
    return y


def border(x: Tensor, pads: Pads, mode: str) -> Tensor:
    """``x`` with rows and columns around it that repeat its own: ir.ops.Border."""
    kinds: dict[str, Any] = {"edge": "edge", "reflect": "reflect", "wrap": "wrap"}
    padded: Tensor = np.pad(
        x, ((0, 0), (pads[0], pads[2]), (pads[1], pads[3]), (0, 0)), mode=kinds[mode]
    )
    return padded


def upsample(x: Tensor, factor: Pair) -> Tensor:
    """Every pixel ``factor`` times, down and across."""
    return x.repeat(factor[0], axis=1).repeat(factor[1], axis=2)


def stretch(x: Tensor, axis: int) -> Tensor:
    """``y[2 * run * t + j] = x[run * t + j]`` of pixels numbered row by row: ir.ops.QStretch."""
    n, h, w, c = x.shape
    run = 1 if axis == 2 else w
    blocks = np.arange((h - 1) * w // run)[:, None] * run + np.arange(2 * run)
    stretched: Tensor = x.reshape(n, h * w, c)[:, blocks.ravel()]
    return stretched.reshape(n, -1, w * (2 if axis == 2 else 1), c)
