"""Tables, pools and depthwise convolutions in front of concats: the same values, in fewer steps."""

import numpy as np
import pytest

from accelgen.golden import interpret
from accelgen.ir.ops import QGlobalAvgPool
from accelgen.lowering.through_concats import through_concats
from accelgen.schedule import schedule
from tests.helpers.arches import SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden

BEHIND = {
    "table": lambda net, x: net.table(x),
    "max pool": lambda net, x: net.max_pool(x, (3, 3), (2, 2), (1, 1, 1, 1)),
    "average pool": lambda net, x: net.avg_pool(x),
    "depthwise": lambda net, x: net.depthwise(x, stride=(2, 2)),
    "table, depthwise": lambda net, x: net.depthwise(net.table(x)),
    "global average": lambda net, x: net.gap(x),
}


def members(net, kind):
    """Two maps, of 5 and 11 channels."""
    makers = {
        "convolutions": lambda c: net.conv(net.x, c),
        "tables": lambda c: net.table(net.conv(net.x, c)),
        "depthwise": lambda c: net.depthwise(net.conv(net.x, c)),
    }
    return makers[kind](5), makers[kind](11)


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("made_by", ["convolutions", "tables", "depthwise"])
def test_same_values(behind, made_by):
    net = Int8Net((9, 8, 3))
    y = net.conv(BEHIND[behind](net, net.concat(*members(net, made_by))), 6)
    graph, x = net.graph(y), net.input()

    changed = through_concats(graph)

    want, got = interpret(graph, x[None]), interpret(changed, x[None])
    assert y in want.keys() & got.keys()
    for name in want.keys() & got.keys():
        np.testing.assert_array_equal(got[name], want[name], name)
    assert through_concats(changed).nodes == changed.nodes
    assert_matches_golden(schedule(graph, SMALL), x)


@pytest.mark.parametrize("behind", BEHIND)
def test_joins_the_steps_of_convolutions(behind):
    net = Int8Net((9, 8, 3))
    y = net.conv(BEHIND[behind](net, net.concat(*members(net, "convolutions"))), 6)

    # One for each member, and the convolution that reads them joined.
    assert len(schedule(net.graph(y), SMALL).steps) == 3


def test_an_average_leaves_the_joined_map_to_others():
    net = Int8Net((9, 8, 3))
    joined = net.concat(*members(net, "depthwise"))
    y = net.scale(joined, net.conv(net.gap(joined), 16))
    graph, x = net.graph(net.conv(y, 6)), net.input()

    changed = through_concats(graph)

    assert joined in changed.tensors
    assert sum(isinstance(n.op, QGlobalAvgPool) for n in changed.nodes) == 2
    assert_matches_golden(schedule(graph, SMALL), x)


def stays(net):
    """Graphs that must stay as they are."""
    a, b = members(net, "convolutions")
    joined = net.concat(a, b)
    table = net.table(joined)
    yield "somebody else reads the joined map", net.graph(table, net.conv(joined, 4))
    yield "the host reads the joined map", net.graph(table, joined)
    yield "somebody else reads a member", net.graph(table, net.conv(a, 4))
    twice = net.concat(a, a)
    yield "a member is there twice", net.graph(net.table(twice))
    with_input = net.concat(net.x, a)
    yield "a member is the input", net.graph(net.table(with_input))


def test_stays():
    seen = []
    for why, graph in stays(Int8Net((6, 5, 3))):
        seen.append(why)
        assert through_concats(graph).nodes == graph.nodes, why
    assert len(seen) == 5
