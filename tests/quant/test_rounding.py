"""Weights rounded together: sums lose less, on other pictures too, and all limits hold."""

import numpy as np
import pytest

from accelgen.golden.interpret import interpret
from accelgen.ir import Quantization
from accelgen.ir.ops import QConv2d
from accelgen.quant import quantize, rounding
from accelgen.quant.layerwise import improve
from accelgen.quant.loss import loss
from accelgen.quant.rounding import round_together
from accelgen.quant.weights import quantize_weight
from tests.quant.nets import RELU, Net


def alike(count, channels, seed):
    """int8 maps whose channels are mixtures of a few, in blocks of 3 x 3: what one pixel or channel
    says the others nearly say."""
    rng = np.random.default_rng(seed)
    few = np.maximum(rng.normal(0, 1, (count, 2, 2, 4)), 0).repeat(3, axis=1).repeat(3, axis=2)
    mixed = few @ np.random.default_rng(7).uniform(0, 1, (4, channels))
    return (np.clip(np.rint(20 * mixed), 0, 255) - 128).astype(np.int8)


def sums(op, x, zero, weight):
    """Of products, in real numbers, around their mean."""
    rim = (op.pads[0], op.pads[0])
    flat = np.pad(x.astype(np.float64) - zero, ((0, 0), rim, rim, (0, 0)))
    n, h, w = x.shape[:3]
    rows = []
    per = weight.shape[3]
    for o in range(len(weight)):
        group = o // (len(weight) // op.groups)
        total = np.zeros((n, h, w))
        for ky in range(op.kernel[0]):
            for kx in range(op.kernel[1]):
                inside = flat[:, ky : ky + h, kx : kx + w, group * per : (group + 1) * per]
                total += inside @ weight[o, ky, kx].astype(np.float64)
        rows.append(total - total.mean())
    return np.stack(rows)


CASES = {
    "dense": ((1, 1), 1, (8, 1, 1, 16)),
    "depthwise": ((3, 3), 16, (16, 3, 3, 1)),
    "grouped": ((3, 3), 4, (8, 3, 3, 4)),
}


@pytest.mark.parametrize("case", CASES)
def test_sums_lose_less_on_other_pictures(case):
    kernel, groups, shape = CASES[case]
    pad = kernel[0] // 2
    op = QConv2d(kernel=kernel, pads=(pad,) * 4, groups=groups, input_zero=-128, output_zero=0)
    weight = np.random.default_rng(3).normal(0, 1, shape).astype(np.float32)
    steps = (np.abs(weight).reshape(len(weight), -1).max(axis=1) / 7).astype(np.float32)
    made = round_together(op, alike(24, 16, 1), Quantization(0.1, -128), weight, steps)
    nearest = np.rint(weight / steps[:, None, None, None])
    other = alike(24, 16, 2)
    scaled = steps[:, None, None, None]
    errors = [np.square(sums(op, other, -128, q * scaled - weight)).sum() for q in (made, nearest)]
    assert errors[0] < 0.7 * errors[1]


def test_an_offset_of_the_inputs_is_not_what_they_have_in_common():
    rng = np.random.default_rng(0)
    x = rng.integers(-28, 128, (64, 8, 8, 4)).astype(np.int8)
    op = QConv2d(kernel=(1, 1), input_zero=-128, output_zero=0)
    weight = rng.normal(0, 1, (32, 1, 1, 4)).astype(np.float32)
    steps = (np.abs(weight).max(axis=(1, 2, 3)) / 127).astype(np.float32)
    made = round_together(op, x, Quantization(0.1, -128), weight, steps)
    assert (made != quantize_weight(weight, steps)).mean() < 0.1


def test_an_input_that_never_changes_is_rounded_to_nearest():
    x = np.full((4, 4, 4, 8), 5, np.int8)
    op = QConv2d(kernel=(1, 1), input_zero=0, output_zero=0)
    weight = np.random.default_rng(0).normal(0, 1, (8, 1, 1, 8)).astype(np.float32)
    steps = (np.abs(weight).max(axis=(1, 2, 3)) / 127).astype(np.float32)
    made = round_together(op, x, Quantization(0.1, 0), weight, steps)
    assert np.array_equal(made, quantize_weight(weight, steps))


def convolutions(seed=0):
    net = Net(8, 8, 3, seed)
    pads = {"pads": (1, 1, 1, 1)}
    x = net.act(net.conv("x", 24, (3, 3), **pads), params=RELU)
    x = net.act(net.conv(x, 24, (3, 3), groups=24, **pads), params=RELU)
    return net.graph(net.conv(net.act(net.conv(x, 24), params=RELU), 10))


def samples(count, seed):
    smooth = np.random.default_rng(seed).normal(0, 1, (count, 2, 2, 3))
    return smooth.repeat(4, axis=1).repeat(4, axis=2).astype(np.float32)


def test_a_network_keeps_scales_and_fits_its_sums():
    plain = quantize(convolutions(), samples(16, 1), acc_bits=18)
    made = improve(plain, samples(16, 1), ("round",), acc_bits=18)
    assert made.graph.nodes == plain.graph.nodes
    changed = 0
    for node in made.graph.nodes:
        if node.name in made.integers:
            weight, bias = (made.graph.constants[name] for name in node.inputs[1:3])
            before = plain.graph.constants[node.inputs[1]]
            changed += (weight != before).sum()
            assert np.abs(weight.astype(int)).max() <= 127
            most = 128 * np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(axis=1)
            assert (most + np.abs(bias) < 1 << 17).all()
    assert changed


def test_what_is_written_is_what_was_run():
    made = quantize(convolutions(), samples(16, 1), technique="bias,round")
    x = samples(2, 2)
    found = interpret(made.graph, x)
    for node in made.graph.nodes:
        if node.name in made.integers:
            given = made.integers[node.name]
            assert np.array_equal(given.weight, made.graph.constants[node.inputs[1]])
            zero = made.graph.tensors[node.inputs[0]].quantization.zero_point
            flat = given.weight.astype(np.int64).reshape(len(given.weight), -1)
            folded = given.bias - zero * flat.sum(axis=1)
            assert np.array_equal(folded, made.graph.constants[node.inputs[2]])
    assert found[made.graph.outputs[0]].dtype == np.int8


def test_too_many_inputs_stay_rounded_to_nearest(monkeypatch):
    plain = quantize(convolutions(), samples(8, 1))
    monkeypatch.setattr("accelgen.quant.layerwise.MOST_INPUTS", 8)
    made = improve(plain, samples(8, 1), ("round",))
    for name, given in made.integers.items():
        assert np.array_equal(given.weight, plain.integers[name].weight) == (
            given.weight[0].size > 8
        )


def test_the_whole_network_gains_on_other_pictures(monkeypatch):
    graph = convolutions()
    monkeypatch.setattr(rounding, "_PIXELS", 512)
    plain = quantize(graph, samples(32, 1), technique="bias")
    made = quantize(graph, samples(32, 1), technique="bias,round")
    aside = samples(64, 3)
    assert loss(graph, made, aside).sqnr_db > loss(graph, plain, aside).sqnr_db
