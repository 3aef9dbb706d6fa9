"""Every way to write swish, hard swish, hard sigmoid and mish is found, and no other is."""

import numpy as np
import pytest

from accelgen.passes.drop_identities import drop_dead
from accelgen.passes.fuse_gates import fuse_gates, fuse_hard_sigmoid
from accelgen.passes.run import apply_passes
from tests.helpers.nets import node, weights
from tests.passes.graphs import apply, kinds

NUMBERS = {
    "three": np.float32(3), "zero": np.float32(0), "six": np.float32(6), "sixth": np.float32(1 / 6),
    "rough": np.float32(0.16667), "half": np.float32(0.5), "one": np.float32(1),
}  # fmt: skip


def fuse(graph):
    return drop_dead(fuse_gates(fuse_hard_sigmoid(graph)))


def gate(source="x"):
    return [node("Add", f"{source} three", "a"), node("Clip", "a zero six", "c")]


HARD_SWISH = {
    "x * (clip / 6)": [*gate(), node("Div", "c six", "g"), node("Mul", "x g")],
    "(x * clip) / 6": [*gate(), node("Mul", "x c", "m"), node("Div", "m six")],
    "(clip * x) * sixth": [*gate(), node("Mul", "c x", "m"), node("Mul", "m sixth")],
    "(x / 6) * clip": [*gate(), node("Div", "x six", "s"), node("Mul", "s c")],
    "rough sixth": [*gate(), node("Mul", "c rough", "g"), node("Mul", "g x")],
    "hard sigmoid": [node("HardSigmoid", "x", "g", alpha=1 / 6, beta=0.5), node("Mul", "x g")],
}  # fmt: skip


@pytest.mark.parametrize("name", HARD_SWISH)
def test_hard_swish(name):
    nodes = HARD_SWISH[name]
    after = apply(fuse, nodes, NUMBERS)

    assert kinds(after) == ["hard_swish"]
    assert len(after.nodes[0].sources) == len(nodes)


def test_hard_swish_whose_scale_and_shift_are_two_nodes():
    nodes = [
        node("Mul", "x sixth", "s"), node("Add", "s half", "h"), node("Clip", "h zero one", "g"),
        node("Mul", "x g"),
    ]  # fmt: skip

    # One round joins them, the next finds the gate.
    assert kinds(apply(apply_passes, nodes, NUMBERS)) == ["hard_swish"]


def test_hard_swish_behind_a_convolution_keeps_it():
    nodes = [node("Conv", "x w", "v"), *gate("v"), node("Mul", "v c", "m"), node("Div", "m six")]

    after = apply(apply_passes, nodes, NUMBERS | {"w": weights(4, 3, 1, 1)})

    assert kinds(after) == ["Conv2d", "hard_swish"]


NOT_HARD_SWISH = {
    "no division": [*gate(), node("Mul", "x c")],
    "another slope": [node("HardSigmoid", "x", "g"), node("Mul", "x g")],
    "another x": [*gate(), node("Div", "c six", "g"), node("Relu", "x", "r"), node("Mul", "r g")],
}


@pytest.mark.parametrize("name", NOT_HARD_SWISH)
def test_not_hard_swish(name):
    assert "hard_swish" not in kinds(apply(fuse, NOT_HARD_SWISH[name], NUMBERS))


def test_a_second_division_is_left_over():
    nodes = [*gate(), node("Div", "c six", "g"), node("Mul", "x g", "m"), node("Div", "m six")]

    assert kinds(apply(fuse, nodes, NUMBERS)) == ["hard_swish", "Conv2d"]


def test_product_read_twice_is_divided_separately():
    nodes = [*gate(), node("Mul", "x c", "m"), node("Div", "m six", "y"), node("Relu", "m", "z")]

    assert "hard_swish" not in kinds(apply(fuse, nodes, NUMBERS, outputs="y z"))


def test_hard_sigmoid():
    after = apply(fuse, [*gate(), node("Div", "c six")], NUMBERS)

    assert kinds(after) == ["hard_sigmoid"]
    np.testing.assert_allclose(after.nodes[0].op.params, (1 / 6, 0.5), rtol=1e-6)


@pytest.mark.parametrize("order", ["x s", "s x"])
def test_swish(order):
    assert kinds(apply(fuse, [node("Sigmoid", "x", "s"), node("Mul", order)])) == ["swish"]


def test_sigmoid_read_elsewhere_stays():
    nodes = [node("Sigmoid", "x", "s"), node("Mul", "x s", "y"), node("Relu", "s", "z")]

    assert kinds(apply(fuse, nodes, outputs="y z")) == ["sigmoid", "swish", "clip"]


def test_sigmoid_of_another_tensor_is_no_swish():
    nodes = [node("Relu", "x", "r"), node("Sigmoid", "r", "s"), node("Mul", "x s")]

    assert kinds(apply(fuse, nodes)) == ["clip", "sigmoid", "Mul"]


def test_mish():
    nodes = [node("Softplus", "x", "p"), node("Tanh", "p", "t"), node("Mul", "x t")]

    assert kinds(apply(fuse, nodes)) == ["mish"]


def test_squeeze_and_excite_is_no_swish():
    nodes = [node("GlobalAveragePool", "x", "m"), node("Sigmoid", "m", "g"), node("Mul", "x g")]

    assert kinds(apply(fuse, nodes)) == ["GlobalAvgPool", "sigmoid", "Mul"]
