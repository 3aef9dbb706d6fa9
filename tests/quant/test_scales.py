"""Ranges to scales, real factors to integers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accelgen.errors import QuantizationError
from accelgen.golden.arith import dequantize_array, quantize_array
from accelgen.ir import Quantization
from accelgen.quant.scales import Range, add_factors, fixed_point, quantization_of

FINITE = st.floats(-1e6, 1e6, width=32)


@given(FINITE, FINITE)
def test_zero_is_exact_and_the_ends_are_within_a_step(low, high):
    span = Range(low, high)
    q = quantization_of(span)

    assert span.low <= 0 <= span.high
    assert q.scale == np.float32(q.scale)
    assert -128 <= q.zero_point <= 127
    ends = np.array([span.low, 0, span.high], np.float32)
    real = dequantize_array(quantize_array(ends, q), q)
    assert real[1] == 0
    # Half a step for rounding, half for the zero point that had to be an integer.
    assert np.abs(real - ends).max() <= 1.001 * q.scale


@pytest.mark.parametrize(
    ("span", "zero"),
    [(Range(0, 6), -128), (Range(-6, 0), 127), (Range(0, 0), 0), (Range(3, 5), -128)],
)
def test_one_sided_ranges_use_all_steps(span, zero):
    assert quantization_of(span).zero_point == zero


def test_empty_range_has_scale_one_and_tiny_range_a_usable_scale():
    assert quantization_of(Range(0, 0)) == Quantization(1.0, 0)
    assert quantization_of(Range(0, 1e-44)).scale == 2.0**-40


@given(st.floats(2.0**-30, 2.0**16 * (1 - 2.0**-18), exclude_max=True))
def test_normalised_factors_are_precise_to_17_bits(factor):
    multiplier, shift = (int(v) for v in fixed_point(factor, "node 'n'"))

    assert 2**16 <= multiplier < 2**17
    assert 1 <= shift <= 47
    error = abs(Fraction(multiplier, 2**shift) / Fraction(factor) - 1)
    assert error <= Fraction(1, 2**17)


@given(st.floats(0, 2.0**-30))
def test_tiny_factors_keep_the_largest_shift(factor):
    multiplier, shift = (int(v) for v in fixed_point(factor, "node 'n'"))

    assert 0 <= multiplier < 2**17
    assert shift <= 47
    assert abs(Fraction(multiplier, 2**shift) - Fraction(factor)) <= Fraction(1, 2**47)


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (0.0, (0, 47)),
        (2.0**-47, (1, 47)),
        (2.0**-48 / 2, (0, 47)),
        (1.0, (2**16, 16)),
        (np.nextafter(1.0, 0), (2**16, 16)),  # the mantissa rounds up to the next power of two
        (2.0**16 - 1, (2**17 - 2, 1)),
        (2.0**-31, (2**16, 47)),
        (2.0**-32, (2**15, 47)),
    ],
)
def test_factors_at_the_edges(factor, expected):
    assert tuple(int(v) for v in fixed_point(factor, "node 'n'")) == expected


@pytest.mark.parametrize("factor", [2.0**16, np.nextafter(2.0**16, 0), 1e30])
def test_factor_too_large_is_a_sentence(factor):
    with pytest.raises(
        QuantizationError, match=r"node 'n': the output's scale is .* limit is 65536"
    ):
        fixed_point(factor, "node 'n'")


@pytest.mark.parametrize("factor", [-1.0, np.nan, np.inf])
def test_factor_that_is_none_is_a_sentence(factor):
    with pytest.raises(QuantizationError, match="node 'n': its scales make a factor"):
        fixed_point([1.0, factor], "node 'n'")


SCALES = st.builds(
    Quantization, st.floats(2.0**-12, 2.0**12, width=32), st.integers(-128, 127)
)  # fmt: skip


@given(SCALES, SCALES, st.floats(2.0**-4, 2.0**4), st.integers(-128, 127))
def test_sums_fit_32_bits_and_are_within_one_of_the_real_sum(a, b, ratio, zero):
    y = Quantization(max(a.scale, b.scale) * ratio, zero)
    f = add_factors(a, b, y, "node 'n'")

    assert 0 <= f.multiplier_a < 2**17
    assert 0 <= f.multiplier_b < 2**17
    assert -(2**31) <= f.offset < 2**31
    assert 1 <= f.shift <= 31
    for p in (-128, a.zero_point, 127):
        for q in (-128, b.zero_point, 127):
            total = p * f.multiplier_a + q * f.multiplier_b + f.offset
            assert -(2**31) <= total < 2**31
            real = ((p - a.zero_point) * a.scale + (q - b.zero_point) * b.scale) / y.scale
            assert abs((total >> f.shift) - real) <= 1


EXPONENTS = st.floats(-8, 40)
ZEROS = st.integers(-128, 127)


def sums(a, b, y):
    """All sums of two int8 numbers, in steps of ``y`` and clipped: ours, and the real ones; the
    real ones as they are; and the shift."""
    f = add_factors(a, b, y, "node 'n'")
    p, q = np.ogrid[-128:128, -128:128]
    total = p * f.multiplier_a + q * f.multiplier_b + f.offset
    assert -(2**31) <= total.min() <= total.max() < 2**31
    real = ((p - a.zero_point) * a.scale + (q - b.zero_point) * b.scale) / y.scale
    ours, wanted = (np.clip(v + y.zero_point, -128, 127) for v in (total >> f.shift, real))
    return ours, wanted, real, f.shift


@given(EXPONENTS, EXPONENTS, ZEROS, ZEROS, ZEROS)
@example(18, 0, 0, 0, 0)
@example(18, 8, -128, 127, 0)
@example(40, 40, -128, 127, 0)
def test_sums_of_any_scales(first, second, zero_a, zero_b, zero_y):
    """Right but for the rounding of the factors; and for sums of two inputs of which a step is
    more than int8, when they cancel each other up to that: those have the right sign."""
    a, b = Quantization(2.0**first, zero_a), Quantization(2.0**second, zero_b)

    ours, wanted, real, shift = sums(a, b, Quantization(1.0, zero_y))

    error = 1 + 2 * 255 * 2.0 ** -(shift + 1)
    if min(a.scale, b.scale) <= 256:
        assert (np.abs(ours - wanted) <= error).all()
    surely = np.abs(real) > error * max(1, a.scale / 65535, b.scale / 65535)
    assert ((ours - zero_y) * real >= 0)[surely].all()
    far = np.abs(real) > (255 + error) * max(1, a.scale / 65535, b.scale / 65535)
    assert (ours == wanted)[far].all()


@given(EXPONENTS, st.floats(-8, 1), ZEROS, ZEROS, ZEROS, st.booleans())
@example(15, -2, 0, 0, 0, False)
def test_a_coarse_operand_leaves_a_fine_one_as_it_is(coarse, fine, zero_a, zero_b, zero_y, swap):
    pair = [Quantization(2.0**coarse, zero_a), Quantization(2.0**fine, zero_b)]

    ours, wanted, _, _ = sums(*(pair[::-1] if swap else pair), Quantization(1.0, zero_y))

    assert (np.abs(ours - wanted) <= 1.01).all()
