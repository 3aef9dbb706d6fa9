"""The arithmetic of the accelerator. RTL, quantizer and simulators all answer to this file."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir import Quantization, TensorType

__all__ = [
    "MAX_MULTIPLIER",
    "MAX_SHIFT",
    "dequantize_array",
    "quantize_array",
    "real_array",
    "requantize",
    "rounding_shift",
]

MAX_MULTIPLIER = (1 << 17) - 1
MAX_SHIFT = 47

Ints = npt.NDArray[np.int64]


def rounding_shift(value: npt.ArrayLike, shift: npt.ArrayLike) -> Ints:
    """Divide by ``2 ** shift`` and round half up: ``(value + (1 << (shift - 1))) >> shift``."""
    shift = np.asarray(shift, np.int64)
    result: Ints = (np.asarray(value, np.int64) + (np.int64(1) << (shift - 1))) >> shift
    return result


def requantize(
    acc: npt.ArrayLike,
    bias: npt.ArrayLike,
    multiplier: npt.ArrayLike,
    shift: npt.ArrayLike,
    zero: int = 0,
    low: int = -128,
    high: int = 127,
) -> npt.NDArray[np.int8]:
    """Scale int32 accumulators to int8.

    ``clamp((((acc + bias) * multiplier + (1 << (shift - 1))) >> shift) + zero, low, high)``.
    Shapes broadcast. ``multiplier`` is in [0, 2**17), ``shift`` in [1, 47]. ``low`` above ``high``:
    not clamped; what is left are the lowest 8 bits.
    """
    total = np.asarray(acc, np.int64) + np.asarray(bias, np.int64)
    scaled = rounding_shift(total * np.asarray(multiplier, np.int64), shift) + zero
    limited = np.clip(scaled, low, high) if low <= high else scaled
    result: npt.NDArray[np.int8] = limited.astype(np.int8)
    return result


def quantize_array(x: npt.ArrayLike, to: Quantization) -> npt.NDArray[np.int8]:
    """Real numbers to int8: ``clamp(round_half_even(x / scale) + zero_point, -128, 127)``.

    Division in float32, as ONNX's QuantizeLinear does it. ``x`` must be finite or +-inf.
    """
    with np.errstate(over="ignore"):
        steps = np.rint(np.asarray(x, np.float32) / np.float32(to.scale))
    # The clamp comes first: float32 cannot hold every sum, int8 could not hold the result.
    steps = np.clip(steps, -128 - to.zero_point, 127 - to.zero_point)
    result: npt.NDArray[np.int8] = (steps + to.zero_point).astype(np.int8)
    return result


def dequantize_array(q: npt.NDArray[Any], of: Quantization) -> npt.NDArray[np.float32]:
    """int8 to real numbers: ``(q - zero_point) * scale``, in float32 as DequantizeLinear."""
    result: npt.NDArray[np.float32] = (q.astype(np.float32) - np.float32(of.zero_point)) * (
        np.float32(of.scale)
    )
    return result


def real_array(x: npt.NDArray[Any], kind: TensorType) -> npt.NDArray[Any]:
    """Activations of type ``kind`` as real numbers: int8 as :func:`dequantize_array`, int32 times
    the steps of their channels in float32; floats as they are."""
    if kind.steps:
        result: npt.NDArray[np.float32] = x.astype(np.float32) * np.asarray(kind.steps, np.float32)
        return result
    return x if kind.quantization is None else dequantize_array(x, kind.quantization)
