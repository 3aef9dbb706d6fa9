"""Stacked maps, weighed by a softmax over the branches: SKNet and ResNeSt, as exported."""

import numpy as np
import pytest

from accelgen.errors import AccelgenError
from accelgen.frontend import load_onnx
from accelgen.ir.ops import Softmax
from tests.helpers.nets import make_net, node, weights
from tests.helpers.second_opinion import assert_outputs_agree

C = 8
W = {
    "w1": weights(C, 3, 3, 3), "w2": weights(C, 3, 3, 3, seed=1), "w3": weights(4, C, 1, 1, seed=2),
    "w4": weights(2 * C, 4, 1, 1, seed=3, scale=1.0), "b4": weights(2 * C, seed=4),
    "v1": weights(C, 4, 1, 1, seed=5, scale=1.0), "v2": weights(C, 4, 1, 1, seed=6, scale=1.0),
    "wide": weights(2 * C, 3, 3, 3, seed=7), "a1": np.array([1]),
    "stack": np.array([1, 2, C, 1, 1]), "maps": np.array([1, 2, C, 6, 5]),
    "radix": np.array([1, 1, 2, C]), "flat": np.array([1, -1]), "tall": np.array([1, -1, 1, 1]),
    "three": np.array([1, 3, C, 1, 1]), "w6": weights(3 * C, 4, 1, 1),
}  # fmt: skip
MAPS = [
    node("Conv", "x w1", "m1", pads=[1] * 4), node("Conv", "x w2", "m2", pads=[2] * 4,
                                                    dilations=[2, 2]),
    node("Relu", "m1", "r1"), node("Relu", "m2", "r2"),
    node("Unsqueeze", "r1 a1", "u1"), node("Unsqueeze", "r2 a1", "u2"),
    node("Concat", "u1 u2", "u", axis=1), node("ReduceSum", "u a1", "s", keepdims=0),
    node("GlobalAveragePool", "s", "g"), node("Conv", "g w3", "f"),
]  # fmt: skip
WEIGH = [
    node("Softmax", "t", "p", axis=1), node("Mul", "u p", "q"),
    node("ReduceSum", "q a1", keepdims=0),
]  # fmt: skip
SK = {
    "one convolution": [
        *MAPS, node("Conv", "f w4 b4", "e"), node("Reshape", "e stack", "t"), *WEIGH
    ],
    "something between": [
        *MAPS, node("Conv", "f w4 b4", "d"), node("Tanh", "d", "e"),
        node("Reshape", "e stack", "t"), *WEIGH,
    ],
    "one for each branch": [
        *MAPS, node("Conv", "f v1", "e1"), node("Conv", "f v2", "e2"),
        node("Unsqueeze", "e1 a1", "h1"), node("Unsqueeze", "e2 a1", "h2"),
        node("Concat", "h1 h2", "t", axis=1), *WEIGH,
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SK)
def test_selective_kernels(name):
    model = make_net(SK[name], W, shape=(1, 3, 6, 5))

    assert_outputs_agree(model)

    assert not any(isinstance(n.op, Softmax) for n in load_onnx(model).graph.nodes)


@pytest.mark.parametrize("mean", [False, True])
def test_split_attention(mean):
    """ResNeSt: one convolution makes both maps, radix 2."""
    last = node("ReduceMean", "q", axes=[1], keepdims=0)
    nodes = [
        node("Conv", "x wide", "m", pads=[1] * 4), node("Reshape", "m maps", "u"),
        node("ReduceSum", "u a1", "s", keepdims=0), node("GlobalAveragePool", "s", "g"),
        node("Conv", "g w3", "f"), node("Conv", "f w4", "e"), node("Reshape", "e radix", "r"),
        node("Transpose", "r", "t", perm=[0, 2, 1, 3]), node("Softmax", "t", "p", axis=1),
        node("Reshape", "p flat", "p1"), node("Reshape", "p1 tall", "p2"),
        node("Reshape", "p2 stack", "p3"), node("Mul", "p3 u", "q"),
        last if mean else node("ReduceSum", "q a1", keepdims=0),
    ]  # fmt: skip

    assert_outputs_agree(make_net(nodes, W, shape=(1, 3, 6, 5)))


def test_three_branches_are_refused():
    nodes = [
        node("GlobalAveragePool", "x", "g"), node("Conv", "g w6", "e"),
        node("Reshape", "e three", "t"), node("Softmax", "t", axis=1),
    ]  # fmt: skip

    with pytest.raises(AccelgenError, match="weighs 3 branches against one another; two branches"):
        load_onnx(make_net(nodes, W, shape=(1, 4, 6, 5)))
