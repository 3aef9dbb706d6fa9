"""Equalization: the float network stays what it is, and small channels lose less."""

import numpy as np
import pytest

from accelgen.golden.interpret import interpret
from accelgen.ir import ops
from accelgen.quant import quantize
from accelgen.quant.equalize import equalize
from accelgen.quant.loss import loss
from tests.quant.nets import RELU, Net

RELU6 = (0.0, 6.0)


def uneven(seed=0, clip=RELU):
    """Depthwise, residual and joined maps whose channels are up to a hundred times as large as
    others."""
    net = Net(8, 8, 3, seed)
    pads = {"pads": (1, 1, 1, 1)}

    def sized(c_out, *shape):
        sizes = 10 ** net.rng.uniform(-1.5, 0.5, (c_out, 1, 1, 1))
        return net.rng.normal(0, 0.3, (c_out, *shape)) * sizes

    x = net.act(net.conv("x", 16, (3, 3), weight=sized(16, 3, 3, 3), **pads), params=clip)
    weight = net.rng.normal(0, 0.3, (16, 3, 3, 1))
    x = net.act(net.conv(x, 16, (3, 3), groups=16, weight=weight, **pads), params=clip)
    x = net.conv(x, 16, weight=sized(16, 1, 1, 16))
    y = net.act(net.conv(x, 16), params=clip)
    y = net.add(x, net.conv(y, 16, weight=sized(16, 1, 1, 16)))
    y = net.concat(net.node(ops.MaxPool(kernel=(2, 2), stride=(2, 2)), y),
                   net.conv(y, 8, (2, 2), stride=(2, 2)))  # fmt: skip
    return net.graph(net.conv(net.node(ops.GlobalAvgPool(), y), 10))


def samples(count, seed=1):
    return np.random.default_rng(seed).normal(0, 1, (count, 8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_the_float_network_stays_the_same_to_the_bit(seed):
    graph = uneven(seed)
    made = equalize(graph, samples(16))
    assert any(not np.array_equal(made.constants[n], v) for n, v in graph.constants.items())
    x = samples(8, 2)
    before, after = interpret(graph, x), interpret(made, x)
    assert np.array_equal(before[graph.outputs[0]], after[graph.outputs[0]])


def test_factors_are_powers_of_two_from_1_up():
    graph = uneven()
    x = samples(8)
    before, after = interpret(graph, x), interpret(equalize(graph, x), x)
    for name, value in before.items():
        nonzero = value != 0
        ratio = np.unique(after[name][nonzero] / value[nonzero])
        assert (np.log2(ratio) % 1 == 0).all()
        assert ratio.min() >= 1


def test_a_clip_leaves_room_for_twice_of_what_was_seen():
    graph = uneven(clip=RELU6)
    x = samples(16)
    made = equalize(graph, x)
    before, after = interpret(graph, x), interpret(made, x)
    grown = 0
    for node in graph.nodes:
        if isinstance(node.op, ops.Activation):
            peak = before[node.output].max(axis=(0, 1, 2))
            new = after[node.output].max(axis=(0, 1, 2))
            assert (new[new > peak] <= 3).all()
            grown += (new > peak).sum()
    assert grown > 4


def test_uneven_channels_lose_less():
    graph, x = uneven(), samples(32)
    plain, made = quantize(graph, x), quantize(equalize(graph, x), x)
    aside = samples(64, 3)
    assert loss(graph, made, aside).sqnr_db > loss(graph, plain, aside).sqnr_db + 1


def test_what_is_no_multiple_stays_as_it_is():
    net = Net(6, 6, 8)
    weight = net.rng.normal(0, 1, (8, 1, 1, 8)) * np.geomspace(0.01, 1, 8)[:, None, None, None]
    x = net.act(net.conv("x", 8, weight=weight), "swish")
    graph = net.graph(net.conv(x, 4))
    made = equalize(graph, net.samples(4))
    for name, value in graph.constants.items():
        assert np.array_equal(made.constants[name], value)


def test_operations_do_not_change():
    graph, x = uneven(clip=RELU6), samples(16)
    plain, made = quantize(graph, x).graph, quantize(equalize(graph, x), x).graph
    assert [type(node.op) for node in plain.nodes] == [type(node.op) for node in made.nodes]
