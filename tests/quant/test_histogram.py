"""Histograms that grow."""

import numpy as np
import pytest

from accelgen.quant.histogram import Histogram


def filled(*batches):
    histogram = Histogram()
    for batch in batches:
        histogram.add(np.asarray(batch, np.float32))
    return histogram


@pytest.mark.parametrize("growth", [1.0, 1.9, 1000.0, 1e12])
def test_counts_everything_while_the_range_grows(growth):
    rng = np.random.default_rng(1)
    batches = [rng.normal(0, growth**i, 1000) for i in range(4)]

    h = filled(*batches)

    every = np.concatenate(batches).astype(np.float32)
    assert h.counts.sum() == every.size
    assert (h.low, h.high) == (every.min(), every.max())
    width = max(-h.low, h.high, h.high - h.low) / 4095
    assert h.centres.min() == pytest.approx(every.min(), abs=width)
    assert h.centres.max() == pytest.approx(every.max(), abs=width)


def test_order_of_the_batches_does_not_matter():
    rng = np.random.default_rng(2)
    batches = [rng.normal(0, s, 500) for s in (0.001, 1, 30)]

    a, b = filled(*batches), filled(*reversed(batches))

    np.testing.assert_array_equal(a.centres, b.centres)
    np.testing.assert_array_equal(a.counts, b.counts)


def test_percentiles_agree_with_sorting():
    rng = np.random.default_rng(3)
    values = rng.normal(1, 2, 100_000).astype(np.float32)
    values[:30_000] = 0

    low, high = filled(values[:50_000], values[50_000:]).percentile(0.999)

    expected = np.quantile(values, [0.0005, 0.9995])
    # To a bin: 2 ** -9 here.
    np.testing.assert_allclose([low, high], expected, atol=0.02)


def test_all_of_the_values_lie_within_percentile_100():
    h = filled([-1.0, 0.5, 2.0])

    assert h.percentile(1.0) == (-1.0, 2.0)


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [-0.0]])
def test_nothing_but_zeros_is_an_empty_range(values):
    h = filled(values)

    assert (h.low, h.high, h.counts.size) == (0, 0, 0)


@pytest.mark.parametrize("value", [1e-44, 3e38, -3e38, 1.0])
def test_a_single_value_of_any_size(value):
    h = filled([value])

    assert h.counts.tolist() == [1]
    assert min(h.low, h.high) == min(np.float32(value), 0)
