"""256-entry tables: any function of one int8 tensor, rounded once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelgen.golden.arith import dequantize_array, quantize_array
from accelgen.ir import Quantization
from accelgen.ir.activations import finite

__all__ = ["ALL_INT8", "activation_table", "clip_limits", "compose", "rescale_table"]

Table = npt.NDArray[np.int8]

#: Every activation there is.
ALL_INT8 = np.arange(-128, 128).astype(np.int8)


def activation_table(
    kind: str, params: tuple[float, ...], source: Quantization, target: Quantization
) -> Table:
    """``table[q + 128] = quantize(f(dequantize(q)))`` for every int8 q.

    f in float64, rounded half to even: within 1 of what a float32 implementation of f gives.
    """
    real = dequantize_array(ALL_INT8, source).astype(np.float64)
    return quantize_array(finite(kind, params, real), target)


def rescale_table(source: Quantization, target: Quantization) -> Table:
    """The table that moves a tensor from one scale to another."""
    return activation_table("identity", (), source, target)


def compose(first: Table, second: Table) -> Table:
    """The table of ``second[first[q]]``."""
    return second[first.astype(np.int16) + 128]


def clip_limits(low: float, high: float, target: Quantization) -> tuple[int, int]:
    """``clip(x, low, high)`` as limits of the int8 result.

    Quantizing is monotonic, so clipping before and after it is the same thing.
    """
    limits = quantize_array(np.array([low, high]), target)
    return int(limits[0]), int(limits[1])
