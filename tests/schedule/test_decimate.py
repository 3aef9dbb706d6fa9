"""Pixels that a strided pointwise convolution skips are dropped before it, where phases cannot."""

import numpy as np
import pytest

from accelgen.golden import interpret
from accelgen.schedule import schedule
from accelgen.schedule.decimate import decimate
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import LARGE, SMALL, assert_matches_golden


def shortcut(stride=(2, 2), beside_stride=(1, 1), kernel=(1, 1), groups=1):
    """A map that a strided convolution reads, and another convolution beside it."""
    net = Int8Net((9, 12, 5))
    x = net.conv(net.x, 16)
    beside = net.conv(x, 8, stride=beside_stride)
    return net, net.conv(x, 16, kernel=kernel, stride=stride, groups=groups), beside


@pytest.mark.parametrize("arch", [SMALL, LARGE])
@pytest.mark.parametrize("stride", [(2, 2), (1, 3), (3, 2)])
def test_computes_the_same(arch, stride):
    net, y, beside = shortcut(stride)
    graph = net.graph(y, beside)
    x = net.input()

    changed = decimate(graph)

    assert len(changed.nodes) == len(graph.nodes) + 1
    want, got = interpret(graph, x[None]), interpret(changed, x[None])
    np.testing.assert_array_equal(got[y], want[y])
    assert_matches_golden(schedule(graph, arch, keep_all=True), x)


@pytest.mark.parametrize(
    "case",
    [
        {"stride": (2, 1)}, {"beside_stride": (2, 2)}, {"kernel": (2, 2)}, {"groups": 4},
        {"groups": 16},
    ],
    ids=str,
)  # fmt: skip
def test_leaves_others_alone(case):
    net, y, beside = shortcut(**case)
    graph = net.graph(y, beside)

    assert decimate(graph).nodes == graph.nodes
