"""What the processor's image kernels compute, in numpy: their definition.

The other kernels' definitions are the golden model's own operations (``accelgen.golden``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["image_table", "quantize_image", "resize"]

Bytes = npt.NDArray[np.uint8]
Int8s = npt.NDArray[np.int8]


def resize(x: Bytes, height: int, width: int) -> Bytes:
    """Bilinear: uint8 (h, w, c) to (height, width, c), half-pixel centres, edges repeated.

    In 1/256 pixels: ``position(d) = clamp((2 d + 1) * in * 128 // out - 128, 0, (in - 1) * 256)``.
    Columns blend to ``a * (256 - f) + b * f``, rows of those the same way, then
    ``(sum + 32768) >> 16``. As ONNX's Resize (linear, half_pixel), to within 1 of 255.
    """
    columns, right, fx = _positions(x.shape[1], width)
    rows, below, fy = _positions(x.shape[0], height)
    wide = x.astype(np.int64)
    wide = wide[:, columns] * (256 - fx)[:, None] + wide[:, right] * fx[:, None]
    tall = wide[rows] * (256 - fy)[:, None, None] + wide[below] * fy[:, None, None]
    result: Bytes = ((tall + 32768) >> 16).astype(np.uint8)
    return result


def _positions(size: int, out: int) -> tuple[npt.NDArray[np.int64], ...]:
    """For every output: the input before it, the one after it, and 1/256 of the way."""
    d = np.arange(out, dtype=np.int64)
    at = np.clip((2 * d + 1) * size * 128 // out - 128, 0, (size - 1) * 256)
    before = at >> 8
    return before, np.minimum(before + 1, size - 1), at & 255


def image_table(mean: float, deviation: float, scale: float, zero: int) -> Int8s:
    """int8 of each byte v of a channel: ``((v / 255 - mean) / deviation) / scale``, in float32
    step by step, rounded half to even, plus ``zero``, saturated."""
    v = np.arange(256, dtype=np.float32) / np.float32(255)
    with np.errstate(over="ignore"):
        steps = np.rint((v - np.float32(mean)) / np.float32(deviation) / np.float32(scale))
    result: Int8s = (np.clip(steps, -128 - zero, 127 - zero) + zero).astype(np.int8)
    return result


def quantize_image(
    x: Bytes, top: int, left: int, height: int, width: int, tables: Int8s, *, reverse: bool = False
) -> Int8s:
    """Crop uint8 (h, w, c) and look up ``tables`` (c, 256). ``reverse``: channels back to front."""
    crop = x[top : top + height, left : left + width]
    crop = crop[..., ::-1] if reverse else crop
    return tables[np.arange(x.shape[2]), crop]
