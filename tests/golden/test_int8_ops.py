"""Int8 operations against definitions written out pixel by pixel."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from accelgen.golden.arith import requantize
from accelgen.golden.int8_ops import INT8_OPS, accumulate
from accelgen.ir import ops
from accelgen.ir.shapes import window_sizes, windows_touch_map
from tests.golden.reference import pools, sums_of_products

SMALL = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much]
)
PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def windows(draw, max_dilation=2):
    """Kernel, stride, dilation, pads and a map they fit, 1x1 maps and large kernels included."""
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilation = draw(st.tuples(st.integers(1, max_dilation), st.integers(1, max_dilation)))
    fields = {
        "kernel": kernel,
        "stride": draw(PAIR),
        "pads": draw(st.tuples(*[st.integers(0, 4)] * 4)),
    }
    size = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    out = window_sizes(kernel, fields["stride"], dilation, fields["pads"], size)
    assume(min(out) >= 1)
    return fields, dilation, size, out


def int8s(rng, shape, kind):
    """Random, or nothing but extremes."""
    if kind == "random":
        return rng.integers(-128, 128, shape).astype(np.int8)
    return rng.choice(np.array([-128, 127], np.int8), shape)


def run(op, *inputs):
    return INT8_OPS[type(op)](op, *inputs)


@SMALL
@given(
    windows(),
    st.sampled_from([(1, 1, 1), (1, 3, 2), (2, 2, 3), (5, 1, 1), (3, 1, 2)]),
    st.integers(-128, 127),
    st.sampled_from(["random", "extreme"]),
    st.integers(0, 2**32),
)
def test_convolution_is_its_definition(window, channels, zero, kind, seed):
    fields, dilation, size, out = window
    groups, c_group, per_group = channels
    rng = np.random.default_rng(seed)
    op = ops.QConv2d(
        **fields, dilation=dilation, groups=groups, input_zero=zero,
        output_zero=int(rng.integers(-128, 128)), low=int(rng.integers(-128, 0)),
        high=int(rng.integers(0, 128)),
    )  # fmt: skip
    c_out = groups * per_group
    x = int8s(rng, (1, *size, groups * c_group), kind)
    weight = np.maximum(int8s(rng, (c_out, *op.kernel, c_group), kind), -127)
    bias = rng.integers(-(2**20), 2**20, c_out)
    multiplier = rng.integers(0, 2**17, c_out)
    shift = rng.integers(1, 48, c_out)

    acc = sums_of_products(op, x[0], weight, out)

    expected = requantize(
        acc.astype(np.int64), bias, multiplier, shift, op.output_zero, op.low, op.high
    )
    np.testing.assert_array_equal(run(op, x, weight, bias, multiplier, shift)[0], expected)


@pytest.mark.parametrize("c_in", [1032, 1033, 5000])
def test_sums_stay_exact_where_float32_would_round(c_in):
    x = np.full((1, 1, 1, c_in), -128, np.int8)
    weight = np.full((2, 1, 1, c_in), 127, np.int8)
    weight[0, 0, 0, 0] = 126  # an odd count of units, beyond 2 ** 24
    weight[1] = -127
    op = ops.QConv2d(kernel=(1, 1), input_zero=0, output_zero=0)

    acc = accumulate(op, x, weight)

    assert acc.ravel().tolist() == [-128 * (127 * c_in - 1), 128 * 127 * c_in]


def test_odd_sums_beyond_float32_are_told_apart():
    x = np.full((1, 1, 1, 1201), 127, np.int8)
    weight = np.full((1, 1, 1, 1201), 127, np.int8)
    op = ops.QConv2d(kernel=(1, 1), input_zero=0, output_zero=0)

    # Odd and above 2 ** 24: no float32.
    assert accumulate(op, x, weight).item() == 1201 * 127 * 127


def test_weights_of_zero_give_the_bias():
    x = np.full((1, 4, 4, 8), -128, np.int8)
    op = ops.QConv2d(kernel=(3, 3), pads=(1, 1, 1, 1), input_zero=-128, output_zero=5)
    weight = np.zeros((2, 3, 3, 8), np.int8)

    y = run(op, x, weight, np.array([40, -40]), np.array([1, 1]), np.array([2, 2]))

    assert (y[..., 0] == 15).all()
    assert (y[..., 1] == -5).all()


@SMALL
@given(windows(), st.integers(0, 2**32), st.sampled_from(["random", "extreme"]))
def test_max_pool_never_sees_the_padding(window, seed, kind):
    fields, dilation, size, out = window
    op = ops.QMaxPool(**fields, dilation=dilation)
    assume(windows_touch_map(op.kernel, op.stride, dilation, op.pads, size))
    x = int8s(np.random.default_rng(seed), (1, *size, 3), kind)

    expected = pools(op, x[0], out, None, max)

    np.testing.assert_array_equal(run(op, x)[0], expected.astype(np.int8))


@SMALL
@given(windows(max_dilation=1), st.integers(-128, 127), st.integers(0, 2**32))
def test_avg_pool_is_its_definition(window, zero, seed):
    fields, _, size, out = window
    rng = np.random.default_rng(seed)
    op = ops.QAvgPool(
        **fields, input_zero=zero, output_zero=int(rng.integers(-128, 128)),
        multiplier=int(rng.integers(0, 2**17)), shift=int(rng.integers(1, 48)),
    )  # fmt: skip
    x = int8s(rng, (1, *size, 3), "random")

    acc = pools(op, x[0], out, zero, sum) - op.kernel[0] * op.kernel[1] * zero

    expected = requantize(acc.astype(np.int64), 0, op.multiplier, op.shift, op.output_zero)
    np.testing.assert_array_equal(run(op, x)[0], expected)


def test_global_average_of_extremes_does_not_overflow():
    x = np.full((1, 300, 300, 2), -128, np.int8)
    x[..., 1] = 127
    op = ops.QGlobalAvgPool(input_zero=-128, output_zero=-128, multiplier=95444, shift=33)

    y = run(op, x)

    assert y.ravel().tolist() == [-128, 127]


def test_global_average_is_the_mean():
    x = np.arange(-128, 128).astype(np.int8).reshape(1, 16, 16, 1)
    op = ops.QGlobalAvgPool(input_zero=0, output_zero=0, multiplier=1 << 16, shift=24)

    assert run(op, x).item() == 0  # the mean is -0.5, and half goes up


@given(st.integers(0, 2**32))
def test_table_is_indexed_by_value_plus_128(seed):
    rng = np.random.default_rng(seed)
    table = rng.permutation(256).astype(np.uint8).view(np.int8)
    x = np.arange(-128, 128).astype(np.int8).reshape(1, 16, 16, 1)

    np.testing.assert_array_equal(run(ops.QTable(), x, table).ravel(), table)


@given(st.integers(-(2**17), 2**17 - 1), st.integers(-(2**17), 2**17 - 1),
       st.integers(-(2**30), 2**30), st.integers(1, 31), st.integers(-128, 127))  # fmt: skip
def test_add_is_the_formula_for_every_pair_of_extremes(ma, mb, offset, shift, zero):
    op = ops.QAdd(
        multiplier_a=ma, multiplier_b=mb, offset=offset, shift=shift, output_zero=zero, low=-100,
        high=90,
    )  # fmt: skip
    values = [-128, -1, 0, 1, 127]
    a = np.array(values, np.int8).reshape(1, 5, 1, 1).repeat(5, axis=2)
    b = a.transpose(0, 2, 1, 3)

    expected = [
        [min(max(((p * ma + q * mb + offset) >> shift) + zero, -100), 90) for q in values]
        for p in values
    ]

    assert run(op, a, b)[0, :, :, 0].tolist() == expected


@given(
    st.integers(-128, 127), st.integers(-128, 127), st.integers(0, 2**17 - 1), st.integers(1, 47)
)
def test_scale_is_the_formula(x_zero, s_zero, multiplier, shift):
    op = ops.QScale(
        x_zero=x_zero, s_zero=s_zero, multiplier=multiplier, shift=shift, output_zero=-3
    )
    x = np.array([-128, -1, 0, 127], np.int8).reshape(1, 4, 1, 1).repeat(3, axis=3)
    s = np.array([-128, 5, 127], np.int8).reshape(1, 1, 1, 3)

    y = run(op, x, s)[0, :, 0]

    for i, p in enumerate(x[0, :, 0, 0]):
        for j, q in enumerate(s[0, 0, 0]):
            product = (int(p) - x_zero) * (int(q) - s_zero) * multiplier
            exact = ((product + (1 << (shift - 1))) >> shift) - 3
            assert y[i, j] == min(max(exact, -128), 127)


def test_concat_joins_channels_in_order():
    a, b = (np.full((1, 2, 2, n), n, np.int8) for n in (1, 3))

    assert run(ops.QConcat(), a, b)[0, 0, 0].tolist() == [1, 3, 3, 3]


def test_insert_puts_a_value_after_each_row_and_column():
    x = np.array([[1, 2], [3, 4]], np.int8).reshape(1, 2, 2, 1)

    y = run(ops.QInsert(factor=(2, 3), value=-9), x)[0, :, :, 0]

    assert y.tolist() == [[1, -9, -9, 2, -9, -9], [-9] * 6, [3, -9, -9, 4, -9, -9], [-9] * 6]


def test_upsample_makes_squares_of_pixels():
    x = np.arange(6, dtype=np.int8).reshape(1, 2, 3, 1)

    y = run(ops.QUpsample(), x)[0, :, :, 0]

    assert y.tolist() == [[0, 0, 1, 1, 2, 2]] * 2 + [[3, 3, 4, 4, 5, 5]] * 2


@pytest.mark.parametrize(
    ("axis", "wanted"),
    [(2, [[0, 1, 1, 2, 2, 3]]), (1, [[0, 1, 2], [3, 4, 5]])],
)
def test_stretch_repeats_what_blocks_share(axis, wanted):
    x = np.arange(6, dtype=np.int8).reshape(1, 2, 3, 1)

    assert run(ops.QStretch(axis=axis), x)[0, :, :, 0].tolist() == wanted


def test_negative_pads_cut_the_map():
    x = np.arange(12, dtype=np.int8).reshape(1, 3, 4, 1)

    y = run(ops.QMaxPool(kernel=(1, 1), pads=(-1, -2, 1, -1)), x)[0, :, :, 0]

    assert y.tolist() == [[6], [10], [-128]]
