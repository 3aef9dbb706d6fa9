"""Concats are addresses; lanes agree where nodes work lane by lane."""

import numpy as np
import pytest

from accelgen.errors import ScheduleError
from accelgen.golden import interpret
from accelgen.ir.ops import QConv2d, QTable
from accelgen.lowering.storage import Place, lay_out
from tests.helpers.arches import SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import prepared_for


def laid_out(net, *outputs):
    return lay_out(prepared_for(net.graph(*outputs)), SMALL)


def test_members_live_inside_their_concat():
    net = Int8Net((5, 5, 3))
    a, b = net.conv(net.x, 6), net.conv(net.x, 3)
    c = net.concat(a, b)

    _, storages = laid_out(net)

    assert storages.places[a] == Place(c, 0, 2)
    assert storages.places[b] == Place(c, 2, 1)
    assert storages.slots[c] == (0, 1, 2, 3, 4, 5, -1, -1, 6, 7, 8, -1)
    assert storages.sizes == {net.x: (1, 7), c: (3, 7)}


def test_concats_nest():
    net = Int8Net((5, 5, 3))
    a, b, d = (net.conv(net.x, 4) for _ in range(3))
    inner = net.concat(a, b)
    outer = net.concat(d, inner)

    _, storages = laid_out(net)

    assert [storages.places[t] for t in (d, inner, b)] == [
        Place(outer, 0, 1), Place(outer, 1, 2), Place(outer, 2, 1),
    ]  # fmt: skip


def test_growing_concats_share_their_storage():
    net = Int8Net((5, 5, 3))
    a, b = net.conv(net.x, 4), net.conv(net.x, 4)
    first = net.concat(a, b)
    c = net.conv(first, 4)
    second = net.concat(a, b, c)

    prepared, storages = laid_out(net)

    assert len(prepared.nodes) == len(net.nodes)
    assert {storages.places[t].storage for t in (a, b, first, c, second)} == {second}


@pytest.mark.parametrize("members", ["xa", "aa"])
def test_inputs_and_repeated_members_are_copied(members):
    net = Int8Net((5, 5, 3))
    a = net.conv(net.x, 4)
    net.concat(*({"x": net.x, "a": a}[m] for m in members))
    x = net.input()

    prepared, _ = laid_out(net)

    copies = [n for n in prepared.nodes if isinstance(n.op, QTable)]
    assert len(copies) == 1
    want = interpret(net.graph(), x[None])[net.nodes[-1].output]
    np.testing.assert_array_equal(interpret(prepared.graph, x[None])[net.nodes[-1].output], want)


def test_convolution_takes_the_lanes_its_sum_needs():
    net = Int8Net((5, 5, 3))
    gapped = net.concat(net.conv(net.x, 3), net.conv(net.x, 3))
    plain = net.conv(gapped, 6)
    net.add(gapped, plain)

    prepared, storages = laid_out(net)

    assert len(prepared.nodes) == len(net.nodes)
    assert storages.slots[plain] == storages.slots[gapped] == (0, 1, 2, -1, 3, 4, 5, -1)


def test_lanes_that_cannot_agree_are_repacked():
    net = Int8Net((5, 5, 6))
    gapped = net.concat(net.conv(net.x, 3), net.conv(net.x, 3))
    summed = net.add(gapped, net.x)
    x = net.input()

    prepared, storages = laid_out(net)

    added = [n for n in prepared.nodes if n.name not in {m.name for m in net.nodes}]
    assert [type(n.op) for n in added] == [QConv2d]
    assert len({storages.slots[i] for i in prepared.nodes[-1].inputs}) == 1
    want = interpret(net.graph(), x[None])[summed]
    np.testing.assert_array_equal(interpret(prepared.graph, x[None])[summed], want)


def test_softmax_in_the_middle_is_refused():
    net = Int8Net((1, 1, 4))
    net.conv(net.softmax(net.x), 4)

    with pytest.raises(ScheduleError, match=r"node 'conv2d1' .* follows a softmax"):
        prepared_for(net.graph())


def test_fc_on_ps_leaves_its_input():
    net = Int8Net((4, 4, 4))
    pooled = net.gap(net.conv(net.x, 8))
    net.softmax(net.fc(pooled, 5))

    with_fc = prepared_for(net.graph())
    without = prepared_for(net.graph(), fc_on_ps=True)

    assert with_fc.outputs == (net.nodes[-2].output,)
    assert without.outputs == (pooled,)
    assert [n.name for n in without.ps_nodes] == ["conv2d2", "softmax3"]
