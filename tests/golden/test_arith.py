"""The integer formulas against Python's own unbounded integers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.golden.arith import (
    MAX_MULTIPLIER,
    MAX_SHIFT,
    dequantize_array,
    quantize_array,
    requantize,
    rounding_shift,
)
from accelgen.ir import Quantization

INT32 = st.integers(-(2**31), 2**31 - 1)
INT8 = st.integers(-128, 127)


@given(INT32, INT32, st.integers(0, MAX_MULTIPLIER), st.integers(1, MAX_SHIFT), INT8)
def test_requantize_is_the_formula_in_unbounded_integers(acc, bias, multiplier, shift, zero):
    expected = (((acc + bias) * multiplier + (1 << (shift - 1))) >> shift) + zero

    assert requantize(acc, bias, multiplier, shift, zero) == min(max(expected, -128), 127)


@given(INT32, st.integers(1, MAX_SHIFT))
def test_rounding_shift_is_the_nearest_integer_and_half_goes_up(value, shift):
    assert rounding_shift(value, shift) == math.floor(value / 2**shift + 0.5)


@pytest.mark.parametrize("shift", [1, 47])
@pytest.mark.parametrize("acc", [-(2**31), 2**31 - 1])
def test_requantize_at_the_ends_of_everything(acc, shift):
    got = requantize(acc, acc, MAX_MULTIPLIER, shift)

    exact = math.floor(2 * acc * MAX_MULTIPLIER / 2**shift + 0.5)
    assert got == min(max(exact, -128), 127)


def test_multiplier_zero_gives_the_zero_point():
    acc = np.array([-(2**31), -1, 0, 2**31 - 1])

    assert (requantize(acc, 0, 0, 47, zero=-7) == -7).all()


def test_low_and_high_limit_after_the_zero_point():
    got = requantize(np.arange(-10, 11) * 4, 0, 1, 2, zero=3, low=-1, high=5)

    assert got.min() == -1
    assert got.max() == 5


def test_quantize_rounds_half_to_even_and_saturates():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 1e30, -1e30, np.inf, -np.inf], np.float32)

    got = quantize_array(x, Quantization(1.0, 0))

    assert got.tolist() == [0, 2, 2, 0, -2, 127, -128, 127, -128]


@given(st.floats(2**-30, 2**30, width=32), INT8)
def test_quantize_undoes_dequantize(scale, zero):
    every = np.arange(-128, 128).astype(np.int8)
    q = Quantization(scale, zero)

    np.testing.assert_array_equal(quantize_array(dequantize_array(every, q), q), every)
