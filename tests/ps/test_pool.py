"""Average pools that do not count their padding."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.golden.int8_ops import INT8_OPS
from accelgen.ir.ps_ops import QInnerAvgPool
from accelgen.ps import kernels
from tests.ps.judge import assert_golden, int8s

#: Map, kernel, stride, pads; what is counted.
WINDOWS = [
    ((5, 6), (3, 3), (1, 1), (1, 1, 1, 1)), ((7, 4), (3, 2), (2, 2), (0, 1, 2, 1)),
    ((1, 1), (3, 3), (1, 1), (1, 1, 1, 1)), ((9, 8), (5, 5), (3, 1), (4, 4, 4, 4)),
    ((4, 4), (4, 4), (1, 1), (0, 0, 0, 0)), ((6, 9), (1, 3), (1, 2), (0, 1, 0, 1)),
    ((6, 7), (3, 3), (2, 2), (1, 1, 2, 1), (1, 1, 1, 1)),
    ((8, 9), (3, 2), (1, 2), (2, 1, 0, 1)),
    ((5, 6), (3, 4), (2, 1), (2, 2, 2, 3), (1, 1, 0, 2)),
    ((1, 1), (4, 4), (1, 1), (3, 3, 3, 3), (2, 2, 2, 2)),
]  # fmt: skip


def drawn(rng, kernel, stride, pads, counted=(0, 0, 0, 0), *, hostile=False):
    count = kernel[0] * kernel[1]
    multipliers = rng.integers(1 << 16, 1 << 17, count)
    shifts = rng.integers(1, 48, count) if hostile else rng.integers(16, 20, count)
    return QInnerAvgPool(
        kernel=kernel, stride=stride, pads=pads, counted=counted,
        input_zero=int(rng.integers(-128, 128)),
        output_zero=int(rng.integers(-128, 128)), multipliers=tuple(multipliers.tolist()),
        shifts=tuple(shifts.tolist()),
    )  # fmt: skip


@pytest.mark.parametrize("hostile", [False, True], ids=["random", "hostile"])
def test_inner_average_is_golden(runner, hostile):
    rng = np.random.default_rng(40 + hostile)
    calls, expected = [], []
    for size, *window in WINDOWS:
        for channels in (1, 3, 8, 15, 16, 17, 33, 96):
            x = int8s(rng, (*size, channels), hostile=hostile)
            op = drawn(rng, *window, hostile=hostile)
            calls.append(replace(kernels.inner_average(op, x), threads=channels % 5))
            expected.append(INT8_OPS[QInnerAvgPool](op, x[None])[0])

    assert_golden(runner, calls, expected, rng=rng)


def test_windows_beside_the_map_are_refused(runner):
    rng = np.random.default_rng(42)
    x, good = int8s(rng, (4, 5, 8)), drawn(rng, (3, 3), (1, 1), (1, 1, 1, 1))
    calls = [
        *(kernels.inner_average(replace(good, **c), x)
          for c in ({"pads": (3, 0, 0, 0)}, {"pads": (0, 3, 0, 0)}, {"input_zero": 128},
                    {"pads": (0, 0, 3, 0), "stride": (2, 2)}, {"output_zero": -129},
                    {"shifts": (0,) * 9}, {"multipliers": (1 << 17,) * 9})),
    ]  # fmt: skip

    answers = runner.run(calls)

    assert [a.status for a in answers] == [-1, -1, -1, -1, -1, -1, -1]
    assert all(set(a.outputs[0].view(np.uint8).ravel()) == {0xA5} for a in answers)
