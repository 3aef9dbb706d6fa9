"""The rewrite: which int8 operations stand for which float ones, and their integers."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.errors import QuantizationError
from accelgen.golden import interpret
from accelgen.golden.arith import MAX_MULTIPLIER, dequantize_array, quantize_array
from accelgen.ir import Quantization, ops
from accelgen.quant import quantize, to_int8
from accelgen.quant.draft import Given
from accelgen.quant.scales import MIN_SCALE
from accelgen.quant.to_int8 import _RULES
from accelgen.quant.weights import integers_of
from tests.quant.nets import Net, everything

Q = Quantization


def kinds(graph):
    return [type(n.op).__name__ for n in graph.nodes]


def scales(graph, **given):
    """A scale for every tensor, each another one, those in ``given`` as given (None: none)."""
    every = {n: Q(0.01 * (i + 1), i) for i, n in enumerate(graph.activations())}
    return {n: q for n, q in (every | given).items() if q is not None}


def test_every_operation_is_rewritten():
    graph, samples = everything()

    model = quantize(graph, samples)

    assert set(kinds(model.graph)) == {
        "QConv2d", "QTable", "QGlobalAvgPool", "QScale", "QAdd", "QMaxPool", "QConcat", "QAvgPool",
        "Softmax",
    }  # fmt: skip
    # Softmax of 5 numbers: what is left of 8 bits after 15 layers of random weights.
    assert min(r.sqnr_db for r in model.report) > 10


def test_names_types_and_ranges_of_every_constant():
    graph, samples = everything()
    int8 = quantize(graph, samples).graph

    for node in int8.nodes:
        assert node.sources
        if isinstance(node.op, ops.QConv2d):
            weight, bias, multiplier, shift = (int8.constants[n] for n in node.inputs[1:])
            assert [a.dtype for a in (weight, bias, multiplier, shift)] == [np.int8] + [
                np.int32
            ] * 3
            assert weight.min() >= -127
            assert 0 <= multiplier.min() <= multiplier.max() <= MAX_MULTIPLIER
            assert 1 <= shift.min() <= shift.max() <= 47
    for name, array in int8.constants.items():
        assert (int8.tensors[name].shape, int8.tensors[name].dtype) == (
            array.shape,
            str(array.dtype),
        )


def test_clip_behind_a_convolution_becomes_its_limits():
    net = Net(4, 4, 3)
    conv = net.conv("x", 4)
    y = net.act(conv, params=(0.0, 6.0))
    graph = net.graph()

    int8 = to_int8(graph, {"x": Q(0.1, 0), y: Q(0.05, -100)})

    (node,) = int8.nodes
    assert (node.output, node.sources) == (y, ("conv2d0", "activation1"))
    assert (node.op.low, node.op.high) == (-100, 20)
    assert conv not in int8.tensors


def test_clip_with_a_scale_before_it_rounds_twice():
    net = Net(4, 4, 3)
    conv = net.conv("x", 4)
    y = net.act(conv)
    graph = net.graph()

    assert kinds(to_int8(graph, scales(graph))) == ["QConv2d", "QTable"]
    same = {"x": Q(0.1, 0), conv: Q(0.05, 7), y: Q(0.05, 7)}
    (node,) = to_int8(graph, same).nodes
    assert (node.op.low, node.op.high) == (7, 127)


def test_clip_behind_an_addition_becomes_its_limits():
    net = Net(4, 4, 3)
    total = net.add(net.conv("x", 3), "x")
    y = net.act(total)
    graph = net.graph()

    int8 = to_int8(graph, scales(graph, **{total: None, y: Q(0.5, -10)}))

    assert int8.nodes[-1].op.low == -10
    assert int8.nodes[-1].output == y


def test_concat_of_other_scales_gets_tables_and_tables_of_tables_are_joined():
    net = Net(4, 4, 3)
    a = net.act(net.conv("x", 2), "sigmoid")
    b = net.conv("x", 2)
    y = net.concat(a, b, b)
    graph = net.graph()

    int8 = to_int8(graph, scales(graph))

    # sigmoid and rescaling are one table; b, read twice, is rescaled once.
    assert kinds(int8) == ["QConv2d", "QConv2d", "QTable", "QTable", "QConcat"]
    assert len({int8.tensors[n].quantization for n in (*int8.nodes[-1].inputs, y)}) == 1
    x = net.samples(1)
    values = interpret(int8, x)
    q = scales(graph)
    twice = quantize_array(dequantize_array(values[b], q[b]), q[y])
    np.testing.assert_array_equal(values[y][..., 2:4], twice)
    np.testing.assert_array_equal(values[y][..., 4:6], twice)


def test_max_pool_of_another_scale_gets_a_table():
    net = Net(4, 4, 3)
    y = net.max_pool("x")
    graph = net.graph()

    int8 = to_int8(graph, scales(graph))

    assert kinds(int8) == ["QMaxPool", "QTable"]
    assert int8.nodes[-1].output == y
    assert kinds(to_int8(graph, {"x": Q(0.1, 0)})) == ["QMaxPool"]
    assert kinds(to_int8(graph, {y: Q(0.1, 0)})) == ["QMaxPool"]


@pytest.mark.parametrize("inner", [None, Q(1 / 255, -128), Q(1 / 16, -128)])
def test_x_times_function_of_x_is_one_table_rounded_where_the_model_rounds(inner):
    net = Net(4, 4, 3)
    x = net.conv("x", 3)
    gate = net.act(x, "sigmoid")
    y = net.mul(x, gate)
    graph = net.graph()
    q = {"x": Q(0.1, 3), x: Q(0.04, -5), y: Q(0.03, -100)}
    if inner:
        q[gate] = inner

    int8 = to_int8(graph, q)

    assert kinds(int8) == ["QConv2d", "QTable"]
    assert int8.nodes[-1].sources == ("activation1", "mul2")
    table = int8.constants[int8.nodes[-1].inputs[1]]
    real = dequantize_array(np.arange(-128, 128).astype(np.int8), q[x]).astype(np.float64)
    sigmoid = 1 / (1 + np.exp(-real))
    if inner:
        sigmoid = dequantize_array(quantize_array(sigmoid, inner), inner)
    np.testing.assert_array_equal(table, quantize_array(real * sigmoid, q[y]))


def test_spelled_out_hard_swish_is_one_table():
    """x * clip(x + 3, 0, 6) / 6 with a scale after every step, as quantizers write it."""
    net = Net(4, 4, 3)
    x = net.conv("x", 3)
    ones = np.ones((3, 1, 1, 1))
    moved = net.conv(x, 3, weight=ones, bias=np.full(3, 3.0), groups=3)
    clipped = net.act(moved, params=(0.0, 6.0))
    product = net.mul(x, clipped)
    y = net.conv(product, 3, weight=ones / 6, bias=np.zeros(3), groups=3)
    graph = net.graph()
    q = {x: Q(0.05, 0), moved: Q(0.05, -60), clipped: Q(0.025, -128), product: Q(0.15, -110)}

    int8 = to_int8(graph, {"x": Q(0.1, 0), **q, y: Q(0.025, -110)})

    assert kinds(int8) == ["QConv2d", "QTable"]
    table = int8.constants[int8.nodes[-1].inputs[1]]
    real = dequantize_array(np.arange(-128, 128).astype(np.int8), q[x])
    expected = quantize_array(real * np.clip(real + 3, 0, 6) / 6, Q(0.025, -110))
    # The product's scale is 6 times coarser than the output's: 3 steps of error at most, and its
    # neighbours' roundings one more.
    assert np.abs(table.astype(int) - expected).max() <= 4


def test_every_operation_of_a_float_graph_has_a_rule():
    """An Activation is a table before rules are asked: every tensor is a function of itself."""
    floats = {op for op in get_args(ops.Op) if not op.int8}

    assert floats == set(_RULES) | {ops.Activation}


def test_product_of_two_maps_has_a_zero_point_each():
    net = Net(4, 4, 3)
    a, b = net.conv("x", 3), net.conv("x", 3)
    y = net.mul(a, b)

    int8 = to_int8(net.graph(), {"x": Q(0.1, 0), a: Q(0.5, 3), b: Q(0.25, -7), y: Q(0.5, 9)})

    op = int8.nodes[-1].op
    assert (op.a_zero, op.b_zero, op.output_zero) == (3, -7, 9)
    assert op.multiplier / 2**op.shift == 0.25


def test_missing_scale_is_a_sentence():
    net = Net(4, 4, 3)
    y = net.act(net.conv("x", 3), "sigmoid")
    graph = net.graph()

    with pytest.raises(
        QuantizationError, match=r"'conv2d0_out', the output of node 'conv2d0', has no"
    ):
        to_int8(graph, {"x": Q(0.1, 0), y: Q(0.1, 0)})
    with pytest.raises(QuantizationError, match=r"'x', the model's input, has no scale"):
        to_int8(graph, {})
    with pytest.raises(QuantizationError, match=f"'{y}', the output of node 'activation1'"):
        to_int8(graph, {"x": Q(0.1, 0), "conv2d0_out": Q(0.1, 0)})


def test_softmax_in_the_middle_is_of_integers():
    net = Net(4, 4, 3)
    s = net.softmax("x")
    net.conv(s, 3)
    graph = net.graph()

    op = to_int8(graph, scales(graph) | {"x": Q(0.5, 3), s: Q(1 / 256, -128)}).nodes[0].op

    assert op.powers[:3] == (1 << 20, round(2**20 * np.exp(-0.5)), round(2**20 * np.exp(-1)))
    assert (op.multiplier / 2**op.shift, op.output_zero) == (256, -128)


def test_nodes_nobody_reads_are_dropped():
    net = Net(4, 4, 3)
    y = net.conv("x", 3)
    net.act(net.conv("x", 3), "tanh")
    graph = net.graph(y)

    assert kinds(to_int8(graph, {"x": Q(0.1, 0), y: Q(0.1, 0)})) == ["QConv2d"]


# Weights.


def test_largest_weight_of_each_channel_is_127():
    rng = np.random.default_rng(1)
    sizes = np.array([1, 1e-6, 1e4, 3, 1]).reshape(5, 1, 1, 1)
    weight = (rng.normal(size=(5, 3, 3, 4)) * sizes).astype(np.float32)
    integers = integers_of(weight, np.zeros(5, np.float32), Q(0.1, 0), "node 'n'")

    assert np.abs(integers.weight.astype(int)).reshape(5, -1).max(axis=1).tolist() == [127] * 5


def test_channels_of_zeros_give_their_bias():
    net = Net(4, 4, 3)
    y = net.conv("x", 3, weight=np.zeros((3, 1, 1, 3)), bias=[0.0, 0.5, -0.25])
    graph = net.graph()

    int8 = to_int8(graph, {"x": Q(0.1, 5), y: Q(1 / 128, 0)})

    value = interpret(int8, net.samples(1))[y]
    assert value.reshape(-1, 3).min(axis=0).tolist() == [0, 64, -32]
    assert value.reshape(-1, 3).max(axis=0).tolist() == [0, 64, -32]


@pytest.mark.parametrize("bias", [1e3, -1e5, 3e6])
def test_bias_too_large_for_its_scale_widens_the_scale(bias):
    """A nearly constant channel: tiny weights beside a large bias."""
    net = Net(4, 4, 3)
    weight = np.full((2, 1, 1, 3), 1e-6)
    y = net.conv("x", 2, weight=weight, bias=[bias, 0.5])
    graph = net.graph()

    int8 = to_int8(graph, {"x": Q(0.1, 5), y: Q(abs(bias) / 100, 0)})

    value = interpret(int8, net.samples(1))[y]
    assert np.abs(value[..., 0] - np.sign(bias) * 100).max() <= 1
    assert np.abs(int8.constants["conv2d0/bias"]).max() < 2**26


def test_very_many_inputs_fit_27_bits():
    rng = np.random.default_rng(2)
    weight = rng.choice([-1, 1], (2, 1, 1, 30_000)).astype(np.float32)
    integers = integers_of(weight, np.zeros(2, np.float32), Q(0.1, -128), "node 'n'")

    worst = 128 * np.abs(integers.weight.astype(int)).sum(axis=(1, 2, 3))
    assert worst.max() < 2**26
    assert integers.weight.max() < 127


@pytest.mark.parametrize(
    ("bias", "scale", "said"),
    [
        (3e38, 2.0**-40, r"bias 3e\+38 is beyond 1.01e\+31"),
        (1e31, 2.0**-64, "bias .* not fit 27 bits"),
    ],
)
def test_hopeless_bias_is_a_sentence(bias, scale, said):
    one, large = np.ones((1, 1, 1, 1), np.float32), np.full(1, bias, np.float32)

    with pytest.raises(QuantizationError, match=f"node 'n': {said}"):
        integers_of(one, large, Q(scale, 0), "node 'n'")


def test_the_largest_bias_fits_behind_the_least_range():
    one, large = np.ones((1, 1, 1, 1), np.float32), np.full(1, 1e31, np.float32)

    made = integers_of(one, large, Q(MIN_SCALE, 0), "node 'n'")

    assert made.bias[0] * made.bias_scale[0] == pytest.approx(1e31)


def test_given_integers_are_used_as_they_are():
    net = Net(4, 4, 3)
    y = net.conv("x", 2)
    graph = net.graph()
    rng = np.random.default_rng(3)
    weight = rng.integers(-127, 128, (2, 1, 1, 3)).astype(np.int8)
    given = Given(
        weight_scales={"w0": np.float32([0.5, 0.25])}, weights={"w0": weight},
        biases={"b0": np.int32([1000, -7])},
    )  # fmt: skip

    int8 = to_int8(graph, {"x": Q(0.5, 3), y: Q(1.0, 0)}, given)

    np.testing.assert_array_equal(int8.constants["conv2d0/weight"], weight)
    sums = weight.astype(int).sum(axis=(1, 2, 3))
    assert int8.constants["conv2d0/bias"].tolist() == [1000 - 3 * sums[0], -7 - 3 * sums[1]]
    factor = int8.constants["conv2d0/multiplier"] / 2.0 ** int8.constants["conv2d0/shift"]
    assert factor.tolist() == [0.25, 0.125]


def test_given_bias_that_leaves_int32_is_a_sentence():
    net = Net(4, 4, 3)
    y = net.conv("x", 1)
    graph = net.graph()
    given = Given(
        weight_scales={"w0": np.float32([0.5])},
        weights={"w0": np.full((1, 1, 1, 3), -127, np.int8)},
        biases={"b0": np.int32([2**31 - 1])},
    )  # fmt: skip

    with pytest.raises(
        QuantizationError, match=r"'conv2d0': bias and zero point .* do not fit int32"
    ):
        to_int8(graph, {"x": Q(0.5, 127), y: Q(1.0, 0)}, given)


@pytest.mark.parametrize("fine", [1e-2, 1e-6, 2.0**-40])
def test_sums_of_any_scale_are_right(fine):
    """Where every sum but 0 leaves int8, it does so by any factor."""
    net = Net(4, 4, 3)
    y = net.conv("x", 2, weight=np.resize([1, 0, -1, 0], (2, 1, 1, 3)), bias=np.zeros(2))
    pooled = net.gap(y)
    twice = net.add(y, y)
    graph = net.graph(y, pooled, twice)
    scales = {"x": Q(1e6, 0), y: Q(fine, 3), pooled: Q(fine * 2.0**-40, -5)}
    scales[twice] = Q(fine * 2.0**-30, 7)
    x = np.random.default_rng(0).integers(-1, 2, (1, 4, 4, 3))

    values = interpret(to_int8(graph, scales), x.astype(np.float32) * 1e6)

    sums = np.einsum("nhwi,oi->nhwo", x, np.resize([1, 0, -1, 0], (2, 3)))
    assert (sums == 0).any()
    np.testing.assert_array_equal(values[y], np.clip(sums * 10**9 + 3, -128, 127))
    means = np.sign((values[y].astype(int) - 3).sum((1, 2), keepdims=True))
    np.testing.assert_array_equal(values[pooled], np.clip(means * 10**9 - 5, -128, 127))
    signs = np.sign(values[y].astype(int) - 3)
    np.testing.assert_array_equal(values[twice], np.clip(signs * 10**9 + 7, -128, 127))


def test_a_constant_between_two_scales_is_as_exact_as_the_table():
    """Not rounded to steps of sums, which a uniform convolution would have."""
    net = Net(1, 256, 1)
    y = net.conv("x", 1, weight=[[[[1]]]], bias=[1.499])
    x, q = np.arange(-128, 128), Q(0.0363, 3)

    values = interpret(
        to_int8(net.graph(), {"x": q, y: Q(0.0255, -20)}),
        ((x - 3) * np.float32(0.0363)).reshape(1, 1, 256, 1).astype(np.float32),
    )  # fmt: skip

    exact = ((x - 3) * np.float64(np.float32(0.0363)) + np.float64(np.float32(1.499))) / 0.0255
    wanted = np.clip(np.rint(exact) - 20, -128, 127)
    np.testing.assert_array_equal(values[y].ravel(), wanted)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from([1e-3, 1.0, 300.0]),
)
def test_int8_is_near_the_float_network(seed, size, c_in, scale):
    net = Net(size, size, c_in, seed)
    dilation = (2, 2) if size > 2 else (1, 1)
    a = net.act(net.conv("x", 6, (3, 3), pads=(1, 1, 1, 1), dilation=dilation))
    net.gap(net.add(net.conv(a, 6, groups=2), a))
    graph, samples = net.graph(), net.samples(8, scale)

    report = quantize(graph, samples, "minmax").report

    # 8 bits are 48 dB; four layers and a few samples leave more than 20.
    assert min(r.sqnr_db for r in report) > 20
