"""Legality, shapes and MAC counts of float graphs; each rule seen to fail once."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.errors import ModelError
from accelgen.frontend import load_onnx
from accelgen.inputs.samples import random_samples
from accelgen.ir import Graph, Node, TensorType
from accelgen.ir.macs import count_macs, total_macs
from accelgen.ir.ops import Activation, Add, Concat, Conv2d, GlobalAvgPool, MaxPool, Mul, QConcat
from accelgen.ir.shapes import infer_shape, window_sizes, windows_touch_map
from accelgen.ir.spec import check_float
from accelgen.quant import quantize
from tests.helpers.nets import make_net, node, weights


def tensor(*shape):
    return TensorType(shape, "float32")


def conv_graph():
    """x (1, 6, 5, 4) -> 3x3 convolution, 8 channels, 2 groups, stride (2, 1) -> clip."""
    weight, bias = np.ones((8, 3, 3, 2), np.float32), np.zeros(8, np.float32)
    conv = Conv2d(kernel=(3, 3), stride=(2, 1), pads=(1, 0, 1, 0), groups=2)
    return Graph(
        nodes=(
            Node(name="conv", op=conv, inputs=("x", "w", "b"), output="c"),
            Node(name="relu", op=Activation(kind="clip", params=(0, 6)), inputs=("c",), output="y"),
        ),
        tensors={
            "x": tensor(1, 6, 5, 4), "w": tensor(8, 3, 3, 2), "b": tensor(8),
            "c": tensor(1, 3, 3, 8), "y": tensor(1, 3, 3, 8),
        },
        constants={"w": weight, "b": bias},
        input="x",
        outputs=("y",),
    )  # fmt: skip


def change_node(graph, index, **changes):
    nodes = list(graph.nodes)
    nodes[index] = replace(nodes[index], **changes)
    return replace(graph, nodes=tuple(nodes))


def change(mapping, **changes):
    return {**mapping, **changes}


def test_legal_graph_passes():
    graph = conv_graph()

    assert check_float(graph) is None


BROKEN = {
    "order": (lambda g: replace(g, nodes=g.nodes[::-1]), "reads 'c', which nothing"),
    "names": (lambda g: change_node(g, 1, name="conv"), "two nodes are called 'conv'"),
    "undefined": (lambda g: change_node(g, 1, inputs=("z",)), "reads 'z'"),
    "twice": (lambda g: change_node(g, 1, output="c"), "makes 'c', which exists already"),
    "output": (lambda g: replace(g, outputs=("z",)), "no node makes output 'z'"),
    "constant output": (lambda g: replace(g, outputs=("w",)), "no node makes output 'w'"),
    "input type": (lambda g: replace(g, input="z"), "input 'z' has no type"),
    "kind": (lambda g: change_node(g, 1, op=Activation(kind="sine")), "unknown activation 'sine'"),
    "int8": (lambda g: change_node(g, 1, op=QConcat()), "QConcat is no float operation"),
    "inputs": (lambda g: change_node(g, 1, op=Add()), "has 1 inputs, not 2"),
    "type": (lambda g: replace(g, tensors=change(g.tensors, y=tensor(1, 3, 3, 9))), "is typed as"),
    "groups": (
        lambda g: change_node(g, 0, op=replace(g.nodes[0].op, groups=3)), "divide into 3 groups"
    ),
    "weight": (
        lambda g: change_node(g, 0, op=replace(g.nodes[0].op, kernel=(1, 1))), r"weight 'w' \(o, kh"
    ),
    "kernel": (
        lambda g: change_node(g, 1, op=MaxPool(kernel=(4, 1))), "larger than its 3 x 3 map"
    ),
    "nan": (
        lambda g: replace(g, constants=change(g.constants, b=np.full(8, np.nan, np.float32))),
        "constant 'b' must be float32 without NaN",
    ),
    "shape": (
        lambda g: replace(g, constants=change(g.constants, b=np.zeros(7, np.float32))),
        "constant 'b' is",
    ),
    "double": (
        lambda g: replace(g, constants=change(g.constants, b=np.zeros(8))), "constant 'b' is"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_illegal_graph_is_named(name):
    broken, sentence = BROKEN[name]

    with pytest.raises(ModelError, match=sentence):
        check_float(broken(conv_graph()))


def two_inputs(op, a, b):
    graph = conv_graph()
    node = Node(name="n", op=op, inputs=("a", "b"), output="o")
    return infer_shape(node, {**graph.tensors, "a": tensor(*a), "b": tensor(*b)})


def test_shapes_of_two_inputs():
    assert two_inputs(Add(), (1, 2, 3, 4), (1, 2, 3, 4)) == (1, 2, 3, 4)
    assert two_inputs(Concat(), (1, 2, 3, 4), (1, 2, 3, 6)) == (1, 2, 3, 10)
    assert two_inputs(Mul(), (1, 2, 3, 4), (1, 1, 1, 4)) == (1, 2, 3, 4)
    assert two_inputs(GlobalAvgPool(), (1, 2, 3, 4), (1,)) == (1, 1, 1, 4)


@pytest.mark.parametrize(
    ("op", "b", "sentence"),
    [
        (Add(), (1, 1, 1, 4), "are added"),
        (Concat(), (1, 3, 2, 4), "different sizes are joined"),
        (Mul(), (1, 2, 3, 1), "is multiplied by"),
    ],
)
def test_shapes_that_do_not_fit(op, b, sentence):
    with pytest.raises(ModelError, match=sentence):
        two_inputs(op, (1, 2, 3, 4), b)


def test_macs():
    graph = conv_graph()

    assert count_macs(graph.nodes[0], graph) == 3 * 3 * 8 * 3 * 3 * 2
    assert count_macs(graph.nodes[1], graph) == 0
    assert total_macs(graph) == 1296


def test_macs_of_a_transposed_convolution_leave_out_the_zeros():
    """Every pixel of the input meets every weight once."""
    one = node("ConvTranspose", "x w", strides=[2, 2])

    graph = load_onnx(make_net(one, {"w": weights(3, 5, 2, 2)})).graph
    int8 = quantize(graph, random_samples((1, 8, 8, 3), 0)).graph

    assert total_macs(graph) == total_macs(int8) == 8 * 8 * 3 * 5 * 2 * 2


def test_windows():
    assert window_sizes((3, 2), (2, 1), (1, 3), (1, 0, 0, 2), (8, 8)) == (4, 7)
    assert windows_touch_map((2, 2), (1, 1), (1, 1), (1, 1, 1, 1), (3, 3))
    assert not windows_touch_map((2, 2), (1, 1), (1, 1), (2, 1, 1, 1), (3, 3))
    # Taps left and right of the map, none on it.
    assert not windows_touch_map((1, 2), (1, 1), (1, 2), (0, 1, 0, 1), (1, 1))
