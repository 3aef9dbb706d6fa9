"""256-entry tables: any function of one int8 tensor, rounded once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelgen.golden.arith import dequantize_array, quantize_array
from accelgen.ir import Quantization
from accelgen.ir.activations import activate

__all__ = ["activation_table", "clip_limits", "compose", "product_table", "rescale_table"]

Table = npt.NDArray[np.int8]

_ALL = np.arange(-128, 128).astype(np.int8)


def activation_table(
    kind: str, params: tuple[float, ...], source: Quantization, target: Quantization
) -> Table:
    """``table[q + 128] = quantize(f(dequantize(q)))`` for every int8 q.

    f in float64, rounded half to even: within 1 of what a float32 implementation of f gives.
    """
    real = dequantize_array(_ALL, source).astype(np.float64)
    return quantize_array(activate(kind, params, real), target)


def rescale_table(source: Quantization, target: Quantization) -> Table:
    """The table that moves a tensor from one scale to another."""
    return activation_table("identity", (), source, target)


def compose(first: Table, second: Table) -> Table:
    """The table of ``second[first[q]]``."""
    return second[first.astype(np.int16) + 128]


def product_table(
    a: Table, a_scale: Quantization, b: Table, b_scale: Quantization, target: Quantization
) -> Table:
    """The table of the product of two functions of the same tensor, each already quantized."""
    return quantize_array(dequantize_array(a, a_scale) * dequantize_array(b, b_scale), target)


def clip_limits(low: float, high: float, target: Quantization) -> tuple[int, int]:
    """``clip(x, low, high)`` as limits of the int8 result.

    Quantizing is monotonic, so clipping before and after it is the same thing.
    """
    limits = quantize_array(np.array([low, high]), target)
    return int(limits[0]), int(limits[1])
