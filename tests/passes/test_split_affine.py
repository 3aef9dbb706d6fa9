"""Scale and shift pass concats towards convolutions, and only towards those."""

import pytest

from accelgen.passes.run import apply_passes
from accelgen.passes.split_affine import split_affine
from tests.helpers.nets import node, weights
from tests.passes.graphs import apply, kinds

CONSTANTS = {
    "w": weights(5, 3, 3, 3),
    "v": weights(2, 3, 1, 1),
    "s": weights(7, 1, 1),
    "t": weights(7, 1, 1, seed=1),
}
JOINED = [
    node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
    node("Conv", "x v", "b"),
    node("Concat", "a b", "c", axis=1),
]


def test_a_batch_normalization_of_joined_convolutions_is_folded():
    nodes = [*JOINED, node("Mul", "c s", "m"), node("Add", "m t")]

    assert kinds(apply(apply_passes, nodes, CONSTANTS)) == ["Conv2d", "Conv2d", "Concat"]


@pytest.mark.parametrize(
    "outputs", ["c y", "a y"], ids=["the joined map is an output", "a member is"]
)
def test_not_when_the_middle_is_read_elsewhere(outputs):
    nodes = [*JOINED, node("Mul", "c s")]

    graph = apply(split_affine, nodes, CONSTANTS, outputs=outputs)

    assert kinds(graph) == ["Conv2d", "Conv2d", "Concat", "Conv2d"]


def test_not_where_a_member_is_no_convolution():
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("Conv", "x v", "d"),
        node("Relu", "d", "b"),
        JOINED[2],
        node("Mul", "c s"),
    ]

    assert kinds(apply(split_affine, nodes, CONSTANTS))[-2:] == ["Concat", "Conv2d"]
