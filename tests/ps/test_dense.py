"""Fully connected layers and requantization, every bit."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.golden.arith import requantize as golden_requantize
from accelgen.ps import kernels
from tests.ps.judge import CHANNELS, assert_golden, dense_golden, int8s, requant


def dense_case(rng, pixels, outputs, inputs, *, hostile=False, threads=0):
    x = int8s(rng, (pixels, inputs), hostile=hostile)
    weights = int8s(rng, (outputs, inputs), lowest=-127, hostile=hostile)
    q = requant(rng, outputs, hostile=hostile)
    return replace(kernels.dense(x, weights, q), threads=threads), dense_golden(x, weights, q)


def assert_all_golden(runner, cases, rng):
    calls, expected = zip(*cases, strict=True)
    assert_golden(runner, calls, expected, rng=rng)


@pytest.mark.parametrize("hostile", [False, True], ids=["random", "hostile"])
def test_fully_connected_of_any_width_is_golden(runner, hostile):
    rng = np.random.default_rng(1)
    sizes = [(int(rng.choice(CHANNELS[:24])), inputs) for inputs in CHANNELS]
    sizes += [(outputs, int(rng.choice(CHANNELS[:24]))) for outputs in CHANNELS]

    assert_all_golden(runner, [dense_case(rng, 1, o, i, hostile=hostile) for o, i in sizes], rng)


@pytest.mark.parametrize("hostile", [False, True], ids=["random", "hostile"])
def test_products_of_matrices_are_golden(runner, hostile):
    rng = np.random.default_rng(2)
    pixels = (2, 3, 4, 5, 7, 8, 13, 49)
    sizes = [(p, int(rng.choice(CHANNELS[:28])), int(rng.choice(CHANNELS))) for p in pixels * 4]

    assert_all_golden(runner, [dense_case(rng, *s, hostile=hostile) for s in sizes], rng)


def test_any_number_of_threads_gives_the_same(runner):
    rng = np.random.default_rng(3)
    sizes = [(1, 1, 5), (1, 9, 33), (1, 100, 640), (49, 24, 40), (200, 3, 17), (5, 64, 100)]

    assert_all_golden(
        runner, [dense_case(rng, *s, threads=t) for s in sizes for t in (0, 1, 2, 3, 4)], rng
    )  # fmt: skip


@pytest.mark.parametrize("hostile", [False, True], ids=["random", "hostile"])
def test_sums_leave_as_they_are_and_saturate(runner, hostile):
    """Of any width and number of threads."""
    rng = np.random.default_rng(6)
    sizes = [(int(rng.choice(CHANNELS[:24])), inputs) for inputs in CHANNELS]
    sizes += [(outputs, int(rng.choice(CHANNELS[:24]))) for outputs in CHANNELS]
    calls, expected = [], []
    for outputs, inputs in sizes:
        x = int8s(rng, inputs, hostile=hostile)
        weights = int8s(rng, (outputs, inputs), lowest=-127, hostile=hostile)
        bias = requant(rng, outputs, hostile=hostile).arrays[0]
        threads = int(rng.integers(0, 5))
        calls.append(replace(kernels.dense_wide(x, weights, bias), threads=threads))
        sums = weights.astype(np.int64) @ x + bias
        expected.append(np.clip(sums, -(2**31), 2**31 - 1).astype(np.int32)[None])

    assert_all_golden(runner, list(zip(calls, expected, strict=True)), rng)


def test_a_matrix_beyond_the_second_level_cache_is_golden(runner):
    # 700 pixels of 1,024 inputs are 700 KB: two rounds over the panels.
    rng = np.random.default_rng(4)

    assert_all_golden(runner, [dense_case(rng, 700, 8, 1024)], rng)


def test_the_most_inputs_do_not_overflow(runner):
    x, weights = np.full((1, 131072), -128, np.int8), np.full((2, 131072), -127, np.int8)
    weights[1] = 127
    q = requant(np.random.default_rng(5), 2, hostile=True)

    assert_golden(runner, [kernels.dense(x, weights, q)], [dense_golden(x, weights, q)])


@pytest.mark.parametrize("hostile", [False, True], ids=["random", "hostile"])
def test_requantize_is_golden(runner, hostile):
    rng = np.random.default_rng(6)
    calls, expected = [], []
    for channels in CHANNELS[:-8]:
        q = requant(rng, channels, hostile=hostile)
        acc = rng.integers(-(2**31), 2**31, (3, channels)).astype(np.int32)
        if not hostile:
            acc >>= 8
        calls.append(kernels.requantize(acc, q))
        expected.append(golden_requantize(acc, *q.arrays, *q.limits))

    assert_golden(runner, calls, expected, rng=rng)


def bad(changes):
    rng = np.random.default_rng(7)
    x, weights, q = int8s(rng, (1, 40)), int8s(rng, (9, 40), lowest=-127), requant(rng, 9)
    if "weight" in changes:
        weights[3, 39] = changes.pop("weight")
    arrays = {
        k: np.full(9, changes.pop(k), np.int32) for k in ("multiplier", "shift") & changes.keys()
    }
    return kernels.dense(x, weights, replace(q, **arrays, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"weight": -128},
        {"multiplier": -1},
        {"multiplier": 1 << 17},
        {"shift": 0},
        {"shift": 48},
        {"zero": 128},
        {"zero": -129},
        {"low": 1, "high": 0},
        {"low": -129},
        {"high": 128},
    ],
    ids=str,
)
def test_arguments_beyond_the_limits_are_refused(runner, changes):
    (answer,) = runner.run([bad(dict(changes))])

    assert answer.status == -1
    assert answer.damaged == 0
    assert set(answer.outputs[0].view(np.uint8).ravel()) == {0xA5}, "something was written"


def test_sizes_beyond_the_limits_are_refused(runner):
    rng = np.random.default_rng(8)
    good = bad({})
    calls = [
        replace(good, integers=(p, o, i, *good.integers[3:]))
        for p, o, i in ((0, 9, 40), (-1, 9, 40), (1, 0, 40), (1, -9, 40), (1, 9, 0), (1, 9, 131073))
    ]

    assert [a.status for a in runner.run(calls)] == [-1] * 6
    assert runner.run([dense_case(rng, 1, 9, 40)[0]])[0].status == 0
