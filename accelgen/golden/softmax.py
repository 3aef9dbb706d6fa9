"""Softmax, step by step in float32: the definition that the processor's code repeats bit for bit.

``exp`` of a library differs in the last bit from machine to machine; this one is sums and products
in a stated order, no fused multiply-add, so every machine with IEEE float32 agrees.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["EXP_LOWEST", "exponential", "softmax"]

Floats = npt.NDArray[np.float32]

#: Below this, exp() stays at exp(-86) = 4.5e-38: the result never is a subnormal number.
EXP_LOWEST = np.float32(-86)
_LOG2E = np.float32(1.44269504)
_ROUND = np.float32(12582912)  # 1.5 * 2**23: adding it rounds to an integer, half to even
_LN2_HIGH = np.float32(0.693359375)  # few bits: n * _LN2_HIGH is exact
_LN2_LOW = np.float32(-2.12194440e-4)
# (exp(r) - 1 - r) / r**2 for |r| <= ln(2) / 2, highest power first (Cephes, expf).
_POLYNOMIAL = tuple(
    np.float32(c)
    for c in (
        1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
        4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
    )
)  # fmt: skip


def exponential(d: Floats) -> Floats:
    """exp of float32 ``d`` <= 0: relative error below 2e-7 down to EXP_LOWEST.

    With n = d / ln 2 rounded half to even and r = d - n ln 2 (in two steps):
    ``((p(r) * (r * r) + r) + 1) * 2**n``, p by Horner's rule.
    """
    d = np.maximum(d, EXP_LOWEST)
    n = (d * _LOG2E + _ROUND) - _ROUND
    r = (d - n * _LN2_HIGH) - n * _LN2_LOW
    p = np.full_like(r, _POLYNOMIAL[0])
    for coefficient in _POLYNOMIAL[1:]:
        p = p * r + coefficient
    p = (p * (r * r) + r) + np.float32(1)
    power = ((n.astype(np.int32) + 127) << 23).view(np.float32)
    result: Floats = p * power
    return result


def softmax(x: Floats) -> Floats:
    """Softmax along the last axis of float32 ``x`` (no NaN, no +inf).

    ``e = exponential(x - max)``; their sum in four lanes, element i in lane i % 4 in order of i,
    then (lane 0 + lane 1) + (lane 2 + lane 3); ``e / sum``.
    """
    x = np.asarray(x, np.float32)
    with np.errstate(over="ignore"):
        powers = exponential(x - x.max(axis=-1, keepdims=True))
    count = x.shape[-1]
    padded = np.zeros((*x.shape[:-1], -(-count // 4) * 4), np.float32)
    padded[..., :count] = powers
    steps = padded.reshape(*x.shape[:-1], -1, 4)
    # accumulate, not sum: numpy may add pairwise.
    lanes = np.add.accumulate(steps, axis=-2)[..., -1, :]
    total = (lanes[..., 0] + lanes[..., 1]) + (lanes[..., 2] + lanes[..., 3])
    result: Floats = powers / total[..., None]
    return result
