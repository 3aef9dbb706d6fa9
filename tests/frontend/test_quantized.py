"""QDQ models: the float graph behind them, their scales, and their integers."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from accelgen.errors import ModelError, UnsupportedOpError
from accelgen.frontend import load_onnx
from accelgen.ir import Quantization
from accelgen.ir.ops import Activation, Conv2d
from accelgen.passes import run_passes
from tests.helpers import nets
from tests.helpers.nets import make_net, node, weights

SCALES = {
    "xs": np.float32(0.05), "xz": np.uint8(120), "ys": np.float32(0.1), "yz": np.int8(-5),
    "ws": np.array([0.01, 0.02, 0.03, 0.04], np.float32), "wz": np.zeros(4, np.int8),
}  # fmt: skip


def conv_net(*, weight=None, opset=13, extra=None, wire="w", **constants):
    """x -> Q DQ (uint8) -> Conv (int8 weight) -> Q DQ (int8) -> y."""
    w = np.random.default_rng(1).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    b = np.array([100, -200, 2**30, 7], np.int32)
    bs = (SCALES["ws"] * SCALES["xs"]).astype(np.float32)
    everything = {**SCALES, "w": w if weight is None else weight, "b": b, "bs": bs, **constants}
    return make_net(
        [
            node("QuantizeLinear", "x xs xz", "xq"),
            node("DequantizeLinear", "xq xs xz", "xd"),
            node("DequantizeLinear", f"{wire} ws wz", "wd", axis=0),
            node("DequantizeLinear", "b bs", "bd", axis=0),
            node("Conv", "xd wd bd", "c", "conv"),
            node("QuantizeLinear", "c ys yz", "cq"),
            node("DequantizeLinear", "cq ys yz", "y"),
            *(extra or []),
        ],
        everything,
        opset=opset,
    )


def test_scales_integers_and_names():
    imported = load_onnx(conv_net())
    graph = imported.graph
    (conv,) = graph.nodes
    w, b = conv.inputs[1:]

    assert imported.quantization == {
        "x": Quantization(float(np.float32(0.05)), -8),
        "y": Quantization(float(np.float32(0.1)), -5),
    }
    np.testing.assert_array_equal(imported.weight_scales[w], SCALES["ws"])
    assert imported.integer_weights[w].dtype == np.int8
    assert imported.integer_weights[w].shape == (4, 3, 3, 3)
    products = imported.integer_weights[w] * SCALES["ws"].reshape(-1, 1, 1, 1)
    np.testing.assert_array_equal(graph.constants[w], products)
    np.testing.assert_array_equal(imported.integer_biases[b], [100, -200, 2**30, 7])
    assert imported.warnings == ()


def test_weight_quantized_from_float_by_its_own_node():
    w = weights(4, 3, 3, 3)
    model = conv_net(w=w)
    model.graph.node.insert(0, node("QuantizeLinear", "w ws wz", "wq", axis=0))
    model.graph.node[3].input[0] = "wq"

    imported = load_onnx(model)

    name = imported.graph.nodes[0].inputs[1]
    steps = np.rint(w / SCALES["ws"].reshape(-1, 1, 1, 1)).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(imported.integer_weights[name], np.clip(steps, -127, 127))


def test_minus_128_becomes_minus_127_with_a_warning():
    w = np.full((4, 3, 3, 3), -128, np.int8)

    imported = load_onnx(conv_net(weight=w))

    assert imported.integer_weights["w"].min() == -127
    assert "'w' has 108 values of -128" in imported.warnings[0]
    np.testing.assert_array_equal(imported.graph.constants["w"][1], np.float32(-127 * 0.02))


def test_unsigned_weights_with_zero_point_128_are_symmetric():
    w = np.random.default_rng(1).integers(1, 256, (4, 3, 3, 3)).astype(np.uint8)

    imported = load_onnx(conv_net(weight=w, wz=np.full(4, 128, np.uint8)))

    np.testing.assert_array_equal(
        imported.integer_weights["w"], (w.astype(int) - 128).transpose(0, 2, 3, 1)
    )


def test_asymmetric_weights_are_rejected():
    w = np.full((4, 3, 3, 3), 255, np.uint8)

    with pytest.raises(
        UnsupportedOpError, match=r"asymmetric zero point for 'w'; quantize weights"
    ):
        load_onnx(conv_net(weight=w, wz=np.full(4, 3, np.uint8)))


def test_per_tensor_weight_scale_is_repeated():
    imported = load_onnx(conv_net(ws=np.float32(0.5), wz=np.int8(0)))

    np.testing.assert_array_equal(imported.weight_scales["w"], np.full(4, 0.5, np.float32))


def test_second_scale_of_one_tensor_is_a_node():
    extra = [
        node("QuantizeLinear", "y xs xz", "zq"),
        node("DequantizeLinear", "zq xs xz", "z", "again"),
    ]
    model = conv_net(extra=extra)
    model.graph.output[0].name = "z"

    imported = load_onnx(model)

    assert [type(n.op) for n in imported.graph.nodes] == [Conv2d, Activation]
    assert imported.graph.nodes[1].op.kind == "identity"
    assert len(run_passes(imported.graph).nodes) == 2
    assert imported.quantization["z"].zero_point == -8


def test_gemm_weights_keep_their_integers_on_a_map():
    w = np.random.default_rng(1).integers(-127, 128, (12, 4)).astype(np.int8)
    nodes = [
        node("QuantizeLinear", "x xs xz", "xq"), node("DequantizeLinear", "xq xs xz", "xd"),
        node("Flatten", "xd", "f"), node("DequantizeLinear", "w ws wz", "wd", axis=1),
        node("Gemm", "f wd"),
    ]  # fmt: skip
    imported = load_onnx(make_net(nodes, {**SCALES, "w": w}, shape=(1, 3, 2, 2)))

    expected = w.T.reshape(4, 3, 2, 2).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(imported.integer_weights["w"], expected)
    np.testing.assert_array_equal(imported.weight_scales["w"], SCALES["ws"])


def test_scales_along_inputs_are_dropped_with_a_warning():
    w = np.random.default_rng(1).integers(-127, 128, (4, 3, 1, 1)).astype(np.int8)
    model = conv_net(weight=w, ws=np.array([1, 2, 3], np.float32), wz=np.zeros(3, np.int8))
    model.graph.node[2].attribute[0].i = 1

    imported = load_onnx(model)

    assert imported.integer_weights == {}
    assert "quantized along axis 1" in imported.warnings[0]
    expected = (w * np.array([1, 2, 3], np.float32).reshape(1, 3, 1, 1)).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(imported.graph.constants["w"], expected)


def test_integer_input_needs_no_quantize():
    nodes = [node("DequantizeLinear", "x xs xz", "xd"), node("Relu", "xd")]
    model = make_net(nodes, SCALES, kind=TensorProto.UINT8)

    assert load_onnx(model).quantization["x"].zero_point == -8


@pytest.mark.parametrize(
    ("constants", "error", "sentence"),
    [
        ({"xs": np.float32(0)}, ModelError, "scale 'xs' is 0, and must be positive"),
        ({"xs": np.float32("nan")}, ModelError, "initializer 'xs' holds NaN"),
        ({"xs": np.ones(3, np.float32)}, ModelError, "scale and zero point|per channel"),
        ({"ws": np.ones(3, np.float32)}, ModelError, "differ in shape"),
        ({"xz": np.int32(3)}, UnsupportedOpError, "quantizes an activation to int32"),
        ({"xz": np.uint16(3)}, UnsupportedOpError, "zero point of type uint16"),
        ({"w": np.zeros((4, 3, 3, 3), np.int16)}, UnsupportedOpError, "of type int16"),
    ],
)
def test_bad_scales(constants, error, sentence):
    with pytest.raises((error, UnsupportedOpError), match=sentence):
        load_onnx(conv_net(**constants))


def test_quantize_and_dequantize_must_agree():
    model = conv_net()
    model.graph.node[1].input[1] = "ys"

    with pytest.raises(UnsupportedOpError, match="both must have the same scale and zero point"):
        load_onnx(model)


def test_operators_on_integers_are_rejected():
    model = conv_net()
    model.graph.node[4].input[0] = "xq"

    with pytest.raises(UnsupportedOpError, match="integer tensor 'xq'; export the model in QDQ"):
        load_onnx(model)


def test_qoperator_of_floats_is_rejected():
    model = make_net(node("QLinearConv", "x xs xz w ws wz ys yz", name="q"), SCALES)

    with pytest.raises(UnsupportedOpError, match=r"'q' \(QLinearConv\) reads the float tensor 'x'"):
        load_onnx(model)


# As onnxruntime writes them.


class Samples:
    """Calibration data of quantize_static."""

    def __init__(self, shape):
        rng = np.random.default_rng(3)
        self.batches = [{"x": rng.standard_normal(shape).astype(np.float32)} for _ in range(4)]

    def get_next(self):
        return self.batches.pop() if self.batches else None


def quantize_by_ort(model, tmp_path, **options):
    from onnxruntime.quantization import QuantFormat, quantize_static

    source, target = tmp_path / "float.onnx", tmp_path / "qdq.onnx"
    onnx.save(model, source)
    dims = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    quantize_static(source, target, Samples(dims), quant_format=QuantFormat.QDQ, **options)
    return target


def kinds_but_clips(graph):
    """onnxruntime drops Relu and Clip where the range of the integers clips as well."""
    kinds = [(type(n.op).__name__, getattr(n.op, "kind", "")) for n in graph.nodes]
    return [kind for kind in kinds if kind != ("Activation", "clip")]


@pytest.mark.filterwarnings("ignore")  # onnxruntime's and onnx's own
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", ["QInt8", "QUInt8"])
@pytest.mark.parametrize(
    "net",
    [
        nets.conv_relu, nets.residual, nets.squeeze_excite, nets.inverted_residual, nets.concat_net,
        nets.pool_classifier,
    ],
)  # fmt: skip
def test_models_of_quantize_static(net, kind, per_channel, tmp_path):
    from onnxruntime.quantization import QuantType

    model = net()
    path = quantize_by_ort(
        model,
        tmp_path,
        activation_type=QuantType[kind],
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
    )

    imported = load_onnx(path)
    graph = run_passes(imported.graph)
    float_graph = run_passes(load_onnx(model).graph)

    assert kinds_but_clips(graph) == kinds_but_clips(float_graph)
    assert set(imported.quantization) <= set(imported.graph.activations())
    convolutions = [n for n in graph.nodes if isinstance(n.op, Conv2d)]
    assert len(imported.integer_weights) == len(convolutions)
    for conv in convolutions:
        assert {conv.inputs[0], conv.output} <= set(imported.quantization)
        name = conv.inputs[1]
        scales = imported.weight_scales[name].reshape(-1, 1, 1, 1)
        np.testing.assert_array_equal(
            graph.constants[name], imported.integer_weights[name] * scales
        )


@pytest.mark.parametrize("opset", [10, 12])
def test_older_opsets_know_one_scale_per_tensor(opset):
    model = make_net(
        [
            node("QuantizeLinear", "x xs xz", "q"),
            node("DequantizeLinear", "q xs xz", "d"),
            node("Relu", "d"),
        ],
        SCALES,
        opset=opset,
    )

    assert load_onnx(model).quantization["x"] == Quantization(float(np.float32(0.05)), -8)
