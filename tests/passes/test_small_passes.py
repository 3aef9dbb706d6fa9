"""Padding, identities, clips, dead nodes, and the run of all passes."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.errors import ModelError
from accelgen.frontend import load_onnx
from accelgen.ir.ops import Activation
from accelgen.passes import run as run_module
from accelgen.passes import run_passes
from accelgen.passes.drop_identities import drop_dead, drop_identities, merge_clips
from accelgen.passes.fold_padding import fold_padding
from tests.helpers import nets
from tests.helpers.nets import make_net, node, weights
from tests.passes.graphs import apply, kinds

PADS = {"p": np.array([0, 0, 1, 0, 0, 0, 2, 1]), "w": weights(4, 3, 3, 3)}
PAD = node("Pad", "a p", "b")
MAX = {"kernel_shape": [3, 3], "strides": [2, 2]}


def test_padding_joins_a_convolution_s_own():
    nodes = [node("Relu", "x", "a"), PAD, node("Conv", "b w", pads=[0, 1, 0, 0])]

    after = apply(fold_padding, nodes, PADS)

    assert kinds(after) == ["clip", "Conv2d"]
    assert after.nodes[1].op.pads == (1, 1, 2, 1)


def test_padding_of_zeros_before_a_maximum_needs_values_above_zero():
    above = [node("Relu", "x", "a"), PAD, node("MaxPool", "b", **MAX)]
    below = [node("Tanh", "x", "a"), PAD, node("MaxPool", "b", **MAX)]

    assert kinds(apply(fold_padding, above, PADS)) == ["clip", "MaxPool"]
    assert kinds(apply(fold_padding, below, PADS)) == ["tanh", "Conv2d", "MaxPool"]


def test_window_wholly_in_padding_is_not_folded():
    wide = PADS | {"p": np.array([0, 0, 4, 4, 0, 0, 0, 0])}
    nodes = [node("Relu", "x", "a"), PAD, node("MaxPool", "b", **MAX)]

    assert kinds(apply(fold_padding, nodes, wide)) == ["clip", "Conv2d", "MaxPool"]


def test_padded_map_read_twice_stays():
    nodes = [
        node("Relu", "x", "a"), PAD, node("Conv", "b w", "c"),
        node("MaxPool", "b", "d", kernel_shape=[3, 3]), node("Concat", "c d", axis=1),
    ]  # fmt: skip

    assert kinds(apply(fold_padding, nodes, PADS))[1] == "Conv2d"


IDENTITIES = {
    "number": (node("Mul", "a one", "b"), {"one": np.float32(1)}),
    "zero": (node("Add", "a zero", "b"), {"zero": np.zeros((3, 1, 1), np.float32)}),
    "pool": (node("MaxPool", "a", "b", kernel_shape=[1, 1]), {}),
    "concat": (node("Concat", "a", "b", axis=1), {}),
    "clip": (node("Clip", "a", "b"), {}),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities(name):
    one, constants = IDENTITIES[name]
    behind = [node("Tanh", "x", "a"), one, node("Relu", "b")]
    at_the_end = [node("Tanh", "x", "a"), one]

    assert kinds(apply(drop_identities, behind, constants)) == ["tanh", "clip"]
    after = apply(drop_identities, at_the_end, constants, outputs="b")
    assert kinds(after) == ["tanh"]
    assert after.outputs == ("b",)


def test_identity_between_two_outputs_stays():
    nodes = [node("Tanh", "x", "a"), IDENTITIES["clip"][0]]

    assert kinds(apply(drop_identities, nodes, outputs="a b")) == ["tanh", "clip"]


def test_identities_in_a_row():
    nodes = [
        node("Tanh", "x", "a"),
        node("Clip", "a", "b"),
        node("Clip", "b", "c"),
        node("Relu", "c"),
    ]

    assert kinds(apply(drop_identities, nodes)) == ["tanh", "clip"]


def test_strided_pool_is_no_identity():
    nodes = [node("MaxPool", "x", kernel_shape=[1, 1], strides=[2, 2])]

    assert kinds(apply(drop_identities, nodes)) == ["MaxPool"]


@pytest.mark.parametrize(("low", "high"), [(-1.0, 0.5), (0.25, 2.0), (-3.0, -1.0)])
def test_clips_merge(low, high):
    nodes = [node("Relu", "x", "a"), node("Clip", "a low high")]
    limits = {"low": np.float32(low), "high": np.float32(high)}

    after = apply(merge_clips, nodes, limits)

    assert len(after.nodes) == 1
    assert after.nodes[0].op.params[0] == min(max(0.0, low), high)


def test_dead_nodes_go():
    nodes = [node("Tanh", "x", "a"), node("Conv", "a w", "dead"), node("Relu", "a")]

    after = apply(drop_dead, nodes, PADS)

    assert kinds(after) == ["tanh", "clip"]
    assert after.constants == {}


@pytest.mark.parametrize(
    "net",
    [
        nets.depthwise_separable, nets.residual, nets.squeeze_excite, nets.inverted_residual,
        nets.concat_net, nets.pool_classifier,
    ],
)  # fmt: skip
def test_running_twice_changes_nothing_more(net):
    once = run_passes(load_onnx(net()).graph)

    assert run_passes(once).nodes == once.nodes


def test_a_pass_that_breaks_the_graph_is_named(monkeypatch):
    def rename_an_input(graph):
        first = replace(graph.nodes[0], inputs=("nowhere",))
        return graph.with_nodes((first, *graph.nodes[1:]))

    monkeypatch.setattr(run_module, "PASSES", (rename_an_input,))
    graph = load_onnx(make_net(node("Relu", "x"))).graph

    with pytest.raises(ModelError, match=r"after pass rename_an_input: .*reads 'nowhere'"):
        run_passes(graph)


def test_an_illegal_graph_is_refused_before_the_first_pass():
    graph = load_onnx(make_net(node("Relu", "x"))).graph
    odd = replace(graph.nodes[0], op=Activation(kind="wobble"))

    with pytest.raises(ModelError, match="unknown activation 'wobble'"):
        run_passes(graph.with_nodes((odd,)))
