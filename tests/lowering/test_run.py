"""The list of passes: each is legal, changes no value, and does nothing when run again."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.errors import ModelError
from accelgen.golden import interpret
from accelgen.ir.ops import QConcat, QSelect, QUpsample
from accelgen.ir.spec import check_quantized
from accelgen.lowering.run import PASSES, Given, Pass, lower
from tests.helpers.arches import LARGE
from tests.helpers.int8_nets import Int8Net, random_net, unrounded


def everything():
    """A net with work for every pass, and the map that is then stored in phases."""
    net = Int8Net((14, 14, 16))
    x = net.conv(net.x, 32)
    strided = net.conv(x, 32, (1, 1), (2, 2))
    up = net.upsample(strided)
    joined = net.concat(up, x)
    net.conv(net.concat(up, x, net.x), 6)
    net.conv(joined, 4)
    net.max_pool(x, (13, 13), (1, 1), (6, 6, 6, 6))
    net.conv(net.select(x, range(0, 32, 2)), 5)
    net.max_pool(net.concat(net.conv(x, 8), net.conv(x, 9)))
    net.conv(net.conv(strided, 41), 3, (15, 15), pads=(7, 7, 7, 7))  # more words than the ring
    net.conv(net.insert(net.conv(x, 4), (2, 2)), 3)
    zeros = net.insert(net.conv(x, 4), (2, 2))
    net.tensors[zeros] = replace(
        net.tensors[zeros], quantization=net.tensors[net.nodes[-2].output].quantization
    )
    net.conv(zeros, 3, (2, 2))
    net.conv(net.border(net.conv(x, 4), (1, 1, 1, 1), "reflect"), 3, (3, 3))
    net.conv(net.upsample(net.conv(strided, 4), (3, 3)), 3)
    net.conv(net.max_pool(x, (1, 1), (1, 1), (-1, 0, 0, -2)), 3)
    moved = net.depthwise(net.conv(x, 16), (3, 3))
    net.constants[net.nodes[-1].inputs[1]][:, 1:] = 0
    net.conv(moved, 3)
    last = net.gap(joined)
    outputs = [n.output for n in net.nodes if not any(n.output in m.inputs for m in net.nodes)]
    return net, unrounded(net, last, also=[y for y in outputs if y != last])


def after_each(graph, given):
    """The graph after each pass, and the pass."""
    for one in PASSES:
        graph = one.run(graph, given)
        yield one, graph


@pytest.mark.parametrize("in_phases", [None, frozenset()])
@pytest.mark.parametrize("seed", [None, *range(6)])
def test_passes_keep_values_and_are_idempotent(seed, in_phases):
    net, graph = everything() if seed is None else random_net(seed)
    given = Given(arch=LARGE, in_phases=in_phases)
    x = net.input()[None]
    want = interpret(graph, x)

    for one, changed in after_each(graph, given):
        check_quantized(changed)
        assert one.run(changed, given).nodes == changed.nodes, one.name
        got = interpret(changed, x)
        for name in graph.outputs:
            np.testing.assert_array_equal(got[name], want[name], f"{one.name}: {name}")


def test_every_pass_has_work_somewhere():
    _, graph = everything()
    before, idle = graph, []

    for one, changed in after_each(graph, Given(arch=LARGE, in_phases=frozenset())):
        idle += [one.name] if changed.nodes == before.nodes else []
        before = changed

    assert idle == []
    assert not any(isinstance(n.op, QSelect | QUpsample) for n in changed.nodes)


def forget_a_type(graph):
    made = graph.nodes[0].output
    return replace(graph, tensors={k: t for k, t in graph.tensors.items() if k != made})


def wrong_shape(graph):
    made = graph.nodes[0].output
    other = replace(graph.tensors[made], shape=(1, 9, 9, 9))
    return replace(graph, tensors={**graph.tensors, made: other})


def swap_nodes(graph):
    return replace(graph, nodes=(graph.nodes[1], graph.nodes[0], *graph.nodes[2:]))


def double_name(graph):
    return replace(graph, nodes=(*graph.nodes[:-1], replace(graph.nodes[-1], name="conv2d0")))


def filled(graph, name, value):
    array = np.full_like(graph.constants[name], value)
    return replace(graph, constants={**graph.constants, name: array})


def heavy_weight(graph):
    name = graph.nodes[0].inputs[1]
    return replace(
        graph, constants={**graph.constants, name: np.full_like(graph.constants[name], -128)}
    )


def large_shift(graph):
    name = graph.nodes[0].inputs[4]
    return replace(
        graph, constants={**graph.constants, name: np.full_like(graph.constants[name], 48)}
    )


def lose_an_input(graph):
    first = replace(graph.nodes[0], inputs=graph.nodes[0].inputs[:4])
    return replace(graph, nodes=(first, *graph.nodes[1:]))


def no_output(graph):
    return replace(graph, outputs=("nowhere",))


@pytest.mark.parametrize(("break_it", "says"), [
    (forget_a_type, "makes int8"), (wrong_shape, "is typed as"), (swap_nodes, "nothing before it"),
    (double_name, "two nodes are called 'conv2d0'"), (heavy_weight, "holds -128 to -128"),
    (large_shift, "its shift .* holds 48"), (lose_an_input, "has 4 inputs, not 5"),
    (no_output, "no node makes output 'nowhere'"),
])  # fmt: skip
def test_a_pass_that_breaks_the_graph_is_named(break_it, says):
    net = Int8Net((5, 5, 3))
    net.conv(net.conv(net.x, 4), 5)

    def broken(graph, _):
        changed = break_it(graph)
        return replace(changed, nodes=tuple(replace(n, sources=("new",)) for n in changed.nodes))

    passes = (*PASSES[:1], Pass("clumsy", broken), *PASSES[1:])

    with pytest.raises(ModelError, match=f"after pass 'clumsy': .*{says}"):
        lower(net.graph(), Given(arch=LARGE), passes)


def test_concats_share_what_they_have_in_common():
    _, graph = everything()

    lowered = lower(graph, Given(arch=LARGE))

    joins = [n for n in lowered.nodes if isinstance(n.op, QConcat)]
    assert any(n.inputs[0] == m.output for n in joins for m in joins)
