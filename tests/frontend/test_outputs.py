"""Each output of the model exists, in its order, layout and shape."""

import numpy as np
import pytest

from accelgen.errors import ModelError, UnsupportedOpError
from accelgen.flow.network import read_network
from accelgen.frontend import load_onnx
from tests.helpers.nets import make_net, node, weights
from tests.helpers.second_opinion import assert_int8_agrees, assert_outputs_agree

W = {"w": weights(12, 4, 3, 3), "b": weights(12, seed=1)}
CONV = node("Conv", "x w b", "t", pads=[1, 1, 1, 1])
HALF = node("Conv", "x w b", "u", pads=[1, 1, 1, 1], strides=[2, 2])


def ints(*values):
    return np.array(values, np.int64)


#: Nodes behind a 3x3 convolution ``t`` of (1, 12, 4, 6) and ``u`` of (1, 12, 2, 3).
ENDS = {
    "flatten": ([node("Flatten", "t")], {}),
    "flatten at 2": ([node("Flatten", "t", axis=2)], {}),
    "one pixel stays a map": ([node("GlobalAveragePool", "t")], {}),
    "squeezed": ([node("GlobalAveragePool", "t", "g"), node("Squeeze", "g")], {}),
    "nhwc": ([node("Transpose", "t", perm=[0, 2, 3, 1])], {}),
    "sides exchanged": ([node("Transpose", "t", perm=[0, 1, 3, 2])], {}),
    "batch last": ([node("Transpose", "t", perm=[3, 1, 2, 0])], {}),
    "anchors": ([node("Reshape", "t s")], {"s": ints(1, 3, 4, 4, 6)}),
    "yolo": (
        [node("Reshape", "t s", "a"), node("Transpose", "a", perm=[0, 1, 3, 4, 2])],
        {"s": ints(1, 3, 4, 4, 6)},
    ),
    "yolo, flat": (
        [
            node("Reshape", "t s", "a"), node("Transpose", "a", "c", perm=[0, 1, 3, 4, 2]),
            node("Reshape", "c f"),
        ],
        {"s": ints(1, 3, 4, 4, 6), "f": ints(1, -1, 4)},
    ),
    "two maps, flat and joined": (
        [
            HALF, node("Reshape", "t s", "a"), node("Reshape", "u s", "c"),
            node("Concat", "a c", axis=2),
        ],
        {"s": ints(1, 12, -1)},
    ),
    "boxes of two maps": (
        [
            HALF, node("Transpose", "t", "a", perm=[0, 2, 3, 1]), node("Reshape", "a s", "c"),
            node("Transpose", "u", "d", perm=[0, 2, 3, 1]), node("Reshape", "d s", "e"),
            node("Concat", "c e", "f", axis=1), node("Transpose", "f", perm=[0, 2, 1]),
        ],
        {"s": ints(1, -1, 4)},
    ),
    "joined twice": (
        [HALF, node("Flatten", "t", "a"), node("Flatten", "u", "c"),
         node("Concat", "a c", "d", axis=1), node("Concat", "d a", axis=1)],
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_views_at_the_end(end):
    nodes, constants = ENDS[end]

    assert_outputs_agree(make_net([CONV, *nodes], W | constants, shape=(1, 4, 4, 6)))


def test_a_cube_in_another_order_is_not_mistaken():
    cube = {"w": weights(4, 4, 3, 3), "b": weights(4, seed=1)}
    nodes = [CONV, node("Transpose", "t", perm=[0, 2, 3, 1])]

    assert_outputs_agree(make_net(nodes, cube, shape=(1, 4, 4, 4)))


PIXELS = [
    node("Transpose", "t", "a", perm=[0, 2, 3, 1]), node("Reshape", "a s", "c"),
]  # fmt: skip
JOINED = [*ENDS["two maps, flat and joined"][0][:-1], node("Concat", "a c", "j", axis=2)]

#: Nodes behind the same convolution, then ArgMax or ArgMin of the last one's output.
CHOICES = {
    "channels": ([], {}, "t", {"axis": 1}),
    "channels from the back": ([], {}, "t", {"axis": -3, "keepdims": 0}),
    "batch": ([], {}, "t", {}),
    "rows": ([], {}, "t", {"axis": 2}),
    "columns, the last of the largest": ([], {}, "t", {"axis": 3, "select_last_index": 1}),
    "pixels": (PIXELS, {"s": ints(1, 24, 12)}, "c", {"axis": 1, "keepdims": 0}),
    "pixels flat": ([node("Flatten", "t", "f", axis=2)], {}, "f", {"axis": 1}),
    "classes": ([node("GlobalAveragePool", "t", "g"), node("Flatten", "g", "f")], {}, "f",
                {"axis": 1, "keepdims": 0}),
    "one number": ([node("GlobalAveragePool", "t", "g"), node("Squeeze", "g", "f")], {}, "f",
                   {"axis": 0, "keepdims": 0}),
    "probabilities": (
        [node("GlobalAveragePool", "t", "g"), node("Flatten", "g", "f"),
         node("Softmax", "f", "p", axis=1)], {}, "p", {"axis": 1},
    ),
    "anchors": ([node("Reshape", "t s", "a")], {"s": ints(1, 3, 4, 4, 6)}, "a", {"axis": 2}),
    "joined, of each": (JOINED, {"s": ints(1, 12, -1)}, "j", {"axis": 1}),
    "joined, of both": (JOINED, {"s": ints(1, 12, -1)}, "j", {"axis": 2, "keepdims": 0}),
    "many equal": ([node("Relu", "t", "r")], {}, "r", {"axis": 1, "select_last_index": 1}),
}  # fmt: skip


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("end", CHOICES)
def test_index_of_the_largest(end, op):
    nodes, constants, of, attributes = CHOICES[end]
    model = make_net([CONV, *nodes, node(op, of, **attributes)], W | constants, shape=(1, 4, 4, 6))

    assert_outputs_agree(model)

    (view,) = read_network(model).graph.views
    assert view.dtype == "int64"


def test_the_map_and_what_is_chosen_of_it():
    nodes = [CONV, node("ArgMax", "t", axis=1)]

    assert_outputs_agree(make_net(nodes, W, shape=(1, 4, 4, 6), outputs="y t"))


def test_the_largest_of_the_input():
    """The accelerator copies its input: in the file that we write the copy has its scale."""
    assert_outputs_agree(make_net([node("ArgMax", "x", axis=1)], {}, shape=(1, 4, 4, 6)))


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_the_largest_of_integers(kind):
    """As onnxruntime's own quantizer writes it: no DequantizeLinear between."""
    scales = {"xs": np.float32(0.03), "ys": np.float32(0.07), "z": kind(100)}
    nodes = [
        node("QuantizeLinear", "x xs z", "xq"), node("DequantizeLinear", "xq xs z", "xd"),
        node("Conv", "xd w b", "t", pads=[1, 1, 1, 1]), node("QuantizeLinear", "t ys z", "q"),
        node("ArgMax", "q", axis=1),
    ]  # fmt: skip

    assert_outputs_agree(make_net(nodes, W | scales, shape=(1, 4, 4, 6)))


@pytest.mark.parametrize(
    "reader", [node("Cast", "i", to=1), node("Squeeze", "i"), node("Relu", "i"),
               node("Add", "i i"), node("Concat", "i i", axis=1), node("Identity", "i")],
    ids=lambda n: n.op_type,
)  # fmt: skip
def test_an_index_in_the_middle_is_refused(reader):
    model = make_net([CONV, node("ArgMax", "t", "i", axis=1), reader], W, shape=(1, 4, 4, 6))

    with pytest.raises(UnsupportedOpError, match=r"indices; only the end of the model may follow"):
        load_onnx(model)


def test_the_axis_of_an_index_exists():
    model = make_net([CONV, node("ArgMax", "t", "y", "m", axis=4)], W, shape=(1, 4, 4, 6))

    with pytest.raises(ModelError, match=r"node 'm' \(ArgMax\): axis=4 is not within rank 4"):
        load_onnx(model)


@pytest.mark.parametrize("outputs", ["t u v", "v u t", "w1 t w2 v", "r t u"])
def test_many_names_of_few_tensors(outputs):
    nodes = [
        CONV, node("Identity", "t", "u"), node("Relu", "t", "r"), node("Identity", "u", "v"),
        node("Flatten", "r", "w1"), node("Identity", "w1", "w2"),
    ]  # fmt: skip

    assert_outputs_agree(make_net(nodes, W, shape=(1, 4, 4, 6), outputs=outputs))


def test_the_same_output_twice():
    with pytest.raises(ModelError, match="the model has two outputs 't'"):
        load_onnx(make_net([CONV], W, shape=(1, 4, 4, 6), outputs="t t"))


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("view", [None, node("Flatten", "q", "y")])
def test_integers_as_output(kind, view):
    """A model that ends in QuantizeLinear gives integers: so do we, of the same kind."""
    scales = {"xs": np.float32(0.03), "ys": np.float32(0.07), "z": kind(100)}
    nodes = [
        node("QuantizeLinear", "x xs z", "xq"), node("DequantizeLinear", "xq xs z", "xd"),
        node("Conv", "xd w b", "t", pads=[1, 1, 1, 1]), node("QuantizeLinear", "t ys z", "q"),
    ]  # fmt: skip
    nodes += [view] if view else []
    model = make_net(nodes, W | scales, shape=(1, 4, 4, 6), outputs="y" if view else "q")

    imported = read_network(model)

    assert [v.dtype for v in imported.graph.views] == [np.dtype(kind).name]
    assert_int8_agrees(imported, np.random.default_rng(0).standard_normal((1, 4, 4, 6), np.float32))
