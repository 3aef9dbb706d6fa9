"""Sums that leave the PL byte by byte: exact, in every form, and only where there is room."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.errors import ScheduleError
from accelgen.golden.interpret import interpret
from accelgen.golden.ps_ops import join_bytes
from accelgen.ir.ops import QConcat, QConv2d, QSumBytes
from accelgen.ir.ps_ops import QJoinBytes
from accelgen.ir.wide import wide_nodes
from accelgen.lowering.leave_sums import largest_accumulator, leave_sums, leaves_sums
from accelgen.schedule import schedule
from tests.helpers.arches import LARGE, PAIRS, SMALL
from tests.helpers.int8_nets import Int8Net, unrounded
from tests.helpers.programs import assert_matches_golden

ARCHES = {"small": SMALL, "large": LARGE, "pairs": PAIRS}


def averaged(seed, *, softmax=False, size=(5, 6)):
    """As SqueezeNet ends: a convolution, and its average."""
    net = Int8Net((*size, 6), seed=seed)
    y = net.gap(net.conv(net.x, 21))
    return net, unrounded(net, y, softmax=softmax)


def connected(seed, *, softmax=False):
    """A fully connected layer over a map."""
    net = Int8Net((4, 5, 6), seed=seed)
    y = net.fc(net.conv(net.x, 9), 11)
    return net, unrounded(net, y, softmax=softmax)


def beside(seed):
    """An average of what is read otherwise too, of a concat, and of the input."""
    net = Int8Net((6, 6, 5), seed=seed)
    a, b = net.conv(net.x, 12), net.conv(net.x, 7)
    joined = net.concat(a, b)
    one, two, three = net.gap(joined), net.gap(a), net.gap(net.x)
    return net, unrounded(net, one, two, three, also=(net.max_pool(b),))


NETS = {
    "average": averaged,
    "average, softmax": lambda seed: averaged(seed, softmax=True),
    "a pixel": lambda seed: averaged(seed, size=(1, 1)),
    "connected": connected,
    "connected, softmax": lambda seed: connected(seed, softmax=True),
    "beside others": beside,
}


@pytest.mark.parametrize("arch", ARCHES.values(), ids=ARCHES)
@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_the_pl_leaves_what_the_golden_model_says(make, arch):
    for seed in range(3):
        net, graph = make(seed)
        assert all(leaves_sums(graph, node, arch) for node in wide_nodes(graph))
        x = net.input()
        want = interpret(graph, x[None])

        program = schedule(graph, arch)

        assert not wide_nodes(program.graph)
        assert_matches_golden(program, x, shuffles=(None, seed))
        got = interpret(program.graph, x[None])
        for output in graph.outputs:
            np.testing.assert_array_equal(got[output], want[output])


@pytest.mark.parametrize("value", [-128, 127])
def test_extremes(value):
    """All pixels and weights at their ends, and biases that nearly fill the accumulator."""
    _, graph = connected(1)
    (node,) = wide_nodes(graph)
    weight, bias = node.inputs[1:3]
    arrays = dict(graph.constants)
    arrays[weight] = np.full_like(arrays[weight], 127)
    arrays[weight][::2] *= -1
    arrays[bias] = np.resize([(1 << 24) - 1, -(1 << 24), 0, -1, 1], arrays[bias].shape).astype("i4")
    graph = replace(graph, constants=arrays)
    x = {node.inputs[0]: np.full(graph.tensors[node.inputs[0]].shape, value, np.int8)}
    alone = replace(graph, nodes=graph.nodes[1:], input=node.inputs[0])

    want = interpret(alone, x[node.inputs[0]])[node.output]
    got = interpret(leave_sums(alone, SMALL, ()), x[node.inputs[0]])[node.output]

    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, want)


def test_what_the_ps_computes_stays():
    _, graph = connected(0)
    (node,) = wide_nodes(graph)

    assert leave_sums(graph, SMALL, {node.name}) is graph
    lowered = leave_sums(graph, SMALL, ())
    assert [type(n.op) for n in lowered.nodes[-2:]] == [QConv2d, QJoinBytes]
    assert lowered.tensors[lowered.nodes[-2].output].shape == (1, 1, 1, 44)


def test_a_concat_is_summed_member_by_member():
    """Nothing is copied for the average of joined maps."""
    _, graph = beside(0)

    program = schedule(graph, LARGE)

    sums = [n for n in program.graph.nodes if isinstance(n.op, QSumBytes)]
    assert len(sums) == 4
    joined = [n for n in program.graph.nodes if isinstance(n.op, QConcat)]
    assert [program.graph.tensors[n.output].shape for n in joined] == [(1, 1, 4, 19)]


def test_no_room_no_sums():
    _, average = averaged(0)
    net = Int8Net((20, 20, 10), seed=0)
    layer = unrounded(net, net.fc(net.x, 3))
    (node,) = wide_nodes(layer)
    layer.constants[node.inputs[1]][:] = 127
    few, short = replace(SMALL, lanes=8, pixels=2), replace(SMALL, acc_bits=27)

    assert not leaves_sums(average, wide_nodes(average)[0], few)
    assert leaves_sums(average, wide_nodes(average)[0], short)
    # 127 * 128 * 4,000 is below 2**26, and with 2**23 to round by it is not.
    assert largest_accumulator(layer, node) < 1 << 26
    assert not leaves_sums(layer, node, short)
    assert leaves_sums(layer, node, SMALL)
    for graph, arch in ((average, few), (layer, short)):
        with pytest.raises(ScheduleError, match="for which this configuration has no room on"):
            schedule(graph, arch)


def test_bytes_are_joined_modulo_two_to_the_32():
    values = np.array([0, 1, -1, 2**31 - 1, -(2**31), 123456789], np.int32)
    planes = values.view(np.int8).reshape(-1, 4).T.reshape(1, 1, 4, -1)

    for offset in (0, 5, -(2**31)):
        joined = join_bytes(QJoinBytes(offset=offset), planes)
        want = (values.astype(np.int64) + offset).astype(np.uint32).view(np.int32)
        np.testing.assert_array_equal(joined.reshape(-1), want)
