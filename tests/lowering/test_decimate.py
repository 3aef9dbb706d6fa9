"""Pixels that a strided pointwise convolution skips are dropped before it, where phases cannot."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.arch.isa import Opcode
from accelgen.cost import Memory
from accelgen.golden import interpret
from accelgen.lowering.decimate import decimate
from accelgen.schedule import schedule
from tests.helpers.arches import LARGE
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden


def shortcut(size=(10, 6), stride=(2, 2), kernel=(1, 1), groups=1):
    """A map that a strided convolution reads, and another convolution beside it."""
    net = Int8Net((*size, 5))
    x = net.conv(net.x, 48)
    beside = net.conv(x, 8)
    return net, net.conv(x, 64, kernel=kernel, stride=stride, groups=groups), beside


@pytest.mark.parametrize("stride", [(2, 2), (1, 3), (3, 2)])
def test_computes_the_same(stride):
    net, y, beside = shortcut(stride=stride)
    graph = net.graph(y, beside)
    x = net.input()

    changed = decimate(graph, LARGE, Memory())

    assert len(changed.nodes) == len(graph.nodes) + 1
    want, got = interpret(graph, x[None]), interpret(changed, x[None])
    np.testing.assert_array_equal(got[y], want[y])
    assert_matches_golden(schedule(graph, LARGE, keep_all=True), x)


@pytest.mark.parametrize(
    "case",
    [{"stride": (2, 1)}, {"kernel": (2, 2)}, {"groups": 4}],
    ids=str,
)
def test_leaves_others_alone(case):
    net, y, beside = shortcut(**case)
    graph = net.graph(y, beside)

    assert decimate(graph, LARGE, Memory()).nodes == graph.nodes


def test_a_map_in_phases_is_left_alone_where_they_fill_the_lanes():
    net, y, beside = shortcut(size=(14, 32))
    graph = net.graph(y, beside)
    source = graph.nodes[-1].inputs[0]

    assert decimate(graph, LARGE, Memory(), frozenset({source})).nodes == graph.nodes
    assert decimate(graph, LARGE, Memory()).nodes != graph.nodes


def test_a_map_that_may_not_stay_is_left_alone():
    net, y, beside = shortcut()
    graph = net.graph(y, beside)

    assert decimate(graph, replace(LARGE, feature_rows=90), Memory()).nodes == graph.nodes


@pytest.mark.parametrize(("outputs", "dropped"), [(64, False), (256, True)])
def test_phases_that_the_convolution_beside_it_loses_are_weighed(outputs, dropped):
    """A block of a ResNet: 7 of 20 vectors saved in the shortcut, 10 of 30 lost in each tap."""
    net = Int8Net((20, 20, 5))
    x = net.conv(net.x, 48)
    beside = net.conv(x, 8, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1))
    graph = net.graph(beside, net.conv(x, outputs, stride=(2, 2)))

    program = schedule(graph, LARGE)

    assert any("decimated" in n for s in program.steps for n in s.nodes) == dropped
    phases = [c.out_phases for c in program.commands if c.opcode is Opcode.EXEC]
    assert any(phases) != dropped
    assert_matches_golden(schedule(graph, LARGE, keep_all=True), net.input())
