"""Split, Slice, Gather, shuffles and Concat are orders of channels, as onnxruntime has them."""

import numpy as np
import pytest

from tests.helpers.nets import assert_computes_the_same, make_net, node

WIDE = (1, 12, 4, 5)
SELECTED = {
    "split": (node("Split", "x s", "y z", axis=1), {"s": np.array([5, 7])}, 13),
    "split from the end": (node("Split", "x s", "y z", axis=-3), {"s": np.array([1, 11])}, 13),
    "equal parts": (node("Split", "x", "y z", axis=1), {}, 13),
    "split 11": (node("Split", "x", "y z", axis=1, split=[8, 4]), {}, 11),
    "split 18": (node("Split", "x", "y z", axis=1, num_outputs=2), {}, 18),
    "slice": (
        node("Slice", "x b e a"),
        {"b": np.array([3]), "e": np.array([9]), "a": np.array([1])}, 13,
    ),
    "slice to the end": (
        node("Slice", "x b e a s"),
        {"b": np.array([-10]), "e": np.array([2**63 - 1]), "a": np.array([-3]),
         "s": np.array([3])}, 13,
    ),
    "slice backwards": (
        node("Slice", "x b e a s"),
        {"b": np.array([-1]), "e": np.array([-(2**63)]), "a": np.array([1]), "s": np.array([-1])},
        13,
    ),
    "slice of everything else": (
        node("Slice", "x b e"), {"b": np.array([0, 2]), "e": np.array([1, 9])}, 13
    ),
    "slice 9": (node("Slice", "x", axes=[1, 2], starts=[2, 0], ends=[6, 99]), {}, 9),
    "gather one": (node("Gather", "x i", axis=1), {"i": np.array(-2)}, 13),
    "gather a table": (node("Gather", "x i", axis=1), {"i": np.array([[[3], [1]]])}, 13),
    "gather": (node("Gather", "x i", axis=1), {"i": np.array([4, -1, 4, 0])}, 13),
}  # fmt: skip


@pytest.mark.parametrize("name", SELECTED)
def test_selected_channels(name):
    one, constants, opset = SELECTED[name]
    net = make_net(one, constants, shape=WIDE, opset=opset, outputs=" ".join(one.output))

    graph, _ = assert_computes_the_same(net)

    assert {type(n.op).__name__ for n in graph.nodes} == {"Select"}


SHUFFLES = {
    "two groups": ([1, 2, 6, 4, 5], [0, 2, 1, 3, 4], [1, 12, 4, 5]),
    "three groups": ([1, 3, 4, 4, 5], [0, 2, 1, 3, 4], [1, -1, 4, 5]),
    "without a batch": ([3, 4, 4, 5], [1, 0, 2, 3], [1, 12, 4, 5]),
    "pixels in one": ([1, 4, 3, 20], [0, 2, 1, 3], [1, 12, 4, 5]),
    "three parts": ([1, 2, 3, 2, 4, 5], [0, 3, 1, 2, 4, 5], [1, 12, 4, 5]),
}


@pytest.mark.parametrize("name", SHUFFLES)
def test_channel_shuffle(name):
    split, perm, joined = SHUFFLES[name]
    nodes = [
        node("Reshape", "x s", "a", "split"), node("Transpose", "a", "b", perm=perm),
        node("Reshape", "b j", name="join"),
    ]  # fmt: skip

    graph, _ = assert_computes_the_same(
        make_net(nodes, {"s": np.array(split), "j": np.array(joined)}, shape=WIDE)
    )

    (only,) = graph.nodes
    assert sorted(only.op.channels) == list(range(12))
    assert only.sources == ("join",)


def test_a_shuffle_that_changes_nothing_is_nothing():
    constants = {"s": np.array([1, 3, 4, 4, 5]), "j": np.array([1, 12, 4, 5])}
    nodes = [node("Reshape", "x s", "a"), node("Reshape", "a j", "b"), node("Relu", "b")]

    graph, _ = assert_computes_the_same(make_net(nodes, constants, shape=WIDE))

    assert len(graph.nodes) == 1


def test_concat_of_many():
    nodes = [node("Relu", "x", "a"), node("Tanh", "x", "b"), node("Concat", "a x b", axis=-3)]

    assert_computes_the_same(make_net(nodes))
