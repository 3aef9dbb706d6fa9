"""The one input, however it comes: NHWC, flat, as integers."""

import numpy as np
import pytest
from onnx import TensorProto

from accelgen.errors import AccelgenError
from accelgen.flow.network import read_network
from tests.helpers.nets import make_net, node, weights
from tests.helpers.second_opinion import assert_outputs_agree

W = {"w": weights(6, 4, 3, 3), "b": weights(6, seed=1)}
CONV = node("Conv", "u w b", "y", pads=[1, 1, 1, 1])


@pytest.mark.parametrize(
    ("nodes", "shape", "layout"),
    [
        (
            [node("Relu", "x", "r"), node("Transpose", "r", "u", perm=[0, 3, 1, 2])],
            (1, 5, 6, 4), "nhwc",
        ),
        ([node("Reshape", "x s", "u")], (1, 120), "nchw"),
        ([node("Tanh", "x", "r"), node("Reshape", "x s", "u")], (1, 120), "nchw"),
        (
            [node("Reshape", "x t", "r"), node("Transpose", "r", "u", perm=[0, 3, 1, 2])],
            (1, 120), "nhwc",
        ),
    ],
    ids=["relu before the transpose", "flat", "flat, read twice", "flat, nhwc"],
)  # fmt: skip
def test_layouts(nodes, shape, layout):
    shapes = {"s": np.array([-1, 4, 5, 6]), "t": np.array([1, 5, 6, -1])}
    model = make_net([*nodes, CONV], W | shapes, shape=shape)

    assert read_network(model).input_layout == layout
    if layout == "nchw" or len(shape) == 4:
        assert_outputs_agree(model)


def test_one_channel_is_both_orders():
    """tf2onnx's MNIST: (1, 28, 28, 1) reshaped to (1, 1, 28, 28)."""
    one = {"w": weights(3, 1, 3, 3), "b": weights(3), "s": np.array([-1, 1, 8, 8])}
    model = make_net([node("Reshape", "x s", "u"), CONV], one, shape=(1, 8, 8, 1))

    assert_outputs_agree(model)


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("zero", [True, False])
def test_integers_as_input(kind, zero):
    """Without a zero point it is 0 of the input's own type: for int8 not that of uint8."""
    scales = {"xs": np.float32(0.05), "z": kind(3)}
    nodes = [node("DequantizeLinear", "x xs z" if zero else "x xs", "u"), CONV]
    element = TensorProto.INT8 if kind is np.int8 else TensorProto.UINT8
    model = make_net(nodes, W | scales, shape=(1, 4, 5, 6), kind=element)

    quantization = read_network(model).quantization["x"]

    assert quantization.zero_point == (3 if zero else 0) - (128 if kind is np.uint8 else 0)


def test_a_dynamic_sizes_name_is_shown_in_one_line():
    model = make_net([node("Relu", "x", "y")], {}, shape=(1, 3, 8, 8))
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "a\nb"

    with pytest.raises(AccelgenError, match=r"dimension 3 of input 'x' is dynamic \('a\\x0ab'\)"):
        read_network(model)


@pytest.mark.parametrize(("name", "why"), [("w", "listed twice"), ("y", "made by a node, too")])
def test_an_input_whose_name_is_taken(name, why):
    """Nobody reads it as an input: the fuzzer's seed 20261129, case 312."""
    model = make_net(node("Conv", "x w"), {"w": weights(4, 3, 1, 1)})
    for _ in range(2 if name == "w" else 1):
        model.graph.input.add(name=name).type.tensor_type.elem_type = 1

    with pytest.raises(AccelgenError, match=f"input '{name}' is {why}"):
        read_network(model)
