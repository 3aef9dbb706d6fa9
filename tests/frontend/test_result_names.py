"""The model's names go to what carries their values, of every importer that makes pieces."""

import numpy as np
import onnx
import pytest

from accelgen.errors import AccelgenError
from accelgen.frontend import load_onnx
from accelgen.frontend.registry import IMPORTERS
from accelgen.golden.interpret import interpret
from accelgen.quant import quantize_imported
from accelgen.quant.compare_ort import compare_ort
from tests.frontend.test_schemas import SHAPE, model_of, opsets, variants
from tests.helpers.nets import make_net, node, run_onnx, weights

#: Importers of which some spelling becomes more than one operation of the graph.
IN_PIECES = {
    "Add", "ConvTranspose", "DeformConv", "DepthToSpace", "Div", "GroupNormalization",
    "InstanceNormalization", "Max", "Min", "PRelu", "Pad", "ReduceMax", "ReduceMean", "ReduceSum",
    "Resize", "Split", "Sub", "Sum", "Where",
}  # fmt: skip
#: What the schemas' tests do not ask for: maps and vectors, and a factor of 4.
MORE = {
    "Add": node("Add", "x v", "y0"), "Sub": node("Sub", "x v", "y0"),
    "Max": node("Max", "x n v", "y0"), "Min": node("Min", "x n v", "y0"),
    "Sum": node("Sum", "x n v x", "y0"),
    "Resize": node("Resize", "x _ f", "y0", mode="nearest", nearest_mode="floor",
                   coordinate_transformation_mode="asymmetric"),
}  # fmt: skip


def inside(model):
    """``model`` whose output y0 is read by a Relu, and is no output: and both of them."""
    model.graph.node.append(node("Relu", "y0", "end", "last"))
    del model.graph.output[1:]
    model.graph.output[0].name = "end"
    return model


def named(model):
    """How many operations the model's node y0 became; its tensor by us and by onnxruntime.

    None, if the model is refused or no tensor is y0."""
    try:
        imported = load_onnx(model)
    except AccelgenError:
        return None
    graph = imported.graph
    if imported.quantization or "y0" not in graph.tensors or "y0" in graph.constants:
        return None
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.add(name="y0")
    dims = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(0).standard_normal(dims).astype(np.float32)
    ours = x if imported.input_layout == "nhwc" else x.transpose(0, 2, 3, 1)
    got = interpret(graph, ours)["y0"]
    maker = next(n for n in graph.nodes if n.output == "y0")
    pieces = [n for n in graph.nodes if n.sources == maker.sources]
    assert maker.name == maker.sources[0] or len(pieces) == 1
    assert pieces[-1] is maker or "Split" in maker.name
    return len(pieces), got, run_onnx(shown, x)[1]


def assert_value(got, wanted, what):
    """The same numbers, wherever the model has its axes."""
    assert got.size == wanted.size, what
    a, b = (np.sort(v, axis=None) for v in (got, wanted))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4, err_msg=what)


@pytest.mark.parametrize("op", IMPORTERS)
def test_the_name_is_that_of_the_value(op):
    most = 0
    for opset in opsets(op):
        schema = onnx.defs.get_schema(op, opset, "")
        for given, outputs, attributes in variants(op, schema):
            if op == "BatchNormalization" and outputs > 1:
                continue  # onnxruntime trains then
            if op == "MeanVarianceNormalization":
                continue  # onnxruntime makes NaN of numbers that are all equal
            found = named(inside(model_of(op, opset, given, outputs, attributes)))
            if found:
                count, got, wanted = found
                most = max(most, count)
                assert_value(got, wanted, f"{op} of opset {opset} ({given}) {attributes}")
    if op in MORE:
        nodes = [
            node("Relu", "x0", "x"), node("Neg", "x", "n"), node("GlobalAveragePool", "x", "v"),
            MORE[op],
        ]  # fmt: skip
        factors = {"f": np.float32([1, 1, 4, 4])} if op == "Resize" else {}
        model = make_net(nodes, factors, shape=SHAPE)
        model.graph.input[0].name = "x0"
        count, got, wanted = named(inside(model))
        most = max(most, count)
        assert_value(got, wanted, op)
    assert most > 1 or op not in IN_PIECES
    assert most <= 1 or op in IN_PIECES, "one more in pieces: add it to the list"


def test_a_minimum_of_maps_agrees_layer_by_layer():
    """It compared the first piece, a convolution that makes ones, with the Min's integers."""
    scale = {"s": np.float32(0.04), "z": np.int8(3)}
    nodes = [
        node("QuantizeLinear", "x s z", "xq"), node("DequantizeLinear", "xq s z", "xr"),
        node("GlobalAveragePool", "xr", "v"),
        node("QuantizeLinear", "v s z", "vq"), node("DequantizeLinear", "vq s z", "vr"),
        node("Min", "xr vr", "m", "least"),
        node("QuantizeLinear", "m s z", "mq"), node("DequantizeLinear", "mq s z", "y"),
    ]  # fmt: skip
    model = make_net(nodes, scale)
    x = weights(1, 8, 8, 3, scale=1.0)

    made = quantize_imported(load_onnx(model), x, "minmax")
    matches = {m.tensor: m for m in compare_ort(made.graph, model, x)}

    assert {m.node for m in matches.values()} >= {"least"}
    assert max(m.max_difference for m in matches.values()) <= 1


def test_a_made_name_meets_none_of_the_model():
    nodes = [
        node("Relu", "x", "m_2"), node("Neg", "x", "m_3"), node("Min", "m_2 m_3", "m", "Min"),
        node("Relu", "m", "y", "Min_2"),
    ]  # fmt: skip
    graph = load_onnx(make_net(nodes)).graph

    makers = {n.output: n.sources for n in graph.nodes}
    assert makers["m"] == ("Min",)
    assert makers["y"] == ("Min_2",)
    assert {"m_2", "m_3"} <= set(makers) - {t for t, of in makers.items() if of == ("Min",)}
    assert next(n.name for n in graph.nodes if n.output == "y") == "Min_2"
