"""Tables against onnxruntime's float32 DequantizeLinear, operator, QuantizeLinear."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from accelgen.golden.arith import dequantize_array
from accelgen.ir import Quantization
from accelgen.ir.activations import COMPARISONS, KINDS, activate
from accelgen.quant.tables import activation_table, clip_limits, compose, rescale_table
from tests.golden.test_float_ops import ACTIVATIONS

ALL = np.arange(-128, 128).astype(np.int8)


def onnxruntime_table(op_type, attributes, source, target):
    def parts(q, name):
        return [
            numpy_helper.from_array(np.float32(q.scale), f"{name}s"),
            numpy_helper.from_array(np.int8(q.zero_point), f"{name}z"),
        ]

    nodes = [
        helper.make_node("DequantizeLinear", ["x", "as", "az"], ["a"]),
        helper.make_node(op_type, ["a"], ["b"], **attributes),
        helper.make_node("QuantizeLinear", ["b", "bs", "bz"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "table",
        [helper.make_tensor_value_info("x", TensorProto.INT8, [256])],
        [helper.make_tensor_value_info("y", TensorProto.INT8, [256])],
        [*parts(source, "a"), *parts(target, "b")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": ALL})[0]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Quantization(0.05, 3), Quantization(0.03, -20)),
        (Quantization(0.03, -128), Quantization(1 / 255, -128)),
        (Quantization(2.0, 0), Quantization(0.01, 127)),  # nearly everything saturates
        (Quantization(0.25, 0), Quantization(0.5, 0)),  # ties everywhere
    ],
)
@pytest.mark.parametrize(("kind", "params", "op_type", "attributes"), ACTIVATIONS)
def test_within_one_of_onnxruntime(kind, params, op_type, attributes, source, target):
    expected = onnxruntime_table(op_type, attributes, source, target)

    table = activation_table(kind, params, source, target)

    # What has no number is rounded to anything.
    real = activate(kind, params, dequantize_array(ALL, source).astype(np.float64))
    difference = np.abs(table.astype(int) - expected)[~np.isnan(real)]
    assert difference.max() <= 1
    # A float64 result may round to another side of a tie than a float32 one, but seldom.
    assert (difference > 0).mean() <= 0.05


def test_every_kind_is_covered():
    # Pow has an input more, as comparisons do, Sqrt takes what is never negative.
    others = {"swish", "pow", "sqrt", *COMPARISONS.values()}
    assert {kind for kind, *_ in ACTIVATIONS} | others == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "params", "function"),
    [("pow", (2.0,), np.square), ("pow", (3.0,), lambda x: x**3), ("sqrt", (), np.sqrt)],
)
def test_powers_and_roots_are_rounded_once(kind, params, function):
    source, target = Quantization(1 / 64, -128), Quantization(1 / 16, -128)

    table = activation_table(kind, params, source, target)

    exact = function((ALL.astype(float) + 128) / 64) * 16 - 128
    np.testing.assert_array_equal(table, np.clip(np.rint(exact), -128, 127))


def test_tables_of_unlimited_clips_and_huge_scales_hold_no_nan():
    for kind, params in [("swish", ()), ("mish", ()), ("elu", (1.0,)), ("hard_swish", ())]:
        table = activation_table(kind, params, Quantization(1e30, 0), Quantization(1.0, 0))
        assert table[0] in (-128, -1, 0)  # minus infinity: 0, -1 for elu, or saturated
        assert table[255] == 127


def test_clip_limits_are_the_clip():
    target = Quantization(0.05, -100)
    x = np.linspace(-10, 10, 999).astype(np.float32)
    low, high = clip_limits(0.0, 6.0, target)

    from accelgen.golden.arith import quantize_array

    np.testing.assert_array_equal(
        np.clip(quantize_array(x, target), low, high), quantize_array(np.clip(x, 0, 6), target)
    )
    assert clip_limits(0.0, float("inf"), target) == (-100, 127)


def test_compose_is_one_after_the_other():
    rng = np.random.default_rng(0)
    first, second = (rng.integers(-128, 128, 256).astype(np.int8) for _ in range(2))

    composed = compose(first, second)

    assert [second[int(first[i]) + 128] for i in range(256)] == composed.tolist()


def test_rescale_to_the_same_scale_changes_nothing():
    q = Quantization(0.017, 11)

    np.testing.assert_array_equal(rescale_table(q, q), ALL)
