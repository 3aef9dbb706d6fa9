"""Types of tensors."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LARGEST_SCALE", "SMALLEST_SCALE", "SMALLEST_STEP", "Quantization", "TensorType"]

#: Of a scale, and of the product of two: 2**31 steps, more than any sum has, are a float32 number.
LARGEST_SCALE = 2.0**96
#: Below this float32 has fewer bits, and then none.
SMALLEST_STEP = 2.0**-126
#: Of activations: what the weights of a layer are rounded to is far below a step of its output.
SMALLEST_SCALE = 2.0**-64


@dataclass(frozen=True)
class Quantization:
    """real = scale * (integer - zero_point), per tensor.

    ``scale`` is in [SMALLEST_SCALE, LARGEST_SCALE].
    """

    scale: float
    zero_point: int


@dataclass(frozen=True)
class TensorType:
    """Shape and element type of one tensor.

    Activations are ``(1, h, w, c)`` (NHWC, batch 1; vectors are ``(1, 1, 1, c)``), convolution
    weights ``(o, kh, kw, i)`` (OHWI), per-channel constants ``(c,)``.

    ``quantization`` is that of int8 activations. ``steps`` have int32 activations, the sums of a
    last layer (ir.wide): real = steps[c] * integer, in float32; their ``quantization`` is what
    they are rounded to where they have to be int8.
    """

    shape: tuple[int, ...]
    dtype: str  # "float32", "int8", "int32"
    quantization: Quantization | None = None
    steps: tuple[float, ...] = ()
