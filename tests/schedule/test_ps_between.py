"""What only the PS computes, in the middle of a network and at its end."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.arch import PRESETS
from accelgen.golden.interpret import interpret
from accelgen.ir.offload import only_on_ps
from accelgen.schedule import schedule_parts
from tests.helpers.int8_nets import Int8Net
from tests.schedule.test_parts import run_parts

SMALL = PRESETS["small"]


def resized_in_the_middle():
    net = Int8Net((6, 5, 8), seed=1)
    y = net.table(net.bilinear(net.conv(net.x, 12), 9, 11))
    return net, net.graph(net.conv(y, 20)), 2


def resized_at_the_end():
    net = Int8Net((6, 5, 8), seed=2)
    return net, net.graph(net.bilinear(net.conv(net.x, 12), 9, 11)), 1


def a_pyramid():
    """Joined with what an earlier program left; what two programs later still read."""
    net = Int8Net((8, 8, 8), seed=3)
    a = net.conv(net.x, 16)
    b = net.max_pool(a)
    up = net.bilinear(b, 8, 8)
    joined = net.conv(net.concat(up, a), 12)
    again = net.bilinear(joined, 16, 16)
    return net, net.graph(net.add(net.conv(again, 8), net.conv(net.bilinear(up, 16, 16), 8))), 3


def normalized():
    net = Int8Net((6, 5, 8), seed=6)
    a = net.conv(net.normalize(net.conv(net.x, 20)), 12)
    return net, net.graph(net.normalize(net.conv(net.normalize(a, "pixels"), 9), "map")), 3


def a_gate():
    """A gate on what an earlier program left; the product is read on both sides."""
    net = Int8Net((7, 6, 8), seed=4)
    a = net.conv(net.x, 12)
    gated = net.table(net.multiply(net.table(net.conv(a, 12)), a))
    b = net.add(net.conv(gated, 12), a)
    return net, net.graph(net.conv(net.multiply(b, a), 9)), 3


def test_a_network_that_begins_there_reads_a_copy():
    net = Int8Net((6, 5, 8), seed=5)
    graph = net.graph(net.conv(net.bilinear(net.x, 9, 11), 20))
    x = net.input()

    parts = schedule_parts(graph, SMALL)
    got, want = run_parts(parts, x), interpret(graph, x[None])

    assert [[n.op.__class__.__name__ for n in p.graph.nodes] for p in parts] == [
        ["QTable", "QBilinear"], ["QConv2d"]
    ]  # fmt: skip
    assert np.array_equal(want[graph.outputs[0]][0], got[graph.outputs[0]])


def unpooled():
    net = Int8Net((6, 8, 8), seed=8)
    a = net.conv(net.x, 12)
    inner = net.conv(net.max_pool(a, (2, 2), (2, 2)), 12)
    return net, net.graph(net.conv(net.unpool(inner, a), 9)), 2


def deformed():
    """Taps of a map where two others say: all three of one program."""
    net = Int8Net((6, 5, 8), seed=9)
    a = net.conv(net.x, 12)
    at, mask = net.conv(a, 36, (3, 3), pads=(1,) * 4), net.conv(a, 18, (3, 3), pads=(1,) * 4)
    return net, net.graph(net.conv(net.deform(a, at, mask, groups=2), 9)), 2


def weighed():
    """A softmax, what is largest of each pixel, and what the sizes of channels say."""
    net = Int8Net((6, 5, 8), seed=7)
    a = net.conv(net.x, 20)
    joined = net.concat(net.soften(net.conv(a, 8)), net.channel_max(a))
    b = net.conv(joined, 12)
    return net, net.graph(net.scale(net.local_norm(b), net.response(b))), 3


@pytest.mark.parametrize(
    "make",
    [
        resized_in_the_middle, resized_at_the_end, a_pyramid, a_gate, normalized, weighed, unpooled,
        deformed,
    ],
)  # fmt: skip
def test_parts_make_what_the_golden_model_makes(make):
    net, graph, count = make()
    x = net.input()

    parts = schedule_parts(graph, SMALL)
    got, want = run_parts(parts, x), interpret(graph, x[None])

    assert len(parts) == count
    assert {s.node for p in parts for s in p.ps_steps} == only_on_ps(graph)
    for name, value in got.items():
        assert np.array_equal(want[name].reshape(-1), value.reshape(-1)), name


def copies_in_the_first_part():
    """Channels that the first part copies, since they are wanted in an order of their own."""
    net = Int8Net((6, 5, 8), seed=9)
    first = net.conv(net.x, 20)
    odd = net.table(net.select(first, list(range(1, 20, 2))))
    down = net.conv(first, 8)
    up = net.bilinear(net.conv(first, 12), 6, 5)
    return net, net.graph(odd, down, net.conv(up, 12))


def made_by(parts):
    """Names of tensors and nodes that each part makes, those of the PS too."""
    return [
        {p.tensor for p in (*part.outputs, *part.kept.values())}
        | {n for step in part.steps for n in step.nodes}
        | {s.output for s in part.ps_steps}
        for part in parts
    ]


def assert_apart(net, graph):
    parts = schedule_parts(graph, SMALL, keep_all=True)
    x = net.input()
    assert len(parts) == 2

    one, other = made_by(parts)
    assert not one & other
    got, want = run_parts(parts, x), interpret(graph, x[None])
    for name in want.keys() & got.keys():
        assert got[name].tobytes() == want[name][0].tobytes(), name
    assert {*graph.outputs} <= got.keys()
    return parts


def test_a_part_takes_no_name_that_the_model_has_in_a_later_one():
    net, graph = copies_in_the_first_part()
    parts = assert_apart(net, graph)
    known = {*graph.tensors, *(n.name for n in graph.nodes)}
    added = sorted(name for name in made_by(parts)[0] if name not in known)
    late = graph.nodes[-1].output
    assert late in parts[1].kept
    assert added

    for name in added:
        tensors = {name if t == late else t: kind for t, kind in graph.tensors.items()}
        nodes = (*graph.nodes[:-1], replace(graph.nodes[-1], output=name))
        outputs = tuple(name if t == late else t for t in graph.outputs)
        assert_apart(net, replace(graph, tensors=tensors, nodes=nodes, outputs=outputs))
