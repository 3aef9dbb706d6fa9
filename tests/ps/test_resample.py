"""Bilinear resize of int8 maps."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.golden.int8_ops import INT8_OPS
from accelgen.ir.ps_ops import QBilinear
from accelgen.ps import kernels
from tests.ps.judge import assert_golden, int8s

SIZES = [(1, 1, 1, 1), (1, 5, 4, 1), (5, 1, 1, 9), (7, 6, 13, 12), (9, 11, 4, 3), (3, 3, 40, 2)]
CHANNELS = (1, 3, 8, 15, 16, 17, 24, 32, 47, 130)


def drawn(rng, h, w, oh, ow, *, rescaled=False):
    ends = [0, 2048 * (h - 1)], [0, 2048 * (w - 1)]
    rows, columns = (
        tuple(int(v) for v in (*end, *rng.integers(0, end[1] + 1, new))[:new])
        for end, new in zip(ends, (oh, ow), strict=True)
    )
    factor = {
        "input_zero": int(rng.choice([-128, 0, 127])),
        "output_zero": int(rng.choice([-128, 5, 127])),
        "multiplier": int(rng.choice([0, 1, 70_001, (1 << 17) - 1])),
        "shift": int(rng.choice([1, 20, 38, 40, 47])),
    }  # fmt: skip
    return QBilinear(rows=rows, columns=columns, **(factor if rescaled else {}))


@pytest.mark.parametrize("rescaled", [False, True], ids=["same_scale", "another_scale"])
@pytest.mark.parametrize("hostile", [False, True], ids=["random", "hostile"])
def test_bilinear_is_golden(runner, hostile, rescaled):
    rng = np.random.default_rng(30 + hostile)
    calls, expected = [], []
    for h, w, oh, ow in SIZES:
        for channels in CHANNELS:
            x = int8s(rng, (h, w, channels), hostile=hostile)
            op = drawn(rng, h, w, oh, ow, rescaled=rescaled)
            calls.append(replace(kernels.bilinear(op, x), threads=int(rng.integers(0, 5))))
            expected.append(INT8_OPS[QBilinear](op, x[None])[0])

    assert_golden(runner, calls, expected, rng=rng)


def test_numbers_outside_their_limits_are_refused(runner):
    x = int8s(np.random.default_rng(31), (4, 5, 8))
    good = kernels.bilinear(QBilinear(rows=(0, 6144), columns=(0, 8192)), x)
    wrong = (
        {"input_zero": 128}, {"input_zero": -129}, {"output_zero": 128}, {"multiplier": 1 << 17},
        {"multiplier": -1}, {"shift": 0}, {"shift": 48},
    )  # fmt: skip
    calls = [
        *(kernels.bilinear(QBilinear(rows=(0,), columns=(0,), **bad), x) for bad in wrong),
        kernels.bilinear(QBilinear(rows=(0, 6145), columns=(0,)), x),
        kernels.bilinear(QBilinear(rows=(-1,), columns=(0,)), x),
        kernels.bilinear(QBilinear(rows=(0,), columns=(8193, 0)), x),
        *(replace(good, integers=(*good.integers[:i], bad, *good.integers[i + 1 :]))
          for i in range(5) for bad in (0, -1, 32769)),
    ]  # fmt: skip

    answers = runner.run(calls)

    assert runner.run([good])[0].status == 0
    assert {a.status for a in answers} == {-1}
    assert all(set(a.outputs[0].view(np.uint8).ravel()) == {0xA5} for a in answers)
