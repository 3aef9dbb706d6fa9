"""Written as QDQ ONNX and read back: the same int8 graph; and onnxruntime runs it."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.errors import OutputError
from accelgen.flow.network import read_network
from accelgen.frontend import load_onnx
from accelgen.golden.arith import dequantize_array
from accelgen.golden.interpret import interpret, walk
from accelgen.golden.outputs import model_outputs
from accelgen.ir import Quantization
from accelgen.ir.activations import COMPARISONS, KINDS
from accelgen.ir.ops import Activation, QAdd
from accelgen.quant import quantize, quantize_imported, write_qdq
from accelgen.quant.compare_ort import compare_ort, run_ort
from accelgen.quant.write_qdq import to_qdq
from accelgen.schedule import schedule
from tests.helpers.nets import make_net, node
from tests.helpers.programs import SMALL, assert_matches_golden
from tests.helpers.second_opinion import assert_outputs_agree
from tests.quant.nets import Net, everything

PARAMS = {"clip": (-0.5, 1.5), "leaky_relu": (0.1,), "elu": (0.5,), "hard_sigmoid": (0.2, 0.5)}
PARAMS["pow"] = (3.0,)
PARAMS |= dict.fromkeys(COMPARISONS.values(), (0.3,))
#: What comes before a function that is not of all numbers: from 0 on, from 1 on, between -1 and 1.
BEFORE = {
    "sqrt": ("abs",), **dict.fromkeys(("log", "reciprocal", "acosh"), ("tanh", "cosh")),
    **dict.fromkeys(("acos", "asin", "atanh"), ("softsign",)),
}  # fmt: skip


def assert_same(a, b):
    """Two int8 graphs are equal to the bit: operations, wiring, types, constants."""
    assert [(n.name, n.op, n.inputs, n.output) for n in a.nodes] == [
        (n.name, n.op, n.inputs, n.output) for n in b.nodes
    ]
    assert (a.tensors, a.input, a.outputs) == (b.tensors, b.input, b.outputs)
    assert a.constants.keys() == b.constants.keys()
    for name, array in a.constants.items():
        assert array.dtype == b.constants[name].dtype
        np.testing.assert_array_equal(array, b.constants[name], err_msg=name)


@pytest.mark.parametrize("seed", range(3))
def test_reading_back_gives_the_same_int8_graph(seed, tmp_path):
    model = quantize(*everything(seed))
    write_qdq(model, tmp_path / "q.onnx")

    imported = load_onnx(tmp_path / "q.onnx")

    assert imported.warnings == ()
    assert_same(model.graph, quantize_imported(imported).graph)


def test_upsampling_is_read_back(tmp_path):
    net = Net(4, 3, 5)
    net.conv(net.upsample(net.act(net.conv("x", 6), "leaky_relu", (0.1,))), 4)
    model = quantize(net.graph(), net.samples(4))
    write_qdq(model, tmp_path / "q.onnx")

    assert [type(n.op).__name__ for n in model.graph.nodes] == [
        "QConv2d", "QTable", "QUpsample", "QConv2d",
    ]  # fmt: skip
    assert_same(model.graph, quantize_imported(load_onnx(tmp_path / "q.onnx")).graph)


@pytest.mark.parametrize("of_itself", [False, True])
def test_differences_are_read_back_and_onnxruntime_agrees(of_itself):
    net = Net(6, 5, 3)
    a = net.act(net.conv("x", 6), "clip")  # never negative: its zero point is far from 0
    b = net.conv("x", 6)
    y = net.act(net.sub(a, b), "clip")
    z = net.conv(net.sub(b, b if of_itself else y), 4)
    graph, samples = net.graph(y, z), net.samples(4)
    model = quantize(graph, samples)
    proto = to_qdq(model)

    assert sum(isinstance(n.op, QAdd) and n.op.multiplier_b < 0 for n in model.graph.nodes) == 2
    assert [n.op_type for n in proto.graph.node].count("Sub") == 2
    assert_same(model.graph, quantize_imported(load_onnx(proto)).graph)
    matches = compare_ort(model.graph, proto, samples)
    assert max(m.max_difference for m in matches) <= 1
    program = schedule(model.graph, SMALL, keep_all=True)
    x = interpret(model.graph, samples[:1])  # the input, quantized, is among the tensors
    assert_matches_golden(program, x[model.graph.input][0], shuffles=(None, 1))


def test_selects_are_read_back(tmp_path):
    net = Net(4, 3, 5)
    y = net.act(net.conv("x", 6), "clip")
    half = net.conv(net.select(y, 1, 3, 5), 3)
    net.conv(net.select(net.concat(net.select(y, 0, 2, 4), half), 5, 0, 4, 1, 3, 2), 4)
    model = quantize(net.graph(), net.samples(4))
    write_qdq(model, tmp_path / "q.onnx")

    kinds = [type(n.op).__name__ for n in model.graph.nodes]
    assert kinds.count("QSelect") == 3
    assert "QTable" not in kinds  # one scale from the first to the last
    assert_same(model.graph, quantize_imported(load_onnx(tmp_path / "q.onnx")).graph)


def test_writing_twice_gives_the_same_file():
    model = quantize(*everything())
    once = to_qdq(model)
    again = to_qdq(quantize_imported(load_onnx(once)))

    def integers(proto):
        return {t.name: t.SerializeToString() for t in proto.graph.initializer}

    assert integers(once) == integers(again)


def test_biases_beyond_float32_survive():
    net = Net(4, 4, 3)
    net.conv("x", 2, weight=np.full((2, 1, 1, 3), 1e-5), bias=[5000.3, -777.7])
    model = quantize(net.graph(), net.samples(2))

    back = quantize_imported(load_onnx(to_qdq(model))).graph

    assert np.abs(model.graph.constants["conv2d0/bias"]).max() > 2**24
    assert_same(model.graph, back)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("params", ["own", "default"])
def test_every_activation_survives_and_onnxruntime_agrees(kind, params):
    net = Net(6, 6, 3)
    row = KINDS[kind]
    own = PARAMS.get(kind, tuple(value for _, value in row.attributes))
    values = own if params == "own" or (row.attributes and not row.params) else ()
    before = net.conv("x", 4)
    for function in BEFORE.get(kind, ()):
        before = net.act(before, function)
    net.act(net.act(before, kind, values), "tanh")
    graph, samples = net.graph(), net.samples(4, 3.0)
    model = quantize(graph, samples)
    proto = to_qdq(model)

    back = quantize_imported(load_onnx(proto)).graph

    for name, array in model.graph.constants.items():
        np.testing.assert_array_equal(array, back.constants[name], err_msg=name)
    matches = compare_ort(model.graph, proto, samples)
    assert len(matches) == len(model.graph.nodes)
    assert max(m.max_difference for m in matches) <= 1


def test_interface_and_names_are_kept():
    graph, samples = everything()
    proto = to_qdq(quantize(graph, samples))

    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*proto.graph.input, *proto.graph.output)
    }
    assert shapes == {"x": [1, 3, 9, 7], graph.outputs[0]: [1, 5]}
    assert {n.name for n in graph.nodes} <= {n.name for n in proto.graph.node}
    assert proto.opset_import[0].version == 17
    onnx.checker.check_model(proto, full_check=True)


def test_maps_stay_maps_and_outputs_may_be_read_inside():
    net = Net(4, 6, 3)
    a = net.act(net.conv("x", 4))
    b = net.conv(a, 2)
    graph = net.graph(a, b)
    model = quantize(graph, net.samples(2))
    x = net.samples(1)

    theirs = run_ort(to_qdq(model), x)

    assert [y.shape for y in theirs] == [(1, 4, 4, 6), (1, 2, 4, 6)]
    ours = dict(walk(model.graph, x))
    for name, y in zip(graph.outputs, theirs, strict=True):
        scale = model.graph.tensors[name].quantization
        real = dequantize_array(ours[name], scale).transpose(0, 3, 1, 2)
        # Two layers, each within one step, the first one's step seen through the second.
        assert np.abs(real - y).max() <= 4 * scale.scale
    assert_same(model.graph, quantize_imported(load_onnx(to_qdq(model))).graph)


def test_scales_that_differ_around_concat_and_max_pool_survive():
    net = Net(6, 6, 3)
    a = net.act(net.conv("x", 4), "sigmoid")
    b = net.conv(a, 4, bias=np.full(4, 30.0))
    c = net.concat(a, b)
    net.conv(net.add(net.max_pool(c), net.avg_pool(c)), 2)
    d = net.conv(a, 1)
    graph = net.graph(net.nodes[-2].output, d)
    model = quantize(graph, net.samples(4))
    proto = to_qdq(model)

    assert [type(n.op).__name__ for n in model.graph.nodes].count("QTable") == 2
    assert_same(model.graph, quantize_imported(load_onnx(proto)).graph)
    matches = compare_ort(model.graph, proto, net.samples(3))
    assert max(m.max_difference for m in matches) <= 1


def test_unwritable_path_is_a_sentence(tmp_path):
    model = quantize(*everything())

    with pytest.raises(OutputError, match=r"cannot write .*No such file or directory"):
        write_qdq(model, tmp_path / "missing" / "q.onnx")


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10_000), st.sampled_from([1e-4, 1.0, 1e4]), st.sampled_from(["mse", "minmax"])
)
def test_any_scale_of_data_survives(seed, scale, method):
    net = Net(5, 4, 2, seed)
    a = net.act(net.conv("x", 4, (3, 3), pads=(1, 1, 1, 1), bias=np.zeros(4)))
    net.gap(net.add(net.conv(a, 4, groups=4), a))
    model = quantize(net.graph(), net.samples(4, scale), method)

    assert_same(model.graph, quantize_imported(load_onnx(to_qdq(model))).graph)


def test_an_average_with_pads_as_large_as_its_kernel():
    """A Pad became part of it; onnxruntime refused the file."""
    net = make_net(
        [node("Pad", "x p", "t", "pad"),
         node("AveragePool", "t", "y", "pool", kernel_shape=[2, 3], count_include_pad=1,
              pads=[1, 0, 0, 1])],
        {"p": np.array([0, 0, 1, 0, 0, 0, 0, 2])}, shape=(1, 3, 5, 6),
    )  # fmt: skip
    x = np.random.default_rng(0).standard_normal((2, 5, 6, 3)).astype(np.float32)
    model = quantize(read_network(net).graph, x)
    file = to_qdq(model)

    assert max(m.max_difference for m in compare_ort(model.graph, file, x)) <= 1
    again = quantize_imported(load_onnx(file)).graph
    made, read = (interpret(g, x)[g.outputs[0]] for g in (model.graph, again))
    np.testing.assert_array_equal(made, read)


def test_onnxruntime_loads_it_with_all_optimizations():
    """Its QLinearAveragePool takes a scale that is no list of one number."""
    graph, samples = everything()
    model = to_qdq(quantize(graph, samples))
    assert "AveragePool" in {n.op_type for n in model.graph.node}

    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.ascontiguousarray(samples[:1].transpose(0, 3, 1, 2))
    got = session.run(None, {session.get_inputs()[0].name: x})

    # Its int8 kernels saturate on processors without VNNI: numbers are compared without them.
    assert got[0].shape == run_ort(model, samples[:1])[0].shape
    scales = [t for t in model.graph.initializer if t.name.endswith(("/scale", "/zero_point"))]
    assert all(not t.dims for t in scales if "weight" not in t.name and "bias" not in t.name)


@pytest.mark.parametrize(("pads", "folded"), [(2, False), (1, True)])
def test_a_pad_as_large_as_the_kernel_of_a_max_pool(pads, folded):
    """It stays a Pad: onnxruntime takes no MaxPool with such pads, dilated or not."""
    pool = node("MaxPool", "p", kernel_shape=[2, 2], dilations=[3, 3])
    nodes = [node("Relu", "x", "r"), node("Pad", "r pads", "p"), pool]
    model = make_net(nodes, {"pads": np.array([0, 0, pads, pads] * 2)})

    assert (len(read_network(model).graph.nodes) == 2) == folded
    assert_outputs_agree(model)


@pytest.mark.parametrize("size", [(7, 13), (8, 8), (6, 9), (9, 6)])
@pytest.mark.parametrize("stride", [(2, 1), (3, 2)])
def test_a_dilated_max_pool_in_ceil_mode(size, stride):
    """Its pads grow as large as its kernel: in the file they are a ceil_mode again."""
    pool = node(
        "MaxPool", "x", kernel_shape=[2, 2], strides=stride, dilations=[2, 3], pads=[1] * 4,
        ceil_mode=1,
    )  # fmt: skip
    assert_outputs_agree(make_net([pool], {}, shape=(1, 3, *size)))
    graph = read_network(make_net([pool], {}, shape=(1, 3, *size))).graph
    x = np.random.default_rng(0).standard_normal((2, *size, 3)).astype(np.float32)
    model = quantize(graph, x)
    file = to_qdq(model)

    assert max(m.max_difference for m in compare_ort(model.graph, file, x)) == 0
    again = quantize_imported(load_onnx(file)).graph
    made, read = (interpret(g, x)[g.outputs[0]] for g in (model.graph, again))
    np.testing.assert_array_equal(made, read)


@pytest.mark.parametrize("op", ["LeakyRelu", "HardSigmoid", "Elu"])
def test_defaults_of_activations_are_read_back(op):
    """ONNX's default of 0.01 is a float32 number: tables of either are equal."""
    model = make_net([node("Conv", "x w", "c"), node(op, "c")], {"w": np.ones((2, 3, 1, 1), "f4")})
    made = read_network(model).graph

    (again,) = [
        n.op for n in load_onnx(to_qdq(quantize(made, _frames()))).graph.nodes if n.op in _ops(made)
    ]

    assert again.params == _ops(made)[-1].params


def _ops(graph):
    return [n.op for n in graph.nodes if isinstance(n.op, Activation)]


def _frames():
    return np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize("view", ["Identity", "Reshape"])
def test_an_output_seen_behind_its_reader_keeps_its_numbers(view):
    """The view of it comes after a QuantizeLinear that has another scale for a reader."""
    constants = {"i": np.array([1, 2]), "s": np.float32(0.02), "z": np.int8(-10),
                 "shape": np.array([1, 2, 64])}  # fmt: skip
    nodes = [
        node("QuantizeLinear", "x s z", "xq"), node("DequantizeLinear", "xq s z", "xr"),
        node("Gather", "xr i", "part", axis=1),
        node("QuantizeLinear", "part s0 z", "q"), node("DequantizeLinear", "q s0 z", "r"),
        node("MaxPool", "r", "y", kernel_shape=[2, 2], strides=[2, 2]),
        node(view, "part" if view == "Identity" else "part shape", "shown"),
    ]  # fmt: skip
    constants["s0"] = np.float32(0.023)
    model = make_net(nodes, constants, outputs="y shown")

    imported = read_network(model)

    # The output is "part" as xr gives it: its own scale is not that of one reader.
    shown = imported.graph.model_outputs()[1].pieces[0].tensor
    assert imported.quantization.get(shown) != Quantization(float(np.float32(0.023)), -10)
    x = _frames()[:1]
    made = quantize_imported(imported, x, "minmax")
    again = quantize_imported(load_onnx(to_qdq(made)))
    ours, read = (model_outputs(m.graph, interpret(m.graph, x)) for m in (made, again))
    for name, values in ours.items():
        np.testing.assert_array_equal(read[name], values)
