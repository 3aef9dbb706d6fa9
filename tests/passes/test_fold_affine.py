"""Scale and shift go into the convolution beside them, exactly where that is allowed."""

import numpy as np
import pytest

from accelgen.frontend import load_onnx
from accelgen.passes.fold_affine import fold_affine_after, fold_affine_before
from tests.helpers.nets import make_net, node, weights
from tests.passes.graphs import apply, kinds

S = {"s": weights(5, 1, 1), "t": weights(5, 1, 1, seed=1), "i": weights(3, 1, 1, seed=2)}
W = {"w": weights(5, 3, 3, 3), "d": weights(3, 1, 3, 3), "g": weights(6, 1, 1, 1)}


def test_after_a_convolution():
    nodes = [node("Conv", "x w", "c"), node("Mul", "c s", "m"), node("Add", "m t")]

    assert kinds(apply(fold_affine_after, nodes, S | W)) == ["Conv2d"]


def test_after_a_padded_convolution():
    nodes = [node("Conv", "x w", "c", pads=[1, 1, 1, 1]), node("Add", "c t")]

    assert kinds(apply(fold_affine_after, nodes, S | W)) == ["Conv2d"]


def test_not_when_the_middle_is_read_elsewhere():
    nodes = [node("Conv", "x w", "c"), node("Mul", "c s", "m"), node("Add", "c m")]

    assert kinds(apply(fold_affine_after, nodes, S | W)) == ["Conv2d", "Conv2d", "Add"]


def test_not_when_the_middle_is_an_output():
    nodes = [node("Conv", "x w", "c"), node("Mul", "c s")]

    assert kinds(apply(fold_affine_after, nodes, S | W, outputs="c y")) == ["Conv2d", "Conv2d"]


def test_before_a_convolution():
    nodes = [node("Mul", "x i", "m"), node("Add", "m i", "a"), node("Conv", "a w")]

    assert kinds(apply(fold_affine_before, nodes, S | W)) == ["Conv2d"]


@pytest.mark.parametrize("weight", ["d", "g"])
def test_before_a_grouped_convolution(weight):
    nodes = [node("Add", "x i", "a"), node("Mul", "a i", "m"), node("Conv", f"m {weight}", group=3)]

    assert kinds(apply(fold_affine_before, nodes, S | W)) == ["Conv2d"]


def test_scale_before_padding_folds_and_shift_does_not():
    conv = node("Conv", "m w", pads=[1, 1, 1, 1])

    assert kinds(apply(fold_affine_before, [node("Mul", "x i", "m"), conv], S | W)) == ["Conv2d"]
    assert (
        kinds(apply(fold_affine_before, [node("Add", "x i", "m"), conv], S | W)) == ["Conv2d"] * 2
    )


def test_changed_constants_get_new_names():
    nodes = [node("Conv", "x w", "c", "conv.weight"), node("Mul", "c s")]
    before = load_onnx(make_net(nodes, S | W)).graph

    after = fold_affine_after(before)

    assert set(after.nodes[0].inputs[1:]).isdisjoint(before.constants)
    assert after.nodes[0].sources == ("conv.weight", "Mul_1")


def test_a_shift_alone_keeps_the_weight():
    nodes = [node("Conv", "x w", "c"), node("Add", "c t")]

    after = apply(fold_affine_after, nodes, S | W)

    assert after.nodes[0].inputs[1] == "w"
    np.testing.assert_array_equal(after.constants["w"], W["w"].transpose(0, 2, 3, 1))


def test_hundreds_in_a_row():
    nodes = [node("Mul", f"t{i} i", f"t{i + 1}") for i in range(1500)]
    nodes[0].input[0] = "x"
    nodes.append(node("Relu", "t1500"))
    graph = load_onnx(make_net(nodes, {"i": np.ones((3, 1, 1), np.float32)})).graph

    assert kinds(fold_affine_after(graph)) == ["Conv2d", "clip"]
