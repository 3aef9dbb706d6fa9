"""Resize and Upsample by two are read as onnxruntime computes them."""

import numpy as np
import pytest

from tests.helpers.nets import assert_computes_the_same, make_net, node

F32 = np.float32

TWICE = np.array([1, 1, 2, 2], F32)
RESIZED = {
    "asymmetric": ({"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, 13),
    "half pixel": ({}, 13),
    "half pixel up": ({"nearest_mode": "round_prefer_ceil"}, 18),
    "pytorch": ({"coordinate_transformation_mode": "pytorch_half_pixel"}, 13),
    "asymmetric, rounded": ({"coordinate_transformation_mode": "asymmetric"}, 13),
}


@pytest.mark.parametrize("name", RESIZED)
def test_resize(name):
    attributes, opset = RESIZED[name]
    net = make_net(
        node("Resize", "x _ s", mode="nearest", **attributes), {"s": TWICE}, opset=opset,
        shape=(1, 3, 5, 7),
    )  # fmt: skip

    graph, _ = assert_computes_the_same(net)

    assert graph.tensors[graph.outputs[0]].shape == (1, 10, 14, 3)


def test_resize_to_sizes_and_in_opset_10():
    sizes = {"e": np.array([], F32), "n": np.array([1, 3, 16, 16])}
    assert_computes_the_same(make_net(node("Resize", "x e e n", mode="nearest"), sizes, opset=11))
    assert_computes_the_same(
        make_net(node("Resize", "x s", mode="nearest"), {"s": TWICE}, opset=10)
    )


def test_upsample_of_opset_9():
    assert_computes_the_same(
        make_net(node("Upsample", "x s", mode="nearest"), {"s": TWICE}, opset=9)
    )


def test_resize_by_one_is_nothing():
    one = {"s": np.ones(4, F32)}
    nodes = [node("Resize", "x _ s", "a", mode="nearest"), node("Relu", "a")]

    graph, _ = assert_computes_the_same(make_net(nodes, one))

    assert len(graph.nodes) == 1
