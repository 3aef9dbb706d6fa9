"""QLinear operators, as onnxruntime's quantize_static(quant_format=QOperator) writes them."""

import logging

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from accelgen.arch import PRESETS
from accelgen.errors import AccelgenError
from accelgen.flow.network import read_network
from accelgen.flow.verdicts import check_model
from accelgen.frontend import load_onnx
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.quant import quantize_imported
from tests.helpers.nets import make_net, node, weights
from tests.helpers.second_opinion import assert_outputs_agree, ort_outputs

CONSTANTS = {
    "w": weights(8, 3, 3, 3), "b": weights(8), "m": weights(8, 5), "m2": weights(5, 8, seed=1),
    "mb": weights(5), "t": np.full((8, 1, 1), 0.5, np.float32), "four": np.array([4, 4]),
    "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "twice": np.array([1, 1, 2, 2], np.float32),
}  # fmt: skip
RESIZE = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
NODES = [
    node("Conv", "x w b", "a", pads=[1, 1, 1, 1]),
    node("LeakyRelu", "a", "a1", alpha=0.1),
    node("Pad", "a1 pads", "p"),
    node("AveragePool", "p", "ap", kernel_shape=[2, 2], strides=[2, 2]),
    node("Mul", "ap t", "mt"),
    node("Resize", "mt _ twice", "rs", mode="nearest", **RESIZE),
    node("Split", "rs four", "s1 s2", axis=1),
    node("Concat", "s2 s1", "cc", axis=1),
    node("MaxPool", "cc", "mp", kernel_shape=[2, 2], strides=[2, 2]),
    node("Transpose", "mp", "tr", perm=[0, 1, 2, 3]),
    node("GlobalAveragePool", "tr", "g"),
    node("Flatten", "g", "fl"),
    node("Gemm", "fl m mb", "y0"),
    node("MatMul", "fl m", "y1"),
    node("Gemm", "fl m2 mb", "y2", transB=1),
    node("Softmax", "y0", "y"),
    node("Relu", "y1", "y3"),
    node("Clip", "a", "cl"),
]


class Reader(CalibrationDataReader):
    """Noise."""

    def __init__(self):
        frames = np.random.default_rng(0).standard_normal((8, 1, 3, 8, 8)).astype(np.float32)
        self.frames = iter(frames)

    def get_next(self):
        x = next(self.frames, None)
        return None if x is None else {"x": x}


@pytest.fixture
def paths(tmp_path, caplog):
    """A float file, and where to write another."""
    caplog.set_level(logging.ERROR)
    onnx.save(make_net(NODES, CONSTANTS, outputs="y y3 y2 cl"), tmp_path / "float.onnx")
    return tmp_path / "float.onnx", tmp_path / "quantized.onnx"


@pytest.mark.parametrize("per_channel", [False, True])
def test_static(paths, per_channel):
    """Every output but the host's Softmax is onnxruntime's to the bit."""
    quantize_static(
        *map(str, paths), Reader(), quant_format=QuantFormat.QOperator, per_channel=per_channel,
        activation_type=QuantType.QInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    model = onnx.load(paths[1])
    kinds = {n.op_type for n in model.graph.node}
    assert {"QGemm", "QLinearMatMul", "QLinearAveragePool", "QLinearConcat"} <= kinds
    x = np.random.default_rng(1).standard_normal((1, 3, 8, 8)).astype(np.float32)

    report = check_model(paths[1], arch=PRESETS["small"])
    made = quantize_imported(read_network(model)).graph

    assert report.builds
    assert [r.op for r in report.nodes] == [n.op_type for n in model.graph.node]
    got = model_outputs(made, interpret(made, x.transpose(0, 2, 3, 1)))
    wanted = ort_outputs(model, x)
    assert list(got) == list(wanted)
    for name in ("y3", "y2", "cl"):
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-6)
    assert_outputs_agree(model)


def test_alpha_scales_the_bias_too():
    """onnxruntime's kernel multiplies the sum with its bias."""
    given = {
        "s": np.float32(0.05), "z": np.int8(3), "m": weights(192, 4, scale=40).astype(np.int8),
        "ms": np.float32(0.002), "mz": np.int8(0), "b": np.array([9000, -7000, 0, 1], np.int32),
        "ys": np.float32(0.02),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("Flatten", "q", "f"),
        node("QGemm", "f s z m ms mz b ys z", "g", alpha=0.25, domain="com.microsoft"),
        node("DequantizeLinear", "g ys z"),
    ]
    model = make_net(nodes, given)
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))

    assert_outputs_agree(model)


def test_dynamic(paths):
    quantize_dynamic(*map(str, paths))

    report = check_model(paths[1], arch=PRESETS["small"])

    sentence = "DynamicQuantizeLinear, which accelgen does not build; quantize statically"
    assert sentence in report.refusal
    with pytest.raises(AccelgenError, match=sentence):
        load_onnx(paths[1])


SCALES = {
    "s": np.float32(0.05), "z": np.uint8(120), "s2": np.float32(0.1), "s3": np.ones(3, np.float32),
    "b": np.zeros(4, np.int32), "b8": np.zeros(4, np.int8), "t": np.uint8(3),
    "w": weights(4, 3, 1, 1, scale=40).astype(np.int8), "wz": np.int8(0),
    "z3": np.zeros(3, np.int8),
}  # fmt: skip
MS = "com.microsoft"
BAD = {
    "channels_last": (node("QLinearGlobalAveragePool", "q s z s z", channels_last=1, domain=MS),
                      "has channels_last=1, which is not built; export it in QDQ format"),
    "two scales": (node("QLinearAdd", "q s z q s2 z s z", domain=MS), "but the QuantizeLinear"),
    "too many": (node("QLinearSigmoid", "q s z s z z", domain=MS), "has 6 inputs; the operator"),
    "too few": (node("QLinearAdd", "q s z", domain=MS), "lacks its input 6"),
    "concat": (node("QLinearConcat", "s z q s", axis=1, domain=MS), "has 4 inputs; two and three"),
    "softmax": (node("QLinearSoftmax", "q s z s z", opset=9, domain=MS), "has opset=9"),
    "constant": (node("QLinearSigmoid", "t s z s z", domain=MS), "has only constants as inputs"),
    "bias": (node("QLinearConv", "q s z w s wz s z b8"), "bias 'b8' is int8, not int32"),
    "weight scales": (node("QLinearConv", "q s z w s3 z3 s z b"), "does not fit axis=0"),
    "attribute": (node("QLinearAdd", "q s z q s z s z", beta=2, domain=MS), "has beta=2"),
    "output scale": (node("QLinearSigmoid", "q s z s3 z", domain=MS), "activation per channel"),
    "pad": (node("Pad", "q pads t"), "pads integers with 3; pad with the zero point"),
    "pad without": (node("Pad", "q pads"), "pads integers with 0; pad with the zero point"),
    "no scale": (node("QLinearSigmoid", "q s z", domain=MS), "lacks its input 3"),
    "other": (node("QLinearWhere", "q s z s z", domain=MS), "is of domain 'com.microsoft'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused_in_one_sentence(name):
    one, sentence = BAD[name]
    one.name = "bad"
    nodes = [node("QuantizeLinear", "x s z", "q"), one, node("DequantizeLinear", "y s z", "out")]
    model = make_net(nodes, {**CONSTANTS, **SCALES}, outputs="out")

    with pytest.raises(AccelgenError, match="'bad'") as caught:
        load_onnx(model)

    assert sentence in str(caught.value)
    assert check_model(model, arch=PRESETS["small"]).refusal == str(caught.value)


#: Node of integers; the same in QDQ format; of which attributes.
FORMS = {
    "QLinearConv": ("q s z w s wz s z", "Conv", "xd wd", "kernel_shape strides pads dilations"),
    "QLinearAveragePool": ("q s z s z", "AveragePool", "xd", "kernel_shape strides pads"),
    "QGemm": ("f s z m s wz b s z", "Gemm", "fd md bd", "alpha transB"),
    "QLinearLeakyRelu": ("q s z s z", "LeakyRelu", "xd", "alpha"),
    "QLinearSoftmax": ("q s z s z", "Softmax", "xd", "axis"),
    "QLinearConcat": ("s z q s z q s z", "Concat", "xd xd", "axis"),
}
#: Values of an attribute, by its type: the empty ones are those that do not tell it.
VALUES = {
    "INTS": {}, "FLOATS": {}, "STRINGS": {}, "TENSORS": {}, "GRAPHS": {}, "TYPE_PROTOS": {},
    "STRING": {"s": b"one"}, "FLOAT": {"f": 0.5}, "TENSOR": {},
}  # fmt: skip
ATTRIBUTES = [
    (form, attribute, kind)
    for form, (*_, attributes) in FORMS.items()
    for attribute in attributes.split()
    for kind in VALUES
]


@pytest.mark.parametrize(("form", "attribute", "kind"), ATTRIBUTES)
def test_an_attribute_is_what_it_is_to_the_plain_operator(form, attribute, kind):
    """Whatever its type is, and if its value does not tell the type (seed 27, case 1902)."""
    inputs, plain, real, _ = FORMS[form]
    given = {"kernel_shape": [2, 2]} if plain == "AveragePool" else {}
    given |= {"axis": 1} if plain in ("Softmax", "Concat") else {}
    given.pop(attribute, None)
    domain = "" if form == "QLinearConv" else MS
    before = [
        node("QuantizeLinear", "x s z", "q"), node("Flatten", "q", "f"),
        node("DequantizeLinear", "q s z", "xd"), node("DequantizeLinear", "f s z", "fd"),
        node("DequantizeLinear", "w s wz", "wd"), node("DequantizeLinear", "m s wz", "md"),
        node("DequantizeLinear", "b ss", "bd"),
    ]  # fmt: skip
    said = []
    for one, after in (
        (node(form, inputs, "y", "n", domain=domain, **given), []),
        (node(plain, real, "r", "n", **given), [node("QuantizeLinear", "r s z", "y")]),
    ):
        kind_of = onnx.AttributeProto.AttributeType.Value(kind)
        one.attribute.add(name=attribute, type=kind_of, **VALUES[kind])
        constants = SCALES | {
            "m": weights(192, 4, scale=40).astype(np.int8), "ss": np.float32(0.05**2),
        }  # fmt: skip
        nodes = [*before, one, *after, node("DequantizeLinear", "y s z", "out")]
        said.append(_outcome(make_net(nodes, constants, outputs="out")).replace(form, plain))

    assert said[0] == said[1]
    assert said[0] == "read" or f"{attribute}=" in said[0]


def _outcome(model):
    try:
        load_onnx(model)
    except AccelgenError as error:
        return str(error)
    return "read"


@pytest.mark.parametrize("kind", VALUES)
def test_an_opset_that_is_no_number(kind):
    one = node("QLinearSoftmax", "q s z s z", name="n", domain=MS)
    kind_of = onnx.AttributeProto.AttributeType.Value(kind)
    one.attribute.add(name="opset", type=kind_of, **VALUES[kind])
    nodes = [node("QuantizeLinear", "x s z", "q"), one, node("DequantizeLinear", "y s z", "out")]

    with pytest.raises(AccelgenError, match=r"'n' .* opset=.* must be an integer"):
        load_onnx(make_net(nodes, SCALES, outputs="out"))
