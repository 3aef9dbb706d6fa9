"""The verdict: the loss to expect, and the layers that lose it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from accelgen.quant import quantize
from tests.quant.nets import Net


def chain(coarse=None):
    """Four convolutions; the weights of number ``coarse`` have one value that dwarfs the others
    and meets a channel that is always 0, so the others round coarsely."""
    net = Net(8, 8, 4)
    x = "x"
    for index in range(4):
        weight = net.rng.normal(0, 0.4, (8, 3, 3, net.tensors[x].shape[3]))
        bias = net.rng.normal(0, 0.1, 8)
        weight[0], bias[0] = 0, 0
        if index == coarse:
            weight[:, 1, 1, 0] = 40
        x = net.act(net.conv(x, 8, (3, 3), weight=weight, bias=bias, pads=(1, 1, 1, 1)))
    return net.graph(x)


def samples(count=4):
    return np.random.default_rng(5).normal(0, 1, (count, 8, 8, 4)).astype(np.float32)


@pytest.mark.parametrize("coarse", [1, 2, 3])
def test_the_layer_that_loses_most_comes_first(coarse):
    model = quantize(chain(coarse), samples())
    convolutions = [n.name for n in model.float_graph.nodes if n.name in model.integers]
    layers = model.verdict.layers
    assert layers[0].node == convolutions[coarse]
    assert [layer.alone_db for layer in layers] == sorted(layer.alone_db for layer in layers)


def test_cumulated_is_never_much_better_than_alone():
    layers = quantize(chain(2), samples()).verdict.layers
    assert layers[0].cumulated_db == layers[0].alone_db
    for before, layer in pairwise(layers):
        assert layer.cumulated_db < before.cumulated_db + 1


def test_expected_loss_says_what_it_was_measured_on():
    flattered = quantize(chain(), samples(4)).verdict
    assert not flattered.kept_aside
    assert flattered.samples == 4
    assert any("8 or more calibration pictures" in sentence for sentence in flattered.helps)
    made = quantize(chain(), samples(24), technique="auto")
    assert made.verdict.kept_aside
    assert made.verdict.samples == 24
    assert made.verdict.sqnr_db == max(max(t.before_db, t.after_db) for t in made.trials)


def test_without_samples_there_is_no_verdict():
    assert replace(quantize(chain(), samples()), samples=None).verdict is None
