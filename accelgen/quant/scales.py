"""Real numbers to the integers that stand for them: ranges to scales, factors to multipliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelgen.errors import QuantizationError
from accelgen.golden.arith import MAX_MULTIPLIER, MAX_SHIFT
from accelgen.ir import LARGEST_SCALE, Quantization

__all__ = [
    "LARGEST_FACTOR",
    "LARGEST_NUMBER",
    "MIN_SCALE",
    "AddFactors",
    "Range",
    "add_factors",
    "fixed_point",
    "quantization_of",
    "sum_factors",
]

#: Smaller steps are noise for float32 data and would only make factors overflow.
MIN_SCALE = 2.0**-40

#: Of a range, whose scale is LARGEST_SCALE at most then.
LARGEST_NUMBER = 127 * LARGEST_SCALE

#: Integers are multiplied by no more than this.
LARGEST_FACTOR = 65535.0
_SCALE_BITS = 17  # multipliers are normalised to [2 ** 16, 2 ** 17)
_MAX_ADD_SHIFT = 31
_INT8_STEPS = 255  # from one end of int8 to the other


@dataclass(frozen=True)
class Range:
    """The real numbers a tensor shall hold: ``low <= 0 <= high``."""

    low: float
    high: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", min(float(self.low), 0.0))
        object.__setattr__(self, "high", max(float(self.high), 0.0))

    def join(self, other: Range) -> Range:
        """The smallest range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    @property
    def width(self) -> float:
        """``high - low``."""
        return self.high - self.low


def quantization_of(span: Range) -> Quantization:
    """Scale and zero point of a range: 255 steps over it, 0 exactly representable.

    The scale is a float32 value, so that it survives an ONNX file. An empty range gets scale 1.

    Raises
    ------
    QuantizationError
        The range is not finite, or beyond LARGEST_NUMBER.
    """
    if not (-span.low <= LARGEST_NUMBER and span.high <= LARGEST_NUMBER):
        raise QuantizationError(
            f"a range of {span.low:.3g} to {span.high:.3g} has no scale: numbers up to"
            f" {LARGEST_NUMBER:.3g} have one"
        )
    if span.width == 0:
        return Quantization(1.0, 0)
    scale = float(np.float32(max(span.width / 255, MIN_SCALE)))
    zero = int(np.clip(np.rint(-128 - span.low / scale), -128, 127))
    return Quantization(scale, zero)


def fixed_point(
    factor: npt.ArrayLike, where: str
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Multiplier and shift, elementwise: ``factor ~ multiplier / 2 ** shift``.

    The multiplier is in [2**16, 2**17), so the relative error is at most 2**-17, as long as the
    shift stays in [1, 47]; smaller factors get smaller multipliers, down to 0.

    Raises
    ------
    QuantizationError
        A factor is negative, not finite, or 2**16 or more. ``where`` names the node.
    """
    factor = np.asarray(factor, np.float64)
    if not np.isfinite(factor).all() or (factor < 0).any():
        raise QuantizationError(f"{where}: its scales make a factor of {factor.min()}")
    mantissa, exponent = np.frexp(factor)  # factor = mantissa * 2 ** exponent, mantissa in [.5, 1)
    shift = np.where(factor > 0, _SCALE_BITS - exponent, MAX_SHIFT)
    # A mantissa that rounds up to 1 belongs to the next power of two.
    shift = shift - (np.rint(np.ldexp(mantissa, _SCALE_BITS)) > MAX_MULTIPLIER)
    shift = np.minimum(shift, MAX_SHIFT)
    if (shift < 1).any():
        raise QuantizationError(
            f"{where}: the output's scale is {factor.max():.3g} times finer than the sums it is "
            "made of; the limit is 65536. Calibrate with data that use the range of this layer"
        )
    multiplier = np.rint(np.ldexp(factor, shift))
    return multiplier.astype(np.int32), shift.astype(np.int32)


def sum_factors(
    factor: npt.ArrayLike, where: str
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """:func:`fixed_point` of factors of integer sums, of any size.

    Where the output's scale is so fine that every sum but 0 leaves int8, any factor above 256 gives
    the same numbers: such a layer is right, whatever the samples said of its range.
    """
    return fixed_point(np.minimum(factor, LARGEST_FACTOR), where)


@dataclass(frozen=True)
class AddFactors:
    """Integers of ``((a * multiplier_a + b * multiplier_b + offset) >> shift)``."""

    multiplier_a: int
    multiplier_b: int
    offset: int
    shift: int


def add_factors(a: Quantization, b: Quantization, y: Quantization, where: str) -> AddFactors:
    """Integers of QAdd: one shift for both inputs, as large as 17 bits of multiplier allow.

    The sum stays below ``2**26 + 2**30``: 32 bits hold it. Scales of any ratio have factors: a
    step of an input whose factor is above ``255 * (the other's + 1)`` leaves int8 whatever the
    other input holds, and is as good with that. Where that is above :data:`LARGEST_FACTOR`, a step
    of either input leaves int8: both come down together, the smaller to no less than 256. Then
    only sums of numbers that cancel each other up to ``255 * factor / 65535`` come out smaller than
    they are, with the right sign.
    """
    small, big = sorted((a.scale / y.scale, b.scale / y.scale))
    big = min(big, _INT8_STEPS * (small + 1))
    if big > LARGEST_FACTOR:
        small, big = max(small * LARGEST_FACTOR / big, _INT8_STEPS + 1), LARGEST_FACTOR
    factors = (small, big) if a.scale < b.scale else (big, small)
    _, shifts = fixed_point(factors, where)
    shift = int(min(shifts.min(), _MAX_ADD_SHIFT))
    multiplier_a, multiplier_b = (int(np.rint(np.ldexp(f, shift))) for f in factors)
    offset = (1 << (shift - 1)) - a.zero_point * multiplier_a - b.zero_point * multiplier_b
    return AddFactors(multiplier_a, multiplier_b, offset, shift)
