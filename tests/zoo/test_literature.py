"""MACs and parameters of every network of accelgen/zoo are the published ones."""

from math import prod

import onnx
import pytest
from onnx import TensorProto, shape_inference

from accelgen import zoo
from accelgen.bench.published import published_network

#: Numbers that no optimizer sets.
STATISTICS = ("running_mean", "running_var", "scales")
#: An ``all``-counter's: MACs per element of these nodes' outputs.
ELEMENTS = {
    "BatchNormalization": 2, "Relu": 1, "Clip": 1, "LeakyRelu": 1, "HardSwish": 1, "Add": 1,
}  # fmt: skip


def parameters_of(model):
    return sum(
        prod(t.dims)
        for t in model.graph.initializer
        if t.data_type == TensorProto.FLOAT and t.dims and not t.name.endswith(STATISTICS)
    )


def macs_of(model, counted="conv"):
    """Of Conv, DeformConv and Gemm, by the shapes that ONNX infers; weights are dropped first."""
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1:
            tensor.ClearField("raw_data")
    graph = shape_inference.infer_shapes(model, strict_mode=False).graph
    shapes = {t.name: tuple(t.dims) for t in graph.initializer} | {
        v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
        for v in (*graph.value_info, *graph.output)
    }
    total = 0
    for node in graph.node:
        shape = shapes.get(node.output[0])
        if node.op_type == "ConvTranspose":  # each pixel of the input meets every weight
            total += prod(shapes[node.input[0]][2:]) * prod(shapes[node.input[1]])
        elif node.op_type in ("Conv", "DeformConv", "Gemm"):
            total += prod(shape[2:]) * prod(shapes[node.input[1]])
        elif counted == "all":
            total += ELEMENTS.get(node.op_type, 0) * prod(shape or (0,))
    return total


def agrees(counted, published):
    """Within 1 %, or half of the last digit where that is more."""
    digits = len(published.partition(".")[2])
    return abs(counted - float(published)) <= max(0.01 * float(published), 0.5 * 10**-digits)


@pytest.mark.parametrize("name", zoo.names())
def test_as_published(name):
    known = published_network(name)
    model = zoo.build(name, known.macs_at)

    assert agrees(parameters_of(model) / 1e6, known.parameters)
    assert agrees(macs_of(model, known.counted) / 1e9, known.macs)


def test_the_counters_by_hand():
    model = zoo.build("squeezenet1_1", 64)
    first = next(n for n in model.graph.node if n.op_type == "Conv")
    alone = onnx.ModelProto()
    alone.CopyFrom(model)
    del alone.graph.node[1:]
    del alone.graph.output[:]
    alone.graph.output.add().name = first.output[0]
    alone.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT

    assert macs_of(alone) == 31 * 31 * 64 * 27
    assert agrees(1.0049, "1.00")
    assert not agrees(1.011, "1.00")
    assert agrees(1.36, "1.4")
    assert not agrees(1.34, "1.4")
