"""Scales that a file has: used as they are, or refused in one sentence, wherever they stand."""

import warnings

import numpy as np
import pytest

from accelgen.arch import PRESETS
from accelgen.errors import AccelgenError, QuantizationError
from accelgen.flow.network import read_network
from accelgen.flow.verdicts import check_model
from accelgen.ir import LARGEST_SCALE, SMALLEST_SCALE, Quantization
from accelgen.quant import quantize, quantize_imported
from accelgen.quant.scales import LARGEST_NUMBER, Range, quantization_of
from accelgen.quant.weights import integers_of
from tests.fuzz.cases import Case
from tests.fuzz.judge import judge
from tests.helpers.nets import make_net, node

SHAPE = (1, 3, 6, 6)
WEIGHT = np.random.default_rng(1).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
SCALES = {
    "xs": np.float32(0.05), "ys": np.float32(0.1), "ws": np.float32([0.01, 0.02, 0.03, 0.04]),
    "bs": np.float32([0.0005, 0.001, 0.0015, 0.002]), "zs": np.float32(0.2), "z": np.int8(3),
}  # fmt: skip
CONSTANTS = {
    **SCALES, "w": WEIGHT, "wz": np.zeros(4, np.int8), "b": np.int32([9, -200, 77, 0]),
}  # fmt: skip
QDQ = [
    node("QuantizeLinear", "x xs z", "xq"),
    node("DequantizeLinear", "xq xs z", "xd"),
    node("DequantizeLinear", "w ws wz", "wd", axis=0),
    node("DequantizeLinear", "b bs", "bd", axis=0),
    node("Conv", "xd wd bd", "c"),
    node("QuantizeLinear", "c ys z", "cq"),
    node("DequantizeLinear", "cq ys z", "cd"),
    node("Sigmoid", "cd", "s"),
    node("QuantizeLinear", "s zs z", "sq"),
    node("DequantizeLinear", "sq zs z", "y"),
]
QOPERATOR = [
    QDQ[0],
    node("QLinearConv", "xq xs z w ws wz ys z b", "cq"),
    *QDQ[6:],
]
BAD = [np.inf, np.nan, -0.01, 0, 1e-45, 1e-38, 1e29, 3e38]


def built(nodes, constants):
    model = make_net(nodes, {**CONSTANTS, **constants}, shape=SHAPE)
    return model.SerializeToString()


def refusal(model):
    """What check and compiler say, warnings being errors: one sentence, and the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checked = check_model(model, arch=PRESETS["ultra96"]).refusal
        with pytest.raises(AccelgenError) as caught:
            quantize_imported(read_network(model))
    assert checked == str(caught.value)
    assert checked.isprintable()
    return checked


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("place", ["xs", "ys", "ws", "bs", "zs"])
def test_a_scale_that_is_none(place, bad):
    """The fuzzer's seed 23, case 4802: 3e38 as a scale; 128 of it are no float32 number."""
    scale = np.array(SCALES[place])
    scale.reshape(-1)[-1] = bad

    said = refusal(built(QDQ, {place: scale}))

    assert f"'{place}'" in said
    assert "quantize the model anew" in said or "holds NaN or infinity" in said


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("place", ["xs", "ys", "ws"])
def test_a_scale_of_an_operator_on_integers(place, bad):
    scale = np.array(SCALES[place])
    scale.reshape(-1)[-1] = bad

    assert f"'{place}'" in refusal(built(QOPERATOR, {place: scale}))


def test_a_scale_of_an_activation_is_no_noise():
    assert "'xs' of an activation is 1e-20" in refusal(built(QDQ, {"xs": np.float32(1e-20)}))


@pytest.mark.parametrize(("xs", "ws"), [(1e20, 1e20), (1e-10, 1e-30)])
@pytest.mark.parametrize("nodes", [QDQ, QOPERATOR], ids=["qdq", "qoperator"])
def test_two_scales_that_are_none_together(nodes, xs, ws):
    scales = {"xs": np.float32(xs), "ws": np.full(4, ws, np.float32)}
    if nodes is QDQ:
        scales["bs"] = np.full(4, min(max(xs * ws, 2e-38), 1e28), np.float32)

    said = refusal(built(nodes, scales))

    assert "scales of input and weight" in said or "the scale of bias 'b'" in said, said


def test_a_bias_that_its_sums_are_too_coarse_for():
    """A step of the sums is 500 of the output: the bias would be rounded to none of them."""
    said = refusal(built(QDQ, {"xs": np.float32(1000)}))

    assert "its bias in steps of its sums is" in said


@pytest.mark.parametrize(
    "scales",
    [
        {"ws": np.float32([0.01, 2e-38, 0.03, 0.04]), "b": np.zeros(4, np.int32)},
        {"xs": np.float32(1e-9), "b": np.zeros(4, np.int32)},
        {"ys": np.float32(LARGEST_SCALE)},
        {"ys": np.float32(SMALLEST_SCALE), "bs": np.float32([0.0005, 0.001, 0.0015, 0.002])},
        {"zs": np.float32(1e20)},
    ],
)
@pytest.mark.parametrize("nodes", [QDQ, QOPERATOR], ids=["qdq", "qoperator"])
def test_scales_at_the_limits_are_right(nodes, scales):
    """A channel that has died, an output that is all of one number: as onnxruntime has it, in the
    file and in the one that is written."""
    if nodes is QDQ and "b" in scales:
        sums = scales.get("xs", SCALES["xs"]) * scales.get("ws", SCALES["ws"])
        scales = {**scales, "bs": np.maximum(sums, np.float32(2.0**-126))}

    verdict = judge(Case(kind="drawn", data=built(nodes, scales), arch="ultra96"))

    assert verdict.kind == "equal", verdict


def test_a_constant_that_is_rounded_to_the_ends():
    """1e30 in steps of 1e-30: the largest of them."""
    large = {"k": np.full((4, 3, 3, 3), 1e30, np.float32), "ks": np.float32(1e-30)}
    nodes = [*QDQ[:2], node("QuantizeLinear", "k ks zz", "w"), *QDQ[2:]]
    constants = {**CONSTANTS, **large, "zz": np.int8(0)}
    del constants["w"]

    model = make_net(nodes, constants, shape=SHAPE).SerializeToString()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (weight,) = read_network(model).integer_weights.values()

    assert (weight == 127).all()


def test_a_range_that_no_scale_covers():
    span = Range(-LARGEST_NUMBER, LARGEST_NUMBER)
    assert quantization_of(span).scale <= LARGEST_SCALE
    for high in (1.1e31, np.inf, np.nan):
        with pytest.raises(QuantizationError, match=r"a range of 0 to .* has no scale"):
            quantization_of(Range(0, high))


def test_calibration_names_the_tensor_that_no_scale_covers():
    model = make_net(node("Relu", "x"), {}, shape=SHAPE)
    graph = read_network(model).graph

    with pytest.raises(QuantizationError, match=r"tensor 'x' reaches 1e\+32 on calibration"):
        quantize(graph, np.full((1, 6, 6, 3), 1e32, np.float32))


@pytest.mark.parametrize(
    "how", [{"alpha": 3e38}, {"alpha": np.inf}, {"beta": 3e38}, {"beta": np.nan}]
)
@pytest.mark.parametrize("rounded", [False, True])
def test_factors_of_a_gemm_leave_numbers(rounded, how):
    constants = {"m": np.full((108, 4), 7, np.int8), "b": np.float32([1, 2, 3, 4])}
    if rounded:
        nodes = [
            *QDQ[:2], node("Flatten", "xd", "f"), node("DequantizeLinear", "m ws wz", "md", axis=1),
            node("Gemm", "f md b", "c", **how), *QDQ[5:6], node("DequantizeLinear", "cq ys z", "y"),
        ]  # fmt: skip
    else:
        nodes = [node("Flatten", "x", "f"), node("Gemm", "f m b", "y", **how)]
        constants["m"] = constants["m"].astype(np.float32)
    model = make_net(nodes, {**CONSTANTS, **constants}, shape=SHAPE).SerializeToString()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = check_model(model, arch=PRESETS["ultra96"]).refusal
        with pytest.raises(AccelgenError) as caught:
            read_network(model)

    assert said == str(caught.value)
    assert "(Gemm)" in said
    assert next(iter(how)) in said


def test_weights_that_have_died_have_a_scale_in_the_file():
    """Input scale times weight scale is float32's smallest number at least."""
    weight = np.full((1, 1, 1, 1), 1e-38, np.float32)

    made = integers_of(weight, np.zeros(1, np.float32), Quantization(2.0**-40, 0), "node 'n'")

    assert made.bias_scale[0] >= 2.0**-126
