"""Which layers leave their sums, and back to int8; each condition seen to matter."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.errors import ModelError
from accelgen.ir.spec import check_quantized
from accelgen.ir.views import plain_view
from accelgen.ir.wide import is_wide, may_be_wide, narrowed, wide_nodes, widened
from tests.helpers.int8_nets import Int8Net


def classifier(*, low=-128, more=(), softmax=False):
    """A map, and a fully connected layer of ten outputs; and the layer's name."""
    net = Int8Net((4, 5, 6), seed=2)
    y = net.fc(net.conv(net.x, 8), 10)
    fc = net.nodes[-1] = replace(net.nodes[-1], op=replace(net.nodes[-1].op, low=low))
    outputs = [getattr(net, kind)(y) for kind in more]
    outputs = [net.softmax(y)] if softmax else [y, *outputs]
    return net.graph(*outputs), fc.name


def steps(graph, *names):
    shapes = {n.name: graph.tensors[n.output].shape[3] for n in graph.nodes}
    return {name: np.linspace(0.01, 0.02, shapes[name]) for name in names}


@pytest.mark.parametrize("softmax", [False, True])
def test_a_last_layer_is_made_wide_and_narrow_again(softmax):
    graph, name = classifier(softmax=softmax)

    wide = widened(graph, steps(graph, name))

    check_quantized(wide)
    (node,) = wide_nodes(wide)
    kind = wide.tensors[node.output]
    assert (node.name, kind.dtype, len(kind.steps)) == (name, "int32", 10)
    assert narrowed(wide) == graph
    assert narrowed(wide, keep={name}) == wide


def test_only_what_is_told_becomes_wide():
    graph, name = classifier()
    first = graph.nodes[0].name

    assert widened(graph, steps(graph, first)) == graph
    assert [is_wide(n) for n in widened(graph, steps(graph, first, name)).nodes] == [False, True]


def int8_view(graph):
    view = replace(plain_view("y", graph.outputs[0], (1, 1, 1, 10)), dtype="int8")
    return replace(graph, views=(view,))


@pytest.mark.parametrize(
    "graph",
    [
        classifier(low=0)[0],
        classifier(more=("table",))[0],
        classifier(more=("softmax", "table"))[0],
        int8_view(classifier()[0]),
    ],
    ids=["a relu", "a table reads it", "so does a softmax", "the model gives int8"],
)
def test_what_is_no_last_layer_stays_int8(graph):
    node = graph.nodes[1]
    assert may_be_wide(*(lambda g: (g, g.nodes[1]))(classifier()[0]))

    assert not may_be_wide(graph, node)
    assert widened(graph, steps(graph, *(n.name for n in graph.nodes[:2]))) == graph


def test_a_wide_layer_that_may_not_be_is_refused():
    graph, name = classifier()
    wide = widened(graph, steps(graph, name))
    fc = wide.nodes[1]
    stepless = {**wide.tensors, fc.output: replace(wide.tensors[fc.output], steps=(1.0,))}

    with pytest.raises(ModelError, match="leaves its sums in int32, and is no fully connected"):
        check_quantized(int8_view(wide))
    with pytest.raises(ModelError, match="has no step for each channel"):
        check_quantized(replace(wide, tensors=stepless))
