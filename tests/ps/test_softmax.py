"""Softmax and argmax: the golden model's float32, bit by bit."""

import numpy as np
import pytest

from accelgen.golden.arith import dequantize_array
from accelgen.golden.softmax import EXP_LOWEST, exponential, softmax
from accelgen.ir import Quantization
from accelgen.ir.views import Choice
from accelgen.ps import kernels
from tests.ps.judge import CHANNELS, assert_golden, int8s


def floats(rng, count, hostile):
    if not hostile:
        return rng.normal(0, 8, count).astype(np.float32)
    pool = [0.0, -0.0, 1e-45, -1e-45, 1.0, 88.0, -87.4, -86.0, 3.4e38, -3.4e38, -np.inf, 1e-38]
    x = rng.choice(np.array(pool, np.float32), count)
    x[rng.integers(0, count)] = 3.4e38 if rng.random() < 0.5 else 0
    return x


@pytest.mark.parametrize("hostile", [False, True], ids=["random", "hostile"])
def test_softmax_is_golden(runner, hostile):
    rng = np.random.default_rng(1)
    inputs = [floats(rng, n, hostile) for n in CHANNELS]

    assert_golden(
        runner, [kernels.softmax(x) for x in inputs], [softmax(x) for x in inputs], rng=rng
    )


def test_softmax_of_int8_is_golden(runner):
    rng = np.random.default_rng(2)
    calls, expected = [], []
    for count in CHANNELS:
        x = int8s(rng, count, hostile=bool(count % 2))
        of = Quantization(float(np.float32(10 ** rng.uniform(-6, 3))), int(rng.integers(-128, 128)))
        calls.append(kernels.softmax_int8(x, of))
        expected.append(softmax(dequantize_array(x, of)))

    assert_golden(runner, calls, expected, rng=rng)


def test_softmax_of_sums_is_golden(runner):
    rng = np.random.default_rng(8)
    calls, expected = [], []
    for count in CHANNELS:
        x = rng.integers(-(2**31), 2**31, count).astype(np.int32)
        x[0] = (-(2**31), 2**31 - 1, 0, 2**24 + 1)[count % 4]
        steps = (10 ** rng.uniform(-12, -7, count)).astype(np.float32)
        calls.append(kernels.softmax_int32(x, steps))
        expected.append(softmax(x.astype(np.float32) * steps))

    assert_golden(runner, calls, expected, rng=rng)
    assert runner.run([kernels.softmax_int32(x[:0], steps[:0])])[0].status == -1


def test_argmax_is_the_first_of_the_largest(runner):
    rng = np.random.default_rng(3)
    inputs = [int8s(rng, n, hostile=n % 3 == 0) for n in CHANNELS]
    inputs += [floats(rng, n, n % 3 == 0) for n in CHANNELS]
    inputs += [np.zeros(33, np.int8), np.array([-1, 5, 5, 2], np.int8), np.float32([-0.0, 0.0])]

    answers = runner.run([kernels.argmax(x) for x in inputs])

    assert [a.status for a in answers] == [int(x.argmax()) for x in inputs]


@pytest.mark.parametrize("hostile", [False, True], ids=["random", "hostile"])
def test_a_choice_is_numpys(runner, hostile):
    """Along any axis, the first or the last of equal ones, the largest or the smallest."""
    rng = np.random.default_rng(7)
    calls, expected = [], []
    for shape in (
        (1, 1, 1),
        (1, 33, 1),
        (7, 21, 1),
        (1, 40, 17),
        (3, 5, 130),
        (2, 1, 6),
        (2, 600, 19),
    ):
        for make in (int8s, floats):
            size = int(np.prod(shape))
            x = make(rng, size, hostile=hostile).reshape(shape)
            for last, least in ((0, 0), (0, 1), (1, 0), (1, 1)):
                choice = Choice(axis=1, keepdims=False, last=bool(last), least=bool(least))
                calls.append(kernels.choose(x, choice))
                keys = -x.astype(np.float64) if least else x.astype(np.float64)
                best = keys == keys.max(1, keepdims=True)
                first = best.argmax(1)
                expected.append(shape[1] - 1 - best[:, ::-1].argmax(1) if last else first)

    assert_golden(runner, calls, expected, rng=rng)


def test_nothing_has_no_choice(runner):
    choice = Choice(axis=1)
    calls = [kernels.choose(np.zeros(s, np.int8), choice) for s in ((2, 0, 2), (0, 2, 2))]
    calls += [kernels.choose(np.zeros((2, 2, 0), np.float32), choice)]

    assert [a.status for a in runner.run(calls)] == [-1] * 3


def test_nothing_has_no_largest(runner):
    calls = [kernels.argmax(np.zeros(0, np.int8)), kernels.softmax(np.zeros(0, np.float32))]

    assert [a.status for a in runner.run(calls)] == [-1, -1]


def test_the_exponential_is_close_to_the_true_one():
    d = -np.abs(np.random.default_rng(4).normal(0, 25, 200_000)).astype(np.float32)
    true = np.exp(np.maximum(d, EXP_LOWEST).astype(np.float64))

    # Float32 holds 24 bits: 6e-8 for the last rounding, as much again for the polynomial.
    assert np.abs(exponential(d) / true - 1).max() < 1.2e-7


def test_softmax_is_close_to_the_true_one_and_sums_to_1():
    x = np.random.default_rng(5).normal(0, 5, (1, 2, 3, 1000)).astype(np.float32)
    powers = np.exp(x.astype(np.float64) - x.max(axis=-1, keepdims=True))
    true = powers / powers.sum(axis=-1, keepdims=True)

    # A thousand additions: their rounding errors may add up to some 1e-6.
    np.testing.assert_allclose(softmax(x), true, rtol=3e-6, atol=0)
    np.testing.assert_allclose(softmax(x).sum(axis=-1), 1, rtol=3e-6)
