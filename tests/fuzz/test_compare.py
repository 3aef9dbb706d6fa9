"""Indices beside onnxruntime's: the same one, or one that is as good."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from accelgen.flow.network import read_network
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.ir import Node, TensorType
from accelgen.ir.ops import QAdd, QAvgPool, QConv2d, QGlobalAvgPool
from accelgen.ir.views import Choice
from accelgen.quant import quantize
from accelgen.zoo import build
from tests.fuzz.cases import Case
from tests.fuzz.compare import (
    Chosen,
    FaultError,
    allowed,
    coarse_scales,
    float_tolerance,
    same,
    squares_overflow,
)  # fmt: skip
from tests.fuzz.judge import judge
from tests.helpers.nets import make_net, node, weights

#: Largest in its row: 1, about the same 3; 0 and 2 are equal, 4 and 5 are 0, 6 and 7 what a softmax
#: makes of all that is small enough.
VALUES = np.array([[[0.5, 2.0, 0.5, 1.99, 0, 0, 4e-38, 4e-38]]], np.float32)


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize(
    ("ours", "theirs", "ties", "fault"),
    [
        (1, 1, "all", ""),
        (1, 3, "all", ""),
        (1, 0, "all", "up to 1.5; 0.02 are allowed"),
        (0, 2, "all", "another of numbers that are equal"),
        (0, 2, "zeros", ""),
        (4, 5, "zeros", "another of numbers that are equal"),
        (4, 5, "none", ""),
        (6, 7, "all", ""),
    ],
)
def test_an_index_that_is_as_good(ours, theirs, ties, fault, keepdims):
    of = {"y": Chosen(VALUES, Choice(axis=2, keepdims=keepdims))}
    shape = (1, 1, 1) if keepdims else (1, 1)
    got, wanted = ({"y": np.full(shape, index)} for index in (ours, theirs))

    def compared():
        same("float differs", got, wanted, 0.01, 0, indices=of, ties=ties)

    if fault:
        with pytest.raises(FaultError, match=fault):
            compared()
    else:
        compared()


@pytest.mark.parametrize(("largest", "overflows"), [(1e17, False), (1e19, True), (np.inf, True)])
def test_squares_beyond_float32_are_seen(largest, overflows):
    one = node("InstanceNormalization", "x s b")
    graph = read_network(make_net(one, {"s": np.ones(3, "f4"), "b": np.zeros(3, "f4")})).graph

    assert squares_overflow(graph, {"x": np.full((1, 8, 8, 3), -largest)}) is overflows


def test_positions_of_a_resize_are_rounded():
    """A hundred steps behind a resize for one before it: a position's rounding is two of them."""
    enter, leave = (
        [
            node("QuantizeLinear", f"{a} {b}s z", f"{b}q"),
            node("DequantizeLinear", f"{b}q {b}s z", c),
        ]
        for a, b, c in (("x", "x", "xd"), ("r", "y", "y"))
    )
    resize = node("Resize", "xd", "r", "resize", mode="linear")
    resize.input.extend(["", "", "sizes"])
    constants = {
        "xs": np.float32(0.03), "ys": np.float32(0.0003), "z": np.int8(0),
        "sizes": np.array([1, 6, 23, 29]),
    }  # fmt: skip
    model = make_net([*enter, resize, *leave], constants, shape=(1, 6, 8, 8))

    verdict = judge(Case(kind="drawn", data=model.SerializeToString(), arch="small"))

    assert verdict.kind == "equal", verdict


#: A map that a Min makes flat, a channel at a time: what is left is a normalization's epsilon.
FLAT = [node("Min", "x k", "m"), node("InstanceNormalization", "m s b", "y")]
FLAT_CONSTANTS = {
    "k": np.float32([-4.2, -4.8, -5.2]).reshape(3, 1, 1), "s": np.float32([3.0, -2.0, 0.5]),
    "b": np.float32([0.1, -0.2, 0.3]),
}  # fmt: skip


def test_a_flat_map_is_as_exact_as_float32_lets_it_be():
    """x / s - m / s of numbers that are equal, s the root of an epsilon: onnxruntime's difference
    is hundreds of roundings of x. Ours, in float64, is the bias (seed 21, case 19193)."""
    model = make_net(FLAT, FLAT_CONSTANTS, shape=(1, 3, 8, 8))
    x = np.random.default_rng(0).standard_normal((1, 8, 8, 3)).astype(np.float32)

    graph = read_network(model).graph
    ours = model_outputs(graph, interpret(graph, x))["y"]
    verdict = judge(Case(kind="drawn", data=model.SerializeToString(), arch="small"))

    assert np.abs(ours - FLAT_CONSTANTS["b"].reshape(1, 3, 1, 1)).max() < 1e-6
    assert verdict.kind == "equal", verdict


@pytest.mark.parametrize("kind", ["InstanceNormalization", "response"])
def test_a_tolerance_is_what_a_rounding_becomes(kind):
    """Numbers of the map moved at random by a millionth of it: the output moves by less than
    is allowed, and by more than a hundredth of that."""
    nodes, constants = [node("InstanceNormalization", "x s b", "y")], FLAT_CONSTANTS
    if kind == "response":
        nodes = [
            node("ReduceL2", "x", "g", axes=[2, 3]), node("ReduceMean", "g", "a", axes=[1]),
            node("Add", "a e", "p"), node("Div", "g p", "q"), node("Mul", "x q", "y"),
        ]  # fmt: skip
        constants = {"e": np.float32(1e-6)}
    graph = read_network(make_net(nodes, constants, shape=(1, 3, 8, 8))).graph
    rng = np.random.default_rng(1)
    x = (5 + 1e-3 * rng.standard_normal((1, 8, 8, 3))).astype(np.float32)

    moved = (x + 1e-6 * 5 * rng.choice([-1, 1], x.shape)).astype(np.float32)
    values = interpret(graph, x)
    before, after = (model_outputs(graph, interpret(graph, v))["y"] for v in (x, moved))
    tolerance = float_tolerance(graph, values)

    assert tolerance / 300 < np.abs(after - before).max() < tolerance


def test_a_mean_of_nothing_is_float32s_noise():
    """The mean of a normalized map: its scale is one of what float32 makes of 0 (seed 27, case
    11129). Ours is 0 exactly."""
    nodes = [
        node("InstanceNormalization", "x s b", "m"), node("ReduceMean", "m", "r", axes=[2, 3]),
        node("Conv", "r w", "y"),
    ]  # fmt: skip
    constants = {"s": np.ones(1, "f4"), "b": np.zeros(1, "f4"), "w": weights(4, 1, 1, 1)}
    model = make_net(nodes, constants, shape=(1, 1, 8, 8))

    verdict = judge(Case(kind="drawn", data=model.SerializeToString(), arch="small"))

    assert verdict.kind == "equal", verdict


#: Steps of the output in one of what is summed, whose scale is that of the input.
FACTOR, SCALE = 2.0**40, np.float32(0.02)


def of_one_sum(kind):
    """A graph of one node that sums 5 x 7 numbers, and its weights, as integers."""
    of_sum = {"multiplier": 2**16, "shift": 16 - 40, "input_zero": -9, "output_zero": 0}
    weight = np.random.default_rng(1).integers(-127, 128, (1, 5, 7, 1)).astype(np.int8)
    constants, inputs = {}, ("x",)
    if kind == "mean":
        op, weight = QGlobalAvgPool(**of_sum), np.ones_like(weight)
    elif kind == "pool":
        op, weight = QAvgPool(kernel=(5, 7), **of_sum), np.ones_like(weight)
    elif kind == "add":
        op = QAdd(multiplier_a=2**16, multiplier_b=-(2**16), offset=0, shift=-24, output_zero=0)
        inputs, weight = ("x", "x2"), np.array([1, -1], np.int8)
    else:
        op = QConv2d(kernel=(5, 7), input_zero=-9, output_zero=0)
        numbers = (weight, np.array([999]), np.array([2**16]), np.array([16 - 40]))
        constants = dict(zip("wbms", numbers, strict=True))
        inputs = ("x", *"wbms")
    node = Node(name="n", op=op, inputs=inputs, output="y")
    tensors = {"x": TensorType((1, 5, 7, 1), "int8")}
    return SimpleNamespace(tensors=tensors, constants=constants), node, weight.ravel()


@pytest.mark.parametrize("kind", ["mean", "pool", "add", "conv"])
def test_a_sum_in_float32_is_off_by_less_than_is_allowed(kind):
    """One term after the other, in any order; and by a thousandth of that at least."""
    graph, node, weight = of_one_sum(kind)
    bias = 999 - 9 * int(weight.sum()) if kind == "conv" else 0
    worst = 0.0
    for seed in range(300):
        q = np.random.default_rng(seed).integers(-128, 128, weight.size) + 9
        total = np.float32(0)
        for term in (q * SCALE).astype(np.float32) * weight.astype(np.float32):
            total += term
        total += np.float32(bias * np.float64(SCALE))
        exact = (int((q * weight.astype(int)).sum()) + bias) * np.float64(SCALE)
        worst = max(worst, abs(float(total) - exact) / SCALE * FACTOR)

    off = allowed(SimpleNamespace(graph=graph), node) - 1

    assert off / 1000 < worst < off


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small"])
def test_nothing_more_is_allowed_where_numbers_are_left(name):
    """Of every layer of a network with scales that its numbers use."""
    made = quantize(read_network(build(name, 64)).graph, frames(64), "minmax")

    assert {allowed(made, one) for one in made.graph.nodes} == {1}


def frames(size):
    """Noise."""
    return np.random.default_rng(0).standard_normal((2, size, size, 3)).astype(np.float32)


#: Half of the numbers are the limit, which is no int8 number of the scale that samples make: the
#: means, which have a scale in the file, are all off to one side, and the rest of their sum is not.
CLIPPED = [
    node("Clip", "x _ k", "r"), node("AveragePool", "r", "g", kernel_shape=[2, 2], strides=[2, 2]),
    node("Flatten", "g", "f"), node("QuantizeLinear", "f s z", "q"),
    node("DequantizeLinear", "q s z", "d"), node("MatMul", "d w", "p"), node("Add", "p b"),
]  # fmt: skip


def test_what_chosen_scales_cost_is_known():
    """It is what the float network with all of them makes (seed 27, cases 14177 and 29537)."""
    constants = {
        "s": np.float32(0.02), "z": np.int8(100), "k": np.float32(-0.5), "b": np.float32(46),
        "w": np.ones((64, 1), np.float32),
    }  # fmt: skip
    model = make_net(CLIPPED, constants, shape=(1, 16, 4, 4))

    verdict = judge(Case(kind="drawn", data=model.SerializeToString(), arch="small"))

    assert verdict.kind == "equal", verdict


@pytest.mark.parametrize(("tensor", "seen"), [("c", True), ("p", False), ("x", True), ("a", True)])
def test_a_scale_that_is_coarser_than_needed(tensor, seen):
    """Of a convolution's output, and of a sum, it is seen; of what shares its scale it is not."""
    nodes = [
        node("Conv", "x w", "c"), node("Sigmoid", "c", "t"), node("Conv", "t w", "c2"),
        node("MaxPool", "c2", "p", kernel_shape=[2, 2]), node("Add", "p p", "a"),
        node("Conv", "a w", "y"),
    ]  # fmt: skip
    graph = read_network(make_net(nodes, {"w": weights(3, 3, 1, 1)})).graph
    x = frames(8)
    made, values = quantize(graph, x, "minmax"), interpret(graph, x)
    fine = made.quantization[tensor]
    coarse = {**made.quantization, tensor: replace(fine, scale=1.1 * fine.scale)}

    assert coarse_scales(graph, made.quantization, {}, values) == []
    assert coarse_scales(graph, coarse, {}, values) == [tensor] * seen
    assert coarse_scales(graph, coarse, {tensor: fine}, values) == []


@pytest.mark.parametrize(("behind", "tensor"), [("Relu", "r"), ("Abs", "a")])
def test_a_sum_is_as_fine_as_factors_reach(behind, tensor):
    """Next to nothing is left of two maps. A Relu behind them is one with the sum, and has its
    scale (seed 31, case 21249)."""
    nodes = [
        node("Conv", "x e", "c"), node("Sub", "x c", "a"), node(behind, "a", "r"),
        node("Conv", "r w", "y"),
    ]  # fmt: skip
    nearly = np.float32(1 + 1e-6) * np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    graph = read_network(make_net(nodes, {"e": nearly, "w": weights(3, 3, 1, 1)})).graph
    x = frames(8)
    made, values = quantize(graph, x, "minmax"), interpret(graph, x)
    chosen = made.quantization[tensor]
    coarse = {**made.quantization, tensor: replace(chosen, scale=1.2 * chosen.scale)}

    assert chosen.scale > 10 * float(np.ptp(values[tensor])) / 255
    assert coarse_scales(graph, made.quantization, {}, values) == []
    assert coarse_scales(graph, coarse, {}, values) == [tensor]
