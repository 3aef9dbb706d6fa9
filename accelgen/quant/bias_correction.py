"""Bias correction: each channel's mean error, after its clip, goes into its bias.

Rounded weights are off by a constant, which inputs of one sign (after a relu) turn into an offset
of the whole channel. Layers are corrected in order, each on what the corrected ones before it
make, so the offset that activations bring is undone as well. Means are compared after the clip: a
channel that is mostly clipped would otherwise be moved by what nobody sees.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir import Quantization
from accelgen.ir.ops import QConv2d
from accelgen.quant.weights import Integers

__all__ = ["bias_steps", "some_pixels"]

Array = npt.NDArray[Any]

# Pixels of all pictures that a layer's means are taken of, at most.
_PIXELS = 1 << 15
# Steps towards equal means, and the share of pixels that at least moves with the bias.
_ROUNDS, _LEAST_MOVING = 5, 0.25


def bias_steps(op: QConv2d, sums: Array, given: Integers, y: Quantization, real: Array) -> Array:
    """What to add to the bias of each channel, in its steps.

    ``sums`` with the bias, and float's ``real``, of the same pixels, one a row; ``y`` of the
    layer's output.
    """
    low, high = ((q - y.zero_point) * y.scale for q in (op.low, op.high))
    made = (sums * given.bias_scale).astype(np.float32)
    offset = _offset(real, made, low, high)
    steps: Array = np.rint(offset / given.bias_scale)
    return steps


def _offset(real: Array, made: Array, low: float, high: float) -> npt.NDArray[np.float64]:
    """Per column, what added to ``made`` gives it the mean of ``real``, both clipped."""
    wanted = np.clip(real, np.float32(low), np.float32(high)).mean(axis=0, dtype=np.float64)
    offset = np.zeros(made.shape[1])
    for _ in range(_ROUNDS):
        moved = made + offset.astype(np.float32)
        clipped = np.clip(moved, np.float32(low), np.float32(high))
        moving = (clipped == moved).mean(axis=0)
        lacking = wanted - clipped.mean(axis=0, dtype=np.float64)
        offset += lacking / np.maximum(moving, _LEAST_MOVING)
    return offset


def some_pixels(value: Array) -> Array:
    """(pixels, channels): evenly some of the pixels of all pictures."""
    flat = value.reshape(-1, value.shape[-1])
    step = -(-len(flat) // _PIXELS)
    # A step that shares no factor with the rows of a map visits every column of it.
    return flat[:: step + (step > 1 and step % 2 == 0)]
