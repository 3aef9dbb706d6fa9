"""1-D convolution is a map of one row; convolution along channels a band of weights (ECA)."""

import numpy as np
import pytest

from accelgen.errors import AccelgenError
from accelgen.flow.network import read_network
from accelgen.frontend import load_onnx
from accelgen.ir.ops import Conv2d
from tests.helpers.nets import make_net, node, weights
from tests.helpers.second_opinion import assert_outputs_agree

LINE = (1, 6, 20)
W = {
    "w": weights(8, 6, 3), "b": weights(8, seed=1, scale=0.1), "d": weights(8, 1, 5, seed=2),
    "m": weights(8 * 5, 4, seed=3), "s": np.array([1, 1, -1]), "u": np.array([1, -1, 1, 1]),
    "k": weights(1, 1, 5, seed=4), "kb": weights(1, seed=5),
    "g": np.float32(np.linspace(0.5, 2, 8)), "v": np.ones(8, np.float32),
}  # fmt: skip


def conv(**more):
    return node("Conv", "x w b", "c", pads=[1, 1], kernel_shape=[3], **more)


LINES = {
    "conv": [conv(), node("Relu", "c")],
    "stride": [conv(strides=[2]), node("Relu", "c")],
    "same": [node("Conv", "x w b", "c", auto_pad="SAME_UPPER", strides=[3]), node("Relu", "c")],
    "dilated": [node("Conv", "x w b", "c", dilations=[2]), node("Relu", "c")],
    "depthwise": [conv(), node("Conv", "c d", "y", group=8, pads=[2, 2])],
    "batch norm": [conv(), node("BatchNormalization", "c g b b v")],
    "pools": [
        conv(),
        node("MaxPool", "c", "p", kernel_shape=[2], strides=[2]),
        node("AveragePool", "p", "q", kernel_shape=[2], strides=[2]),
        node("Flatten", "q", "f"), node("Gemm", "f m"),
    ],
    "global pool": [conv(), node("GlobalAveragePool", "c"), ],
    "global max": [conv(), node("GlobalMaxPool", "c", "p"), node("Flatten", "p")],
    "mean": [conv(), node("ReduceMean", "c", axes=[2], keepdims=0)],
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_lines(name):
    assert_outputs_agree(make_net(LINES[name], W, shape=LINE))


def test_channels_last_before_a_transpose():
    nodes = [node("Transpose", "x", "t", perm=[0, 2, 1]), node("Conv", "t w b", pads=[1, 1])]
    model = make_net(nodes, W, shape=(1, 20, 6))

    assert read_network(model).input_layout == "nhwc"
    assert_outputs_agree(make_net([conv(), node("Transpose", "c", perm=[0, 2, 1])], W, shape=LINE))


def test_a_picture_of_one_channel():
    """(1, height, width), as Keras' MNIST has it, and an axis put in."""
    constants = {"w": weights(4, 1, 3, 3), "a": np.array([1])}
    nodes = [node("Unsqueeze", "x a", "u"), node("Conv", "u w")]

    assert_outputs_agree(make_net(nodes, constants, shape=(1, 9, 7)))


def test_a_column():
    """A map whose width is gone is a line of its height."""
    constants = {"w": weights(8, 6, 3), "a": np.array([3])}
    nodes = [node("Squeeze", "x a", "u"), node("Conv", "u w", strides=[2], pads=[1, 0])]

    assert_outputs_agree(make_net(nodes, constants, shape=(1, 6, 9, 1)))


ECA = {
    "reshaped": [node("Reshape", "p s", "r"), node("Conv", "r k", "e", pads=[2, 2])],
    "transposed": [
        node("Squeeze", "p last", "q"), node("Transpose", "q", "r", perm=[0, 2, 1]),
        node("Conv", "r k kb", "e", pads=[2, 2], kernel_shape=[5]),
    ],
    "as a map": [
        node("Transpose", "p", "r", perm=[0, 3, 2, 1]),
        node("Conv", "r k4", "e", pads=[0, 2, 0, 2]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", ECA)
@pytest.mark.parametrize("expand", [False, True])
def test_eca_is_a_band(name, expand):
    """GlobalAveragePool, Conv along channels, Sigmoid, Mul (efficient channel attention)."""
    nodes = [
        node("Conv", "x w4", "c", pads=[1] * 4), node("GlobalAveragePool", "c", "p"), *ECA[name],
        node("Sigmoid", "e", "t"), node("Reshape", "t u", "v1"),
        *([node("Shape", "c", "z"), node("Expand", "v1 z", "v2")] if expand else []),
        node("Mul", "c v2" if expand else "v1 c"),
    ]  # fmt: skip
    constants = W | {
        "w4": weights(8, 3, 3, 3), "k4": W["k"].reshape(1, 1, 1, 5), "last": np.array([3])
    }  # fmt: skip
    model = make_net(nodes, constants, shape=(1, 3, 6, 6))

    assert_outputs_agree(model)

    graph = load_onnx(model).graph
    band = next(n for n in graph.nodes if n.name.startswith("Conv") and "k" in n.inputs[1][:1])
    assert band.op == Conv2d(kernel=(1, 1))
    weight = graph.constants[band.inputs[1]][:, 0, 0, :]
    assert weight.shape == (8, 8)
    assert (np.diag(weight) == W["k"][0, 0, 2]).all()
    assert (np.diag(weight, 1) == W["k"][0, 0, 3]).all()
    assert not np.diag(weight, 3).any()


@pytest.mark.parametrize("attributes", [{"strides": [2]}, {"dilations": [3]}, {"pads": [4, 0]}])
def test_bands_of_any_form(attributes):
    nodes = [
        node("GlobalAveragePool", "x", "p"), node("Reshape", "p s", "r"),
        node("Conv", "r k kb", **attributes),
    ]  # fmt: skip

    assert_outputs_agree(make_net(nodes, W, shape=(1, 16, 5, 5)))


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (node("Conv", "x w", pads=[1, 1, 1, 1]), "a 1-D kernel has 2"),
        (node("Conv", "x w4"), "a 1-D kernel has three dimensions"),
    ],
)
def test_what_is_no_line(one, words):
    model = make_net(one, W | {"w4": weights(8, 6, 3, 3)}, shape=LINE)

    with pytest.raises(AccelgenError, match=words):
        load_onnx(model)


def test_an_expand_that_something_else_reads():
    nodes = [
        node("GlobalAveragePool", "x", "p"), node("Transpose", "p", "t", perm=[0, 2, 3, 1]),
        node("Transpose", "x", "u", perm=[0, 2, 3, 1]), node("Shape", "u", "s"),
        node("Expand", "t s", "e"), node("Relu", "e"),
    ]  # fmt: skip

    with pytest.raises(AccelgenError, match="only Add, Sub, Mul, Max and Min may read it"):
        load_onnx(make_net(nodes, {}, shape=(1, 4, 5, 5)))
