"""Random and hostile arguments of kernels, and their comparison with the golden model."""

from dataclasses import replace

import numpy as np

from accelgen.golden.arith import MAX_MULTIPLIER, MAX_SHIFT, requantize
from accelgen.ps.kernels import Requant

#: Channel counts: 1 to 2,048, around every width that a loop could have.
CHANNELS = (
    1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 40, 56, 63, 64, 65, 96, 100, 127, 128,
    129, 144, 192, 255, 256, 257, 320, 480, 511, 512, 513, 640, 960, 1000, 1023, 1024, 1025, 1280,
    1536, 2047, 2048,
)  # fmt: skip
EXTREMES = (-128, -127, -1, 0, 1, 126, 127)


def int8s(rng, shape, *, lowest=-128, hostile=False):
    """Random; or hostile: extremes only, and often all of one kind."""
    if not hostile:
        return rng.integers(lowest, 128, shape).astype(np.int8)
    pool = np.array([max(v, lowest) for v in EXTREMES], np.int8)
    if rng.random() < 0.5:
        return np.full(shape, rng.choice(pool), np.int8)
    return rng.choice(pool, shape).astype(np.int8)


def requant(rng, channels, *, hostile=False):
    """Random, as a network has them; or hostile: every limit of every number."""
    if not hostile:
        low, high = sorted(rng.integers(-128, 128, 2).tolist())
        shift = rng.integers(20, 34, channels)
        return Requant(
            bias=rng.integers(-(1 << 20), 1 << 20, channels).astype(np.int32),
            multiplier=rng.integers(1 << 16, 1 << 17, channels).astype(np.int32),
            shift=shift.astype(np.int32), zero=int(rng.integers(-128, 128)),
            low=int(low) if rng.random() < 0.5 else -128, high=int(high),
        )  # fmt: skip
    ends = np.array([-(2**31), -(2**31) + 1, -1, 0, 1, 2**31 - 1])
    return Requant(
        bias=rng.choice(ends, channels).astype(np.int32),
        multiplier=rng.choice([0, 1, MAX_MULTIPLIER - 1, MAX_MULTIPLIER], channels).astype(
            np.int32
        ),
        shift=rng.choice([1, 2, 31, 32, 46, MAX_SHIFT], channels).astype(np.int32),
        zero=int(rng.choice([-128, 0, 127])),
        low=int(rng.choice([-128, 0])),
        high=int(rng.choice([0, 127])),
    )


def dense_golden(x, weights, q):
    """Fully connected, in the golden model's arithmetic."""
    acc = x.astype(np.int64) @ weights.astype(np.int64).T
    return requantize(acc, *q.arrays, *q.limits)


def assert_golden(runner, calls, expected, *, rng=None):
    """Run ``calls``, each at an alignment of its own, and compare every bit.

    ``expected``: for each call its one output.
    """
    if rng is not None:
        calls = [replace(c, slack=int(rng.integers(0, 16)) * (rng.random() < 0.7)) for c in calls]
    answers = runner.run(calls)
    for call, answer, want in zip(calls, answers, expected, strict=True):
        where = f"kernel {call.kernel}, integers {call.integers}, slack {call.slack}"
        assert answer.status == 0, where
        assert answer.damaged == 0, where
        (got,) = answer.outputs
        assert got.dtype == want.dtype, where
        assert got.tobytes() == want.tobytes(), f"{where}: {np.sum(got != want)} differ"
