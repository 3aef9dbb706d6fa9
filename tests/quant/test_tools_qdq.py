"""Files of other quantizers, in their own spelling: read, within a step of onnxruntime, or refused.

Each was copied of a file that the tool wrote; docs/numerics.md has the commands.
"""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from accelgen.errors import UnsupportedOpError
from accelgen.flow.network import read_network
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.quant import quantize_imported
from accelgen.quant.compare_ort import compare_ort, run_ort
from tests.helpers.nets import make_net, node, weights

SHAPE = (1, 4, 6, 6)
CHANNELS = 6
FIRST = np.round(weights(CHANNELS, 4, 3, 3, scale=40)).clip(-127, 127).astype(np.int8)
DEPTHWISE = np.round(weights(CHANNELS, 1, 3, 3, scale=40)).clip(-127, 127).astype(np.int8)
PER_CHANNEL = np.float32([0.0235294, 0.0114, 0.00494, 0.0002, 0.0136, 0.0071])
CONSTANTS = {
    "xs": np.float32(0.02), "xz": np.int8(0), "w": FIRST, "wz": np.zeros(6, np.int8),
    "ws": np.linspace(0.002, 0.006, 6, dtype=np.float32), "b": weights(6, seed=1, scale=0.4),
    "c0": np.float32([0]), "c6": np.float32([6]), "as": PER_CHANNEL, "az": np.zeros(6, np.uint8),
    "d": DEPTHWISE, "ds": np.linspace(0.003, 0.008, 6, dtype=np.float32), "e": weights(6, seed=2),
    "ys": np.float32(0.05), "yz": np.int8(3),
}  # fmt: skip
ENTER = [node("QuantizeLinear", "x xs xz", "xq"), node("DequantizeLinear", "xq xs xz", "xd")]
WEIGHT = node("DequantizeLinear", "w ws wz", "wd", axis=0)
CONV = node("Conv", "xd wd b", "t", "first", pads=[1, 1, 1, 1])


def rounded(x, y, of, **attributes):
    return [
        node("QuantizeLinear", f"{x} {of}s {of}z", f"{y}_q", f"Q_{y}", **attributes),
        node("DequantizeLinear", f"{y}_q {of}s {of}z", y, f"DQ_{y}", **attributes),
    ]


def frames(count=3):
    return np.random.default_rng(5).standard_normal((count, 6, 6, 4)).astype(np.float32)


def matches_of(model, *, samples=None):
    """Every layer that onnxruntime knows, none of which is off by more than one; and the outputs
    within two steps."""
    made, x = quantize_imported(read_network(model), samples), frames()
    matches = compare_ort(made.graph, model, x)
    assert matches
    assert max(m.max_difference for m in matches) <= 1, matches
    (want,) = run_ort(model, x)
    got = [next(iter(model_outputs(made.graph, interpret(made.graph, one[None])).values()))
           for one in x]  # fmt: skip
    assert np.abs(np.concatenate(got) - want).max() <= 2.01 * CONSTANTS["ys"]
    return {m.node: m for m in matches}


# NNCF: an activation per channel before a depthwise convolution.

CLIP = node("Clip", "t c0 c6", "r", "relu6")
AFTER = [
    node("DequantizeLinear", "d ds wz", "dd", axis=0),
    node("Conv", "a dd e", "u", "depthwise", group=6, pads=[1, 1, 1, 1]), *rounded("u", "y", "y"),
]  # fmt: skip


def nncf(middle, **constants):
    return make_net([*ENTER, WEIGHT, CONV, *middle, *AFTER], CONSTANTS | constants, shape=SHAPE)


@pytest.mark.parametrize("middle", [CLIP, node("Relu", "t", "r", "relu")], ids=["relu6", "relu"])
def test_nncf_rounds_per_channel_before_a_depthwise_convolution(middle):
    """The integers are the file's own, of the channels whose scale is a hundredth of another's."""
    found = matches_of(nncf([middle, *rounded("r", "a", "a", axis=1)]))

    assert set(found) == {"first", "depthwise"}


def test_nncf_signed_activations_per_channel():
    signed = {"az": np.zeros(6, np.int8)}

    assert set(matches_of(nncf(rounded("t", "a", "a", axis=1), **signed))) == {"first", "depthwise"}


def test_nncf_scales_of_float_weights_and_constant_nodes():
    """As torch.onnx.export writes them: scales are nodes, and weights QuantizeLinear rounds."""
    model = nncf([CLIP, *rounded("r", "a", "a", axis=1)])
    tensor = next(t for t in model.graph.initializer if t.name == "as")
    model.graph.initializer.remove(tensor)
    model.graph.node.insert(0, helper.make_node("Constant", [], ["as"], value=tensor))

    assert "depthwise" in matches_of(model)


def test_nncf_a_channel_that_was_zero_on_all_samples():
    """Its zero point is another than the others'."""
    scales, zero = PER_CHANNEL.copy(), np.full(6, -128, np.int8)
    scales[2], zero[2] = 6.3e-6, 0
    ws, b = CONSTANTS["ws"].copy(), CONSTANTS["b"].copy()
    ws[2], b[2] = 1e-8, -1e-6

    model = nncf([CLIP, *rounded("r", "a", "a", axis=1)], ws=ws, b=b, **{"as": scales, "az": zero})
    found = matches_of(model)

    assert "depthwise" in found


def test_nncf_per_channel_behind_an_addition_needs_samples():
    """What no convolution makes is divided by the channels' factors before it is rounded."""
    middle = [*rounded("t", "v", "y"), node("Add", "v v", "s", "add"), node("Relu", "s", "r"),
              *rounded("r", "a", "a", axis=1)]  # fmt: skip
    model = nncf(middle, **{"as": np.linspace(0.01, 0.02, 6, dtype=np.float32)})

    made = quantize_imported(read_network(model), frames())

    (want,) = run_ort(model, frames())
    got = [next(iter(model_outputs(made.graph, interpret(made.graph, one[None])).values()))
           for one in frames()]  # fmt: skip
    assert np.abs(np.concatenate(got) - want).max() <= 4 * CONSTANTS["ys"]


@pytest.mark.parametrize(
    "last",
    [
        [node("DequantizeLinear", "w ws wz", "dd", axis=0), node("Slice", "a i0 i4 i1", "a4"),
         node("Conv", "a4 dd e", "y", "depthwise")],
        [node("Relu", "a", "y")],
    ],
    ids=["slice", "relu"],
)  # fmt: skip
def test_other_readers_of_scales_per_channel_are_refused(last):
    constants = {"i0": np.array([0]), "i4": np.array([4]), "i1": np.array([1])}
    nodes = [*ENTER, WEIGHT, CONV, CLIP, *rounded("r", "a", "a", axis=1), *last]
    model = make_net(nodes, CONSTANTS | constants, shape=SHAPE)

    with pytest.raises(UnsupportedOpError, match=r"'Q_a' .* per channel.*per_channel=False"):
        read_network(model)


# AMD Quark: nodes that it inserts are at the end of the file.


def test_quark_appends_what_it_inserts():
    nodes = [
        *ENTER, WEIGHT, CONV, *rounded("t", "u", "y"),
        node("GlobalAveragePool", "u", "p_Mul", "pool"), *rounded("p", "y", "y"),
        node("Mul", "p_Mul factor", "p", "p_Mul"),
    ]  # fmt: skip
    model = make_net(nodes, CONSTANTS | {"factor": np.float32(1.0048828)}, shape=SHAPE)

    assert set(matches_of(model)) >= {"first"}
    assert [n.op_type for n in model.graph.node][-1] == "Mul"  # the caller's model stays


# onnxruntime: its own QuantizeLinear, and weights of 4 bits.


def test_onnxruntimes_own_domain():
    model = make_net([*ENTER, WEIGHT, CONV, *rounded("t", "y", "y")], CONSTANTS, shape=SHAPE)
    for one in model.graph.node:
        if one.op_type.endswith("Linear"):
            one.domain = "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    assert set(matches_of(model)) == {"first"}


@pytest.mark.parametrize(("kind", "zero"), [("INT4", 0), ("UINT4", 8)])
@pytest.mark.parametrize("given", ["integers", "floats"])
def test_weights_of_4_bits(kind, zero, given):
    """Their numbers are 8 bit numbers."""
    steps = np.random.default_rng(1).integers(-8, 8, FIRST.shape)
    model = make_net(
        [*ENTER, WEIGHT, CONV, *rounded("t", "y", "y")], CONSTANTS, shape=SHAPE, opset=21
    )
    model.ir_version = 10
    left = [t for t in model.graph.initializer if t.name not in ("w", "wz")]
    del model.graph.initializer[:]
    number = TensorProto.DataType.Value(kind)
    packed = helper.make_tensor("w", number, steps.shape, (steps + zero).ravel())
    zeros = helper.make_tensor("wz", number, (6,), [zero] * 6)
    if given == "floats":  # AddQDQPairToWeight; two numbers are beyond what 4 bits hold
        scales = CONSTANTS["ws"].reshape(-1, 1, 1, 1)
        packed = numpy_helper.from_array(((steps * 1.2) * scales).astype(np.float32), "f")
        model.graph.node.insert(0, node("QuantizeLinear", "f ws wz", "w", axis=0))
    model.graph.initializer.extend([*left, packed, zeros])

    assert set(matches_of(model)) == {"first"}


def test_a_type_without_a_zero_point():
    """Opset 21: output_dtype says what a zero point would."""
    nodes = [
        node("QuantizeLinear", "x xs", "xq", output_dtype=int(TensorProto.INT8)),
        node("DequantizeLinear", "xq xs", "xd"), WEIGHT, CONV, *rounded("t", "y", "y"),
    ]  # fmt: skip
    left = {k: v for k, v in CONSTANTS.items() if k != "xz"}
    model = make_net(nodes, left, shape=SHAPE, opset=21)
    model.ir_version = 10

    assert set(matches_of(model)) == {"first"}


# Brevitas: weights are integers that a Clip narrows, a bias has int32 steps of one scale.


def test_brevitas_clips_the_integers_of_weights():
    nodes = [
        *ENTER, node("Clip", "w low high", "wc"), node("DequantizeLinear", "wc ws0 wz0", "wd"),
        node("DequantizeLinear", "bi bs bz", "bd"),
        node("Conv", "xd wd bd", "t", "first", pads=[1, 1, 1, 1]), *rounded("t", "y", "y"),
    ]  # fmt: skip
    extra = {
        "low": np.int8(-7), "high": np.int8(7), "ws0": np.float32(0.03), "wz0": np.int8(0),
        "bi": np.arange(-3, 3, dtype=np.int32) * 100, "bs": np.float32(0.0006), "bz": np.int32(0),
    }  # fmt: skip

    assert set(matches_of(make_net(nodes, CONSTANTS | extra, shape=SHAPE))) == {"first"}


# Refused, by what helps.

ZERO_16 = {"xz": np.int16(0)}
UNSIGNED = {"w": np.full(FIRST.shape, 250, np.uint8), "wz": np.full(6, 7, np.uint8)}
REFUSED = {
    "onnxruntime int16": (ZERO_16, {}, "type int16; quantize activations to 8 bits"),
    "onnxruntime QUInt8 weights": (UNSIGNED, {}, "asymmetric zero point for 'w'; quantize weights"),
    "int4 in blocks": ({}, {"block_size": 2}, "block_size=2.*per tensor or per output channel"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    constants, attributes, sentence = REFUSED[name]
    weight = node("DequantizeLinear", "w ws wz", "wd", axis=0, **attributes)
    model = make_net(
        [*ENTER, weight, CONV, *rounded("t", "y", "y")], CONSTANTS | constants, shape=SHAPE,
        opset=21,
    )  # fmt: skip

    with pytest.raises(UnsupportedOpError, match=sentence):
        read_network(model)


@pytest.mark.parametrize(
    ("domain", "op", "sentence"),
    [
        ("qonnx.custom_op.general", "Quant", "export_onnx_qcdq, or qonnx's ConvertQONNXtoQCDQ"),
        ("onnx.brevitas", "Quant", "export_onnx_qcdq"),
        ("trt", "TRT_FP8QuantizeLinear", "quantize to int8"),
        ("aimet", "QcQuantizeOp", "to_onnx_qdq"),
        ("mine", "Quant", "standard ai.onnx operators only"),
    ],
)
def test_domains_of_quantizers(domain, op, sentence):
    model = make_net([helper.make_node(op, ["x"], ["y"], domain=domain)], {}, shape=SHAPE)
    model.opset_import.append(helper.make_opsetid(domain, 1))

    with pytest.raises(UnsupportedOpError, match=f"of domain '{domain}'.*{sentence}"):
        read_network(model)


def test_activations_of_4_bits_are_refused():
    model = make_net(
        [*ENTER, WEIGHT, CONV, *rounded("t", "y", "y")], CONSTANTS, shape=SHAPE, opset=21
    )
    zero = next(t for t in model.graph.initializer if t.name == "yz")
    zero.CopyFrom(helper.make_tensor("yz", TensorProto.INT4, (), [0]))

    with pytest.raises(UnsupportedOpError, match="an activation to int4; quantize activations to"):
        read_network(onnx.ModelProto.FromString(model.SerializeToString()))
