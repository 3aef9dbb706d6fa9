"""What is divided by a statistic of the map: the int8 formulas, number by number."""

from math import isqrt

import numpy as np
import pytest

from accelgen.golden.norms import (
    integer_root,
    local_norm_int8,
    normalize,
    normalize_int8,
    response_int8,
    softmax_int8,
)
from accelgen.ir.ps_ops import ALONG, Normalize, QLocalNorm, QNormalize, QResponse, QSoftmax


@pytest.mark.parametrize("epsilon", [1, 12345, 1 << 40, 1 << 58])
@pytest.mark.parametrize("zero", [None, -128, 5])
@pytest.mark.parametrize(("along", "share"), [*((a, 1) for a in ALONG), ("pixels", 2)])
def test_a_normalization_is_its_formula(along, share, zero, epsilon):
    x = np.random.default_rng(5).integers(-128, 128, (2, 4, 5, 4)).astype(np.int8)
    x[:, 1] = 7
    op = QNormalize(
        along=along, epsilon=epsilon, multiplier=70_001, shift=11, output_zero=3, share=share,
        input_zero=zero,
    )  # fmt: skip

    got = normalize_int8(op, x)

    for at in np.ndindex(*x.shape):
        first = at[3] // share * share
        pixels = x[at[0], ..., first : first + share]
        whole = {"channels": x[at[:3]], "pixels": pixels, "map": x[at[0]]}[along]
        group = [int(v) - (zero or 0) for v in whole.reshape(-1)]
        n, total = len(group), sum(group) if zero is None else 0
        v = 256 * (n * sum(g * g for g in group) - total * total) + epsilon
        e = max(e for e in range(31) if v << 2 * e < 1 << 60)
        r = (70_001 << 43) // isqrt(v << 2 * e)
        s = min(11 + 39 - e, 62)
        want = (((n * (int(x[at]) - (zero or 0)) - total) * r + (1 << (s - 1))) >> s) + 3
        assert got[at] == min(max(want, -128), 127)


@pytest.mark.parametrize("along", ALONG)
def test_what_is_of_length_one(along):
    x = np.random.default_rng(7).standard_normal((2, 4, 5, 3)).astype(np.float32)
    axes = {"channels": (3,), "pixels": (1, 2), "map": (1, 2, 3)}[along]

    got = normalize(Normalize(along=along, epsilon=0, centred=False, unit=True), x)

    np.testing.assert_allclose((got.astype(float) ** 2).sum(axes), 1, rtol=1e-6)
    assert (got * x >= 0).all()
    assert not normalize(Normalize(along=along, epsilon=0, centred=False, unit=True), 0 * x).any()


def test_where_a_map_is_flat_a_small_epsilon_counts_as_what_it_is():
    """Numbers a step or two apart: a whole step of v would be a tenth of their variance."""
    x = np.array([[[[-22, -24, -22], [-22, -23, -22], [5, 5, 5]]]], np.int8)
    scale, after = 2.398430824279785, 0.0110918078571558
    epsilon = round(0.01 * (16 * 3 / scale) ** 2)
    op = QNormalize(along="channels", epsilon=epsilon, multiplier=92320, shift=10, output_zero=-1)

    got = normalize_int8(op, x)

    real = normalize(Normalize(along="channels", epsilon=0.01), scale * x.astype(np.float32))
    assert np.abs(np.clip(np.rint(real / after) - 1, -128, 127) - got).max() <= 1


def test_a_response_is_its_formula():
    x = np.random.default_rng(6).integers(-128, 128, (2, 3, 4, 5)).astype(np.int8)
    op = QResponse(input_zero=-7, epsilon=99_999, multiplier=70_001, shift=11, output_zero=3)

    got = response_int8(op, x)

    for n in (0, 1):
        squares = [sum((int(v) + 7) ** 2 for v in x[n, ..., c].ravel()) for c in range(5)]
        g = [isqrt(s << 26) for s in squares]
        r = (70_001 * 5 << 28) // (sum(g) + 99_999)
        want = [((v * r + (1 << 38)) >> 39) + 3 for v in g]
        assert got[n].ravel().tolist() == [min(max(w, -128), 127) for w in want]


@pytest.mark.parametrize("size", [1, 2, 5, 30])
def test_a_local_norm_is_its_formula(size):
    rng = np.random.default_rng(7)
    x = rng.integers(-128, 128, (2, 1, 3, 9)).astype(np.int8)
    factors = tuple(rng.integers(0, 1 << 30, 64 * 21).tolist())
    op = QLocalNorm(size=size, input_zero=9, output_zero=-4, shift=31, factors=factors)

    got = local_norm_int8(op, x)

    for n, i, j, c in np.ndindex(*x.shape):
        window = x[n, i, j, max(c - (size - 1) // 2, 0) : c + size // 2 + 1].astype(int) - 9
        s = int((window**2).sum())
        e = next(e for e in range(32) if s >> e < 128)
        at, f = 64 * e + (s >> e), s % 2**e
        m = factors[at] + (((factors[at + 1] - factors[at]) * f) >> e)
        want = (((int(x[n, i, j, c]) - 9) * m + (1 << 30)) >> 31) - 4
        assert got[n, i, j, c] == min(max(want, -128), 127)


def test_a_softmax_is_its_formula():
    x = np.random.default_rng(8).integers(-128, 128, (2, 3, 1, 6)).astype(np.int8)
    powers = tuple(int(2**20 * 0.9**d) for d in range(256))
    op = QSoftmax(powers=powers, multiplier=70_001, shift=9, output_zero=-128)

    got = softmax_int8(op, x)

    for n, i, j in np.ndindex(2, 3, 1):
        row = [int(v) for v in x[n, i, j]]
        p = [powers[max(row) - v] for v in row]
        r = (70_001 << 40) // sum(p)
        want = [((v * r + (1 << 48)) >> 49) - 128 for v in p]
        assert got[n, i, j].tolist() == [min(max(w, -128), 127) for w in want]


def test_integer_roots():
    roots = [0, 1, 2, 94_906_265, 94_906_266, (1 << 30) - 1, 1 << 30, (1 << 31) - 1]
    squares = np.array([r * r + d for r in roots for d in (-1, 0, 1) if r + d >= 0], np.int64)

    assert integer_root(squares).tolist() == [isqrt(int(v)) for v in squares]
