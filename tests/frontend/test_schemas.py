"""Every attribute, input and output of every operator we read, at every opset: honoured or refused.

ONNX's own schemas are enumerated: nothing is listed here that they could tell.
"""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as Missing

from accelgen.errors import AccelgenError, ModelError
from accelgen.frontend import load_onnx
from accelgen.frontend.read_model import MAX_OPSET, MIN_OPSET
from accelgen.frontend.registry import IMPORTERS
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.ir.activations import COMPARISONS
from tests.helpers.nets import make_net, node, run_onnx, weights

SHAPE = (1, 4, 6, 8)
C4 = weights(4, seed=3, scale=1.0)
#: Constants that inputs of the operators below may name.
CONSTANTS = {
    "w": weights(4, 4, 3, 3), "w18": weights(18, 4, 3, 3), "w9": weights(9, 4, 3, 3),
    "c4": C4, "pos": np.abs(C4) + 0.5, "m": weights(8, 5),
    "col": weights(4, 1, 1, scale=1.0), "one": np.float32(0.5), "two": np.float32(1.5),
    "slope": np.float32(0.25), "square": np.float32(2), "i4": np.array([2, 0, 3, 1]),
    "split": np.array([1, 3]), "large": np.array([1, 4, 1, 1]),
    "wider": np.array([1, 3, 1, 1]),
    "shape": np.array([1, 4, 48]), "zeros": np.array([0, 0, -1]), "a1": np.array([1]),
    "a23": np.array([2, 3]), "none": np.array([], np.int64),
    "pads": np.array([0, 0, 1, 0, 0, 0, 2, 1]),
    "pads2": np.array([1, 0, 2, 1]), "scales": np.array([1, 1, 2, 2], np.float32),
    "sizes": np.array([1, 4, 12, 16]), "starts": np.array([1]), "ends": np.array([3]),
    "steps": np.array([2]), "yes": np.array(True), "no": np.array(False),
    "half": np.float32(0.5), "nought": np.float32(0), "roi": np.array([], np.float32),
    "sc": np.float32(0.05), "z8": np.int8(3), "zu": np.uint8(130),
    "sc4": np.float32([0.1, 0.2, 0.3, 0.4]),
    "m65": weights(192, 5), "c5": weights(5, seed=4),
    "ones": np.ones(SHAPE[1:], np.float32), "zero": np.zeros(SHAPE[1:], np.float32),
}  # fmt: skip
#: Operator: its inputs, in every number; "t" is a flat tensor, "q" integers, "p i" what a MaxPool
#: makes, "at" and "mask" a DeformConv's, others constants.
INPUTS = {
    "And": ["g l"], "Or": ["g l", "l l"], "Not": ["g"], "Where": ["g x one", "l one x", "g x x"],
    **{op: ["x one", "two x", "x col"] for op in COMPARISONS},
    "Add": ["x x", "x col", "x one", "col x"], "BatchNormalization": ["x c4 c4 c4 pos"],
    "Clip": ["x", "x one", "x _ two", "x one two", "x nought _"], "Concat": ["x x", "x", "x x x"],
    "Conv": ["x w", "x w c4"], "ConvTranspose": ["x w", "x w c4"],
    "DeformConv": ["x w at", "x w at c4", "x w at _ mask", "x w at c4 mask"],
    "DequantizeLinear": ["q sc", "q sc zu"],
    "Div": ["x one", "x col", "one x"], "Dropout": ["x", "x half", "x half no", "x half yes"],
    "Expand": ["x large", "x a1"], "Gather": ["x i4"],
    "GroupNormalization": ["x c4 c4"], "InstanceNormalization": ["x c4 c4"],
    "LayerNormalization": ["x ones", "x ones zero"], "MaxUnpool": ["p i", "p i large"],
    "Gemm": ["t m65", "t m65 c5", "t m65 one"], "MatMul": ["x m", "t m65"],
    "Max": ["x one", "x x", "x"], "Min": ["x one", "x x"],
    "Mul": ["x one", "x col", "x x", "col x"],
    "PRelu": ["x slope", "x col"], "Pow": ["x square", "x two", "x x", "two x"],
    "Pad": ["x", "x pads", "x pads nought", "x pads one", "x pads2 _ a23", "x pads2 nought a23"],
    "QuantizeLinear": ["x sc", "x sc z8", "x sc zu", "x sc4"],
    "ReduceMean": ["x", "x a23", "x a1", "x none"], "Reshape": ["x shape", "x zeros"],
    "Resize": ["x scales", "x roi scales", "x _ scales", "x _ _ sizes", "x roi scales sizes"],
    "Slice": ["x", "x starts ends", "x starts ends a1", "x starts ends a1 steps"],
    "Split": ["x", "x split"], "Squeeze": ["t4", "t4 a23"],
    "Sub": ["x one", "one x", "x col", "x x"],
    "Sum": ["x x", "x x x", "x", "x one"], "Tile": ["x wider", "x large"],
    "Unsqueeze": ["x", "x a1", "x a23"],
    "Upsample": ["x", "x scales"],
}  # fmt: skip
#: Attributes without which an operator would be refused for that alone.
PLAIN = {
    "AveragePool": {"kernel_shape": [2, 2]}, "MaxPool": {"kernel_shape": [2, 2]},
    "Concat": {"axis": 1}, "Cast": {"to": 1}, "Gather": {"axis": 1}, "Split": {"axis": 1},
    "GroupNormalization": {"num_groups": 4}, "LayerNormalization": {"axis": 1}, "LRN": {"size": 3},
    "MaxUnpool": {"kernel_shape": [2, 2], "strides": [2, 2]},
    "ReduceMean": {}, "Resize": {"mode": "nearest"}, "Transpose": {"perm": [0, 2, 3, 1]},
}  # fmt: skip
#: Where the schema of an opset demands an attribute.
NEEDED = {
    "axes": [1], "starts": [1], "ends": [3], "pads": [0, 0, 1, 0, 0, 0, 2, 1], "axis": 1,
    "blocksize": 2, "scales": [1.0, 1.0, 2.0, 2.0],
}  # fmt: skip
PADDINGS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
ROUNDINGS = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
WORDS = (
    *PADDINGS, *ROUNDINGS, "nearest", "linear", "cubic", "constant", "reflect", "edge", "wrap",
    "asymmetric", "half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners",
    "tf_crop_and_resize", "stretch", "not_larger", "up", "none", "tanh", "DCR", "CRD",
)  # fmt: skip
VALUES = {
    "INT": (0, 1, 2, -1, 6), "FLOAT": (0.0, 0.25, 2.0, -1.0), "STRING": WORDS,
    "INTS": ([1, 1], [2, 2], [2, 1], [1, 0, 1, 0], [0, 0, 2, 1], [1], [2, 3], [1, 2], [0, 3, 1, 2],
             [1, 3], [-1], [0, 0, 1, 1, 0, 0, 0, 2], []),
    "FLOATS": ([1.0, 1.0, 3.0, 2.0], [1.0, 1.0, 0.5, 2.0], [2.0, 1.0, 1.0, 1.0], [2.0],
               [1.0, 1.0, np.inf, 1.0], [1.0, 1.0, np.nan, np.nan]),
}  # fmt: skip
#: Words that make sense for an attribute, where it has many.
SENSIBLE = {"auto_pad": PADDINGS, "nearest_mode": ROUNDINGS}


def opsets(op):
    """Opsets at which ``op`` means something else than before."""
    found = {}
    for opset in range(MIN_OPSET, MAX_OPSET + 1):
        try:
            found.setdefault(onnx.defs.get_schema(op, opset, "").since_version, opset)
        except onnx.defs.SchemaError:
            continue
    return found.values()


def variants(op, schema):
    """Inputs, number of outputs and attributes: each way one thing differs from the plain node."""
    plain = {k: v for k, v in PLAIN.get(op, {}).items() if k in schema.attributes}
    for name, attribute in schema.attributes.items():
        if attribute.required and name not in plain and name in NEEDED:
            plain[name] = NEEDED[name]
    inputs = [i for i in INPUTS.get(op, ["x"]) if len(i.split()) <= schema.max_input]
    inputs = [i for i in inputs if len(i.split()) >= schema.min_input]
    for given in inputs:
        yield given, 1, plain
    for outputs in range(2, min(schema.max_output, 5) + 1):
        yield inputs[-1], outputs, plain
    for name, attribute in schema.attributes.items():
        kind = str(attribute.type).rpartition(".")[2]
        for value in VALUES.get(kind, ()):
            if value in SENSIBLE.get(name, (value,)):
                yield inputs[-1], 1, {**plain, name: value}


def model_of(op, opset, given, outputs, attributes):
    """The operator between a Relu and a Relu, so that no output is an input."""
    named = " ".join(f"y{i}" for i in range(outputs))
    before = [node("Relu", "in", "x")]
    if {"t", "t4"} & set(given.split()):
        before += [node("Flatten", "x", "t"), node("GlobalAveragePool", "x", "t4")]
    if "p" in given.split():
        before += [node("MaxPool", "x", "p i", kernel_shape=[2, 2], strides=[2, 2])]
    if "at" in given.split():
        before += [node("Conv", "x w18", "at"), node("Conv", "x w9", "mask")]
    if {"g", "l"} & set(given.split()):
        before += [node("Greater", "x half", "g"), node("Less", "x two", "l")]
    if "q" in given.split():
        before += [node("QuantizeLinear", "x sc zu", "q")]
    after = {
        "QuantizeLinear": [node("DequantizeLinear", "y0 sc", "y")],
        "Shape": [node("Reshape", "x y0", "y")],
        **{op: [node("Cast", "y0", "y", to=1)] for op in (*COMPARISONS, "And", "Or", "Not")},
    }.get(op, [])
    one = node(op, given, named, op)
    for name, value in attributes.items():
        kind = onnx.AttributeProto.INTS if value == [] else None
        one.attribute.append(onnx.helper.make_attribute(name, value, attr_type=kind))
    ends = ["y"] if after else [f"y{i}" for i in range(outputs)]
    nodes = [*before, one, *after]
    nodes[0].input[0] = "x0"
    used = {name for n in nodes for name in n.input}
    model = make_net(
        nodes, {k: v for k, v in CONSTANTS.items() if k in used}, shape=SHAPE,
        outputs=" ".join(ends), opset=opset,
    )  # fmt: skip
    model.graph.input[0].name = "x0"
    for value in model.graph.output:
        value.type.Clear()
    return model


def judged(model):
    """One of "refused", "equal", or what is wrong."""
    try:
        imported = load_onnx(model)
    except AccelgenError:
        return "refused"
    x = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    # onnxruntime's makes NaN of numbers that are all equal.
    odd = any(n.op_type == "MeanVarianceNormalization" for n in model.graph.node)
    try:
        wanted = ReferenceEvaluator(model).run(None, {"x0": x}) if odd else run_onnx(model, x)
    except Missing:  # of opset 28 onnxruntime 1.32 lacks a few: then onnx itself says it
        wanted = ReferenceEvaluator(model).run(None, {"x0": x})
    except Exception as error:  # whatever onnxruntime raises
        return f"onnxruntime refuses it: {str(error)[:200]}"
    ours = x if imported.input_layout == "nhwc" else x.transpose(0, 2, 3, 1)
    got = list(model_outputs(imported.graph, interpret(imported.graph, ours)).values())
    # The graph is float: Q and DQ only say scales.
    atol = 0.026 if imported.quantization else 1e-4
    for a, b in zip(got, wanted, strict=True):
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-4, atol=atol, equal_nan=True):
            return f"{a.shape} {b.shape} differ"
    return "equal"


@pytest.mark.parametrize("op", IMPORTERS)
def test_honoured_or_refused(op):
    counts = {"refused": 0, "equal": 0}
    for opset in opsets(op):
        schema = onnx.defs.get_schema(op, opset, "")
        for given, outputs, attributes in variants(op, schema):
            what = f"{op} of opset {opset} ({given}) -> {outputs} {attributes}"
            verdict = judged(model_of(op, opset, given, outputs, attributes))
            assert verdict in counts, f"{what}: {verdict}"
            counts[verdict] += 1
    assert counts["equal"], "no way to use it was read"


@pytest.mark.parametrize("opset", [9, 13, 14, 17])
@pytest.mark.parametrize("outputs", [2, 3, 4, 5])
def test_outputs_of_a_batch_normalization(opset, outputs):
    """In inference it has one; before opset 14 all five may stand there, unused."""
    named = " ".join(["y", *(f"o{i}" for i in range(1, outputs))])
    one = node("BatchNormalization", "x v v v v", named, "bad")
    model = make_net(one, {"v": np.ones(3, np.float32)}, opset=opset)

    if opset < 14 and outputs == 5:
        assert len(load_onnx(model).graph.nodes) == 1
        return
    with pytest.raises(ModelError, match=r"'bad' .* outputs"):
        load_onnx(model)


@pytest.mark.parametrize("op", ["Constant", "ConstantOfShape"])
def test_tensor_of_negative_size(op):
    given = {"s": np.array([1, 3, 8, 8])} if op == "ConstantOfShape" else {}
    value = onnx.helper.make_tensor("t", onnx.TensorProto.FLOAT, [1], [1.0])
    value.dims.append(-(2**63))
    made = node(op, " ".join(given), "c", "bad", value=value)

    with pytest.raises(ModelError, match=r"'bad' .*value is a tensor of negative size"):
        load_onnx(make_net([made, node("Relu", "x")], given))
