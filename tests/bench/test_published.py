"""The figures of others are complete, and the targets are those of docs/performance.md."""

import pytest

from accelgen import zoo
from accelgen.bench.layers import LAYERS
from accelgen.bench.published import (
    published_layer,
    published_network,
    size_sources,
    sources,
)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda x: x.key)
def test_every_layer_has_its_counterpart(layer):
    theirs = published_layer(layer.key)

    assert theirs.cycles > theirs.ideal_cycles
    # One multiplier each: their ideal is MACs over multipliers; depthwise is dense there.
    if theirs.multipliers and layer.key in "abfg":
        assert theirs.ideal_cycles == pytest.approx(macs(layer) / theirs.multipliers, rel=0.01)


def macs(layer):
    """By hand."""
    return {
        "a": 32 * 32 * 32 * 32 * 9,
        "b": 28 * 28 * 64 * 128,
        "f": 1024 * 1000,
        "g": 28 * 28 * 144 * (24 + 9 + 24),
    }[layer.key]


@pytest.mark.parametrize("name", zoo.names())
def test_every_network_has_a_target_or_none_on_purpose(name):
    known = published_network(name)

    assert known.target_fps is None or known.target_fps > 0
    assert (known.best_fps is None) == (known.source == "")
    assert known.source in ("", *sources())
    assert float(known.macs) > 0
    assert float(known.parameters) > 0
    assert known.size_source in size_sources()


def test_an_unknown_network_has_no_figures():
    assert published_network("nobody").target_fps is None
