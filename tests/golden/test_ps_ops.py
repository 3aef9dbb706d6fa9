"""What only the PS computes: the int8 formulas, pixel by pixel."""

import numpy as np
import pytest

from accelgen.golden.ps_ops import (
    bilinear,
    bilinear_int8,
    inner_pool_int8,
    multiply_int8,
    positions,
    unpool,
)
from accelgen.ir.ps_ops import Bilinear, QBilinear, QInnerAvgPool, QMul, QUnpool


@pytest.mark.parametrize("factor", [(0, 1, 22, 0), (-7, 70_001, 36, 3)])
def test_bilinear_is_its_formula(factor):
    """By default on the input's scale: s / 2**22, rounded half up, whatever the zero point."""
    zero, multiplier, shift, output_zero = factor
    scaling = {"input_zero": zero, "multiplier": multiplier, "shift": shift}
    rng = np.random.default_rng(1)
    x = rng.integers(-128, 128, (2, 4, 5, 3)).astype(np.int8)
    places = {"rows": (0, 700, 6144, 5000), "columns": (8192, 1, 2048, 4095, 3000)}
    op = QBilinear(**places, **scaling, output_zero=output_zero)

    got = bilinear_int8(op, x)

    for r, at in enumerate(op.rows):
        for v, along in enumerate(op.columns):
            i, f, j, g = at >> 11, at & 2047, along >> 11, along & 2047
            rows = [x[:, min(i + k, 3)].astype(int) for k in (0, 1)]
            left, right = j, min(j + 1, 4)
            upper, lower = (row[:, left] * (2048 - g) + row[:, right] * g for row in rows)
            total = upper * (2048 - f) + lower * f - zero * (1 << 22)
            want = ((total * multiplier + (1 << (shift - 1))) >> shift) + output_zero
            np.testing.assert_array_equal(got[:, r, v], np.clip(want, -128, 127))


def test_a_product_is_its_formula():
    a, b = np.meshgrid(*(np.arange(-128, 128, dtype=np.int8),) * 2)
    op = QMul(a_zero=-128, b_zero=7, multiplier=70_001, shift=24, output_zero=-5)

    got = multiply_int8(op, a, b)

    want = ((a.astype(int) + 128) * (b.astype(int) - 7) * 70_001 + (1 << 23)) >> 24
    np.testing.assert_array_equal(got, np.clip(want - 5, -128, 127))


def test_an_inner_pool_is_its_formula():
    x = np.random.default_rng(3).integers(-128, 128, (1, 5, 4, 3)).astype(np.int8)
    op = QInnerAvgPool(
        kernel=(3, 2), stride=(2, 1), pads=(1, 1, 1, 0), input_zero=9, output_zero=-4,
        multipliers=tuple(120_000 // n for n in range(1, 7)), shifts=(17, 16, 17, 17, 16, 17),
    )  # fmt: skip

    got = inner_pool_int8(op, x)

    assert got.shape == (1, 3, 4, 3)
    for i, j in np.ndindex(3, 4):
        window = x[0, max(2 * i - 1, 0) : 2 * i + 2, max(j - 1, 0) : j + 1].astype(int) - 9
        n = window.shape[0] * window.shape[1]
        half = 1 << (op.shifts[n - 1] - 1)
        want = (window.sum((0, 1)) * op.multipliers[n - 1] + half) >> op.shifts[n - 1]
        np.testing.assert_array_equal(got[0, i, j], np.clip(want - 4, -128, 127))


def test_an_inner_pool_counts_some_of_its_padding():
    x = np.random.default_rng(4).integers(-128, 128, (1, 5, 6, 3)).astype(np.int8)
    op = QInnerAvgPool(
        kernel=(3, 4), stride=(2, 1), pads=(2, 2, 2, 3), counted=(1, 1, 0, 2),
        input_zero=9, output_zero=-4, multipliers=tuple(120_000 // n for n in range(1, 13)),
        shifts=(17, 16, 17, 17, 16, 17) * 2,
    )  # fmt: skip

    got = inner_pool_int8(op, x)

    assert got.shape == (1, 4, 8, 3)
    for i, j in np.ndindex(*got.shape[1:3]):
        taps = [(2 * i - 2 + a, j - 2 + b) for a in range(3) for b in range(4)]
        n = sum(-1 <= r < 5 and -1 <= c < 8 for r, c in taps)
        inside = [x[0, r, c].astype(int) - 9 for r, c in taps if 0 <= r < 5 and 0 <= c < 6]
        half = 1 << (op.shifts[n - 1] - 1)
        want = (np.sum(inside, axis=0) * op.multipliers[n - 1] + half) >> op.shifts[n - 1]
        np.testing.assert_array_equal(got[0, i, j], np.clip(want - 4, -128, 127))


def test_unpooling_is_its_formula():
    rng = np.random.default_rng(9)
    x = rng.integers(-128, 128, (2, 2, 3, 4)).astype(np.int8)
    like = rng.integers(-3, 3, (2, 5, 6, 4)).astype(np.int8)

    got = unpool(QUnpool(kernel=(2, 2), value=-9), x, like)

    want = np.full((2, 5, 6, 4), -9, np.int8)
    for n, i, j, c in np.ndindex(*x.shape):
        block = like[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
        row, column = divmod(int(block.reshape(-1).argmax()), 2)
        want[n, 2 * i + row, 2 * j + column, c] = x[n, i, j, c]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("side", [1, 2, 7])
def test_a_map_of_one_size_stays(side):
    x = np.random.default_rng(2).normal(0, 1, (1, side, side, 2)).astype(np.float32)
    op = Bilinear(size=(side, side), scales=(1.0, 1.0))

    np.testing.assert_array_equal(bilinear(op, x), x)
    np.testing.assert_array_equal(positions(op, (side, side))[0], np.arange(side))
