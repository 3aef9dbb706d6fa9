"""Borders are windows of few pixels, laid into each other: equal to the golden model's."""

import numpy as np
import pytest

from accelgen.golden import interpret
from accelgen.ir.ops import QAdd, QMaxPool
from accelgen.lowering.border import lower_borders
from accelgen.schedule import schedule
from tests.helpers.arches import LARGE, SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden

PADS = [(1, 1, 1, 1), (3, 0, 2, 3), (0, 2, 0, 0), (0, 0, 0, 0)]


@pytest.mark.parametrize("mode", ["edge", "reflect", "wrap"])
@pytest.mark.parametrize("pads", PADS)
def test_lowered_graph_computes_the_same(mode, pads):
    net = Int8Net((4, 5, 3))
    y = net.border(net.x, pads, mode)
    x = net.input()[None]
    wanted = np.pad(x, ((0, 0), pads[::2], pads[1::2], (0, 0)), mode=mode)

    lowered = lower_borders(net.graph())

    assert {type(n.op) for n in lowered.nodes} <= {QMaxPool, QAdd}
    np.testing.assert_array_equal(interpret(net.graph(), x)[y], wanted)
    np.testing.assert_array_equal(interpret(lowered, x)[y], wanted)


@pytest.mark.parametrize("mode", ["edge", "reflect"])
def test_wide_maps_are_padded_in_several_windows(mode):
    net = Int8Net((2, 600, 2))
    y = net.border(net.x, (0, 2, 1, 2), mode)
    x = net.input()[None]

    lowered = lower_borders(net.graph())

    pools = [n.op for n in lowered.nodes if isinstance(n.op, QMaxPool)]
    assert all(-256 <= pad <= 255 for op in pools for pad in op.pads[:2])
    np.testing.assert_array_equal(interpret(lowered, x)[y], interpret(net.graph(), x)[y])
    assert_matches_golden(schedule(net.graph(), SMALL), net.input())


@pytest.mark.parametrize("arch", [SMALL, LARGE])
@pytest.mark.parametrize("mode", ["edge", "reflect", "wrap"])
def test_programs_match_golden(arch, mode):
    net = Int8Net((9, 13, 3))
    bordered = net.border(net.conv(net.x, 20), (2, 1, 1, 3), mode)
    y = net.conv(bordered, 6, kernel=(3, 3))
    program = schedule(net.graph(y, bordered), arch, keep_all=True)

    assert_matches_golden(program, net.input(), shuffles=(None, 1))
