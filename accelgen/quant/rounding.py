"""Rounding of weights together: what one of them adds to a channel's sums, the next take away.

The nearest integers are best for weights, not for the sums that they make of a layer's inputs,
which are alike from pixel to pixel. Weights of a channel are rounded one after the other, those
that meet the largest inputs first; what is left of each is shared out among those that follow, as
the inputs' covariance says (GPTQ, Frantar et al. 2022). Scales stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.windows import framed, taps
from accelgen.ir import Quantization
from accelgen.ir.ops import QConv2d

__all__ = ["MOST_INPUTS", "round_together"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

#: Of one output: the time for more grows with the cube. Such layers stay rounded to nearest.
MOST_INPUTS = 2048
# Pixels that inputs are seen of: so many numbers at most, so many pixels for each input, at least.
_VALUES, _PIXELS_PER_INPUT, _PIXELS = 1 << 24, 4, 8192
# Of the mean variance: what keeps few pixels from deciding all.
_DAMPING = 0.01
# Weights of a channel that are rounded before those behind them learn of it.
_BLOCK = 64


def round_together(
    op: QConv2d, x: npt.NDArray[np.int8], scale: Quantization, weight: Floats, steps: Floats
) -> npt.NDArray[np.int8]:
    """Integers for ``weight`` (OHWI), ``steps`` of each output channel, on the inputs ``x``
    (n, h, w, c) of ``scale``, which may be spread by ``op.insert`` of 1 only."""
    count = weight[0].size
    covariance = _covariance(_inputs(op, x, scale, count))
    grouped = weight.reshape(op.groups, -1, count).astype(np.float32)
    made = _rounded(grouped, covariance, steps.reshape(op.groups, -1))
    result: npt.NDArray[np.int8] = made.reshape(weight.shape).astype(np.int8)
    return result


def _inputs(op: QConv2d, x: npt.NDArray[np.int8], scale: Quantization, count: int) -> Floats:
    """What the weights meet at some of the pixels, in steps: (groups, pixels, inputs)."""
    framed_x = framed(x, op.kernel, op.stride, op.dilation, op.pads, scale.zero_point)
    seen = list(taps(framed_x, op.kernel, op.stride, op.dilation))
    size = seen[0].shape[:3]
    most = min(_VALUES // (op.groups * count), max(_PIXELS, _PIXELS_PER_INPUT * count))
    total = int(np.prod(size))
    chosen = np.random.default_rng(0).permutation(total)[: max(most, 1)]
    at = np.unravel_index(chosen, size)
    pixels = np.stack([tap[at] for tap in seen], axis=1).astype(np.float32) - scale.zero_point
    pixels = pixels.reshape(len(chosen), len(seen), op.groups, -1)
    result: Floats = pixels.transpose(2, 0, 1, 3).reshape(op.groups, len(chosen), count)
    return result


def _covariance(inputs: Floats) -> npt.NDArray[np.float64]:
    """(groups, inputs, inputs), around the means: an offset is the bias's."""
    inputs = inputs - inputs.mean(axis=1, keepdims=True)
    found = (inputs.transpose(0, 2, 1) @ inputs / np.float32(inputs.shape[1])).astype(np.float64)
    damping = _DAMPING * np.einsum("gii->gi", found).mean(axis=1)
    # Inputs that never change: any weights make the same of them.
    damping = np.where(damping > 0, damping, 1.0)
    return found + damping[:, None, None] * np.eye(found.shape[1])


def _rounded(weight: Floats, covariance: npt.NDArray[np.float64], steps: Floats) -> Floats:
    """Integers, as floats; ``weight`` (groups, outputs, inputs)."""
    order = np.argsort(-np.einsum("gii->gi", covariance), axis=1, kind="stable")
    rest = np.take_along_axis(weight, order[:, None, :], 2)
    share = _shares(covariance, order)
    made = np.empty_like(rest)
    count = rest.shape[2]
    for first in range(0, count, _BLOCK):
        end = min(first + _BLOCK, count)
        left = np.empty((*rest.shape[:2], end - first), np.float32)
        for i in range(first, end):
            made[:, :, i] = np.clip(np.rint(rest[:, :, i] / steps), -127, 127)
            error = (rest[:, :, i] - made[:, :, i] * steps) / share[:, i, i, None]
            left[:, :, i - first] = error
            rest[:, :, i + 1 : end] -= error[:, :, None] * share[:, None, i, i + 1 : end]
        rest[:, :, end:] -= left @ share[:, first:end, end:]
    result: Floats = np.take_along_axis(made, np.argsort(order, axis=1)[:, None, :], 2)
    return result


def _shares(covariance: npt.NDArray[np.float64], order: npt.NDArray[np.int64]) -> Floats:
    """Upper triangle whose row i says how an error of input i is made up for by later ones."""
    ordered = np.take_along_axis(covariance, order[:, :, None], 1)
    inverse = np.linalg.inv(np.take_along_axis(ordered, order[:, None, :], 2))
    inverse = (inverse + inverse.transpose(0, 2, 1)) / 2
    result: Floats = np.linalg.cholesky(inverse).transpose(0, 2, 1).astype(np.float32)
    return result
