"""Simulated hardware with the PS between its programs equals the golden model, bit for bit."""

import numpy as np
import pytest

from accelgen import zoo
from accelgen.arch import PRESETS
from accelgen.flow.network import read_network
from accelgen.golden.arith import quantize_array
from accelgen.golden.interpret import interpret
from accelgen.inputs.samples import random_samples
from accelgen.quant import quantize
from accelgen.schedule import schedule_parts
from accelgen.simulation.check import simulate_frame
from accelgen.simulation.processor import processor
from accelgen.simulation.verilated import VerilatedSimulator
from tests.helpers.int8_nets import Int8Net

SMALL = PRESETS["small"]


def resized():
    net = Int8Net((5, 6, 8), seed=1)
    return net, net.graph(net.conv(net.bilinear(net.conv(net.x, 12), 9, 7), 10))


def gated():
    net = Int8Net((5, 6, 8), seed=2)
    a = net.conv(net.x, 12)
    return net, net.graph(net.conv(net.multiply(a, net.table(net.conv(a, 12))), 10))


def normalized():
    net = Int8Net((5, 6, 8), seed=3)
    y = net.soften(net.normalize(net.conv(net.x, 12)))
    return net, net.graph(net.conv(y, 10))


def deformed():
    net = Int8Net((5, 6, 8), seed=4)
    a = net.conv(net.x, 12)
    at, mask = net.conv(a, 18, (3, 3), pads=(1,) * 4), net.conv(a, 9, (3, 3), pads=(1,) * 4)
    return net, net.graph(net.conv(net.deform(a, at, mask), 10))


@pytest.mark.slow
@pytest.mark.parametrize("make", [resized, gated, normalized, deformed])
def test_a_frame_goes_through_the_ps_and_on(make):
    net, graph = make()
    assert through(graph, net.input()) == 2


@pytest.mark.slow
def test_a_frame_of_a_deformable_classifier():
    """Of the zoo, at little width: the processor gathers before each of its last four products."""
    imported = read_network(zoo.build("deformable", 32, width=0.125, classes=8))
    samples = random_samples(imported.graph.tensors[imported.graph.input].shape, 0)[:1]
    graph = quantize(imported.graph, samples).graph
    x = quantize_array(samples[0], graph.tensors[graph.input].quantization)

    assert through(graph, x) == 5


def through(graph, x):
    """Compare a frame, part by part and at the end; the number of parts."""
    golden = interpret(graph, x[None])
    simulator, on_ps = VerilatedSimulator(SMALL), processor("twin")

    values = {graph.input: x[None]}
    parts = schedule_parts(graph, SMALL)
    for part in parts:
        report = simulate_frame(part, values, simulator, processor=on_ps)
        assert report.match, str(report)
        values |= report.outputs

    assert len(np.unique(golden[graph.outputs[0]])) > 2
    assert np.asarray(values[graph.outputs[0]]).tobytes() == golden[graph.outputs[0]].tobytes()
    return len(parts)
