"""Types of tensors."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Quantization", "TensorType"]


@dataclass(frozen=True)
class Quantization:
    """real = scale * (integer - zero_point), per tensor."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class TensorType:
    """Shape and element type of one tensor.

    Activations are ``(1, h, w, c)`` (NHWC, batch 1; vectors are ``(1, 1, 1, c)``), convolution
    weights ``(o, kh, kw, i)`` (OHWI), per-channel constants ``(c,)``.
    """

    shape: tuple[int, ...]
    dtype: str  # "float32", "int8", "int32"
    quantization: Quantization | None = None  # int8 activations only
