"""Weights and biases of one convolution as integers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import QuantizationError
from accelgen.ir import LARGEST_SCALE, SMALLEST_STEP, Quantization
from accelgen.quant.scales import LARGEST_NUMBER, sum_factors

__all__ = [
    "ACC_BITS",
    "Integers",
    "Steps",
    "check_bias",
    "fold",
    "given_integers",
    "integers_of",
    "largest_sum",
    "quantize_weight",
    "with_bias",
    "with_weight",
]

Floats = npt.NDArray[np.float32]

#: Accumulators plus bias must fit so many bits: one DSP48E2 then requantizes them.
ACC_BITS = 27

_INT32_MAX = (1 << 31) - 1
_FITTING_ROUNDS = 20

#: A product of two float32 scales, rounded to float32 by whoever wrote the file, is that close.
_SAME_SCALE = 1e-6


@dataclass(frozen=True)
class Steps:
    """A bias of a QDQ file: ``values * scale``; no scale: that of the layer's sums."""

    values: npt.NDArray[Any]
    scale: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Integers:
    """Weight and bias in integers: ``w ~ weight * scale[o]``, ``b ~ bias * bias_scale[o]``.

    ``bias`` does not hold the input's zero point yet; :func:`fold` adds it.
    """

    weight: npt.NDArray[np.int8]  # OHWI, in [-127, 127]
    scale: Floats  # (o,)
    bias: npt.NDArray[np.int32]  # (o,)
    bias_scale: npt.NDArray[np.float64]  # (o,): input scale times scale


def integers_of(
    weight: Floats, bias: Floats, x: Quantization, where: str, acc_bits: int = ACC_BITS
) -> Integers:
    """Quantize: symmetric per output channel, the largest weight becomes 127.

    Where the worst sum of products plus bias would not fit ``acc_bits``, the channel's scale is
    enlarged until it does: such a channel is nearly constant, or has very many inputs. A bias up
    to LARGEST_NUMBER fits at any scale that a range makes.

    Raises
    ------
    QuantizationError
        A bias is beyond that, or the input's scale, a file's, is too small for it.
    """
    limit = (1 << (acc_bits - 1)) - 1
    if (largest := float(np.abs(bias).max(initial=0))) > LARGEST_NUMBER:
        raise QuantizationError(
            f"{where}: bias {largest:.3g} is beyond {LARGEST_NUMBER:.3g}; train or export it anew"
        )
    flat = np.abs(weight.astype(np.float64)).reshape(weight.shape[0], -1)
    scale = flat.max(axis=1, initial=0) / 127
    # A channel without weights is its bias: any scale will do that holds it.
    scale = np.where(scale > 0, scale, 1 / 127).astype(np.float32)
    scale = np.maximum(scale, np.float32(SMALLEST_STEP / min(x.scale, 1)))
    for _ in range(_FITTING_ROUNDS):
        q = quantize_weight(weight, scale)
        steps = _bias_steps(bias, x, scale)
        worst = _worst_sums(q, steps, x)
        if (worst <= limit).all():
            return _checked(
                Integers(q, scale, steps.astype(np.int32), _bias_scale(x, scale)), where
            )
        growth = np.maximum(worst / limit * (1 + 2.0**-10), 1)
        with np.errstate(over="ignore"):
            scale = (scale * growth).astype(np.float32)
        if not np.isfinite(scale).all():
            break
    raise QuantizationError(
        f"{where}: bias {largest:.3g} does not fit {acc_bits} bits at input scale "
        f"{x.scale:.3g}; calibrate with data that use the range of its input"
    )


def with_bias(
    given: Integers, bias: npt.NDArray[Any], x: Quantization, acc_bits: int = ACC_BITS
) -> Integers:
    """``given`` with another bias, in whole steps; where a channel's sums would not fit
    ``acc_bits`` with it, or it is no int32, that channel keeps its own."""
    fits = _worst_sums(given.weight, bias, x) < 1 << (acc_bits - 1)
    made = np.where(fits & (np.abs(bias) <= _INT32_MAX), bias, given.bias)
    return replace(given, bias=made.astype(np.int32))


def with_weight(
    given: Integers, weight: npt.NDArray[np.int8], x: Quantization, acc_bits: int = ACC_BITS
) -> Integers:
    """``given`` with other weights of the same scale; where a channel's sums would not fit
    ``acc_bits`` with them, that channel keeps its own."""
    fits = _worst_sums(weight, given.bias, x) < 1 << (acc_bits - 1)
    return replace(given, weight=np.where(fits[:, None, None, None], weight, given.weight))


def _worst_sums(
    weight: npt.NDArray[np.int8], bias: npt.NDArray[Any], x: Quantization
) -> npt.NDArray[np.float64]:
    """The largest sum that each channel's products and bias may come to, whatever the pixels."""
    flat = weight.astype(np.int64).reshape(len(weight), -1)
    folded = bias.astype(np.float64) - x.zero_point * flat.sum(axis=1)
    worst: npt.NDArray[np.float64] = np.abs(folded) + 128.0 * np.abs(flat).sum(axis=1)
    return worst


def largest_sum(given: Integers, x: Quantization) -> float:
    """The largest that a sum of products and bias may be, of any channel."""
    return float(_worst_sums(given.weight, given.bias, x).max(initial=0))


def quantize_weight(weight: npt.NDArray[Any], scale: Floats) -> npt.NDArray[np.int8]:
    """``clip(round_half_even(w / scale[o]), -127, 127)``."""
    steps = np.rint(weight.astype(np.float64) / scale.astype(np.float64)[:, None, None, None])
    result: npt.NDArray[np.int8] = np.clip(steps, -127, 127).astype(np.int8)
    return result


def _bias_steps(bias: Floats, x: Quantization, scale: Floats) -> npt.NDArray[np.float64]:
    steps: npt.NDArray[np.float64] = np.rint(bias.astype(np.float64) / _bias_scale(x, scale))
    return steps


def _bias_scale(x: Quantization, scale: Floats) -> npt.NDArray[np.float64]:
    return np.float64(x.scale) * scale.astype(np.float64)


def given_integers(
    weight: npt.NDArray[np.int8],
    scale: Floats,
    bias: Floats,
    steps: Steps | None,
    x: Quantization,
    where: str,
    acc_bits: int = 0,
) -> Integers | None:
    """Integers that a QDQ file gave: used as they are. ``steps`` are its integer biases, if any;
    those of another scale than the layer's sums are rounded to that.

    With ``acc_bits`` (the scale of ``x`` is not the file's): None where sums do not fit so many.
    """
    sums = _bias_scale(x, scale)
    if steps is not None and (
        steps.scale is None or np.allclose(steps.scale, sums, rtol=_SAME_SCALE, atol=0)
    ):
        return _checked(
            Integers(weight, scale, np.asarray(steps.values).astype(np.int32), sums), where
        )
    real = _bias_steps(bias, x, scale)
    if acc_bits and (_worst_sums(weight, real, x) >= 1 << (acc_bits - 1)).any():
        return None
    if (np.abs(real) > _INT32_MAX).any():
        raise QuantizationError(f"{where}: the bias does not fit int32; quantize it anew")
    return _checked(Integers(weight, scale, real.astype(np.int32), sums), where)


def _checked(made: Integers, where: str) -> Integers:
    """``made``, whose bias is a float32 number in a QDQ file: scale and value."""
    sums = made.bias_scale
    wrong = sums[(sums > LARGEST_SCALE) | ((sums < SMALLEST_STEP) & (made.bias != 0))]
    if wrong.size:
        raise QuantizationError(
            f"{where}: scales of input and weight make {wrong[0]:.3g}, which no sum in float32 can"
            f" have; from {SMALLEST_STEP:.3g} to {LARGEST_SCALE:.3g} are built: quantize it anew"
        )
    return made


def check_bias(bias: Floats, given: Integers, y: Quantization, where: str) -> None:
    """Raise QuantizationError where rounding ``bias`` to steps of the sums moves an output of
    scale ``y`` by more than a step: sums of a step that is coarser than the output's."""
    real = bias.astype(np.float64)
    errors = np.abs(real - given.bias * given.bias_scale) - 2 * _SAME_SCALE * np.abs(real)
    off = errors.max(initial=0) / y.scale
    if off > 1:
        raise QuantizationError(
            f"{where}: its bias in steps of its sums is {off:.3g} steps of its output off; quantize"
            " its input and weights with scales that use their ranges"
        )


def fold(
    given: Integers, x: Quantization, y: Quantization, where: str
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Bias with the input's zero point, multiplier and shift per output channel.

    ``bias[o] = round(b / (sx * sw[o])) - zx * sum(w[o])``; factor ``sx * sw[o] / sy``.
    """
    sums = given.weight.astype(np.int64).reshape(len(given.scale), -1).sum(axis=1)
    bias = given.bias.astype(np.int64) - x.zero_point * sums
    if (np.abs(bias) > _INT32_MAX).any():
        raise QuantizationError(
            f"{where}: bias and zero point together do not fit int32; quantize the model anew"
        )
    multiplier, shift = sum_factors(given.bias_scale / y.scale, where)
    return bias.astype(np.int32), multiplier, shift
