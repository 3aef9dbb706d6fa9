"""The model's one input: shape, batch, and whether it comes as NCHW or NHWC."""

from __future__ import annotations

import onnx

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import NCHW, NHWC, Dims, QuantizedView, View

__all__ = ["add_input"]

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
_BYTES = {onnx.TensorProto.INT8: "int8", onnx.TensorProto.UINT8: "uint8"}
#: Operators a preprocessing in NHWC may have before its Transpose.
_IN_PLACE = ("Cast", "Identity", "QuantizeLinear", "DequantizeLinear", "Add", "Sub", "Mul", "Div")


def add_input(model: onnx.ModelProto, graph: GraphBuilder, nodes: list[OnnxNode]) -> str:
    """Add the input to ``graph``; returns its layout, "nchw" or "nhwc".

    Raises
    ------
    ModelError
        Not exactly one input, a batch other than 1, a dynamic size, a rank other than 2 and 4.
    """
    inputs = [i for i in model.graph.input if i.name not in graph.values]
    if len(inputs) > 1:
        # Older exporters list inputs nobody reads.
        read = {name for node in nodes for name in node.inputs}
        inputs = [i for i in inputs if i.name in read] or inputs
    if len(inputs) != 1:
        names = ", ".join(f"'{i.name}'" for i in inputs) or "none"
        raise ModelError(
            f"the model must have exactly one input without initializer; it has {names}"
        )
    value = inputs[0]
    kind = value.type.tensor_type.elem_type
    if kind not in (*_FLOATS, *_BYTES):
        known = onnx.TensorProto.DataType.values()
        text = onnx.TensorProto.DataType.Name(kind) if kind in known else str(kind)
        raise ModelError(
            f"input '{value.name}' has element type {text}; export the model with a float input"
        )
    shape = _shape(value)
    layout = "nchw"
    if len(shape) == 4 and _is_transposed(value.name, nodes):
        layout = "nhwc"
    dims: Dims
    if len(shape) == 2:
        sizes, dims = (1, 1, shape[1]), ((), ("c",))
    elif layout == "nhwc":
        sizes, dims = (shape[1], shape[2], shape[3]), NHWC
    else:
        sizes, dims = (shape[2], shape[3], shape[1]), NCHW
    graph.input = graph.add_tensor(value.name, (1, *sizes))
    view = View(graph.input, sizes, dims)
    graph.values[value.name] = view if kind in _FLOATS else QuantizedView(view, None, _BYTES[kind])
    return layout


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    if not value.type.tensor_type.HasField("shape"):
        raise ModelError(
            f"input '{value.name}' has no shape; export the model with a fixed input shape"
        )
    dims = value.type.tensor_type.shape.dim
    if len(dims) not in (2, 4):
        raise ModelError(
            f"input '{value.name}' has {len(dims)} dimensions; (1, channels, height, width) or"
            " (1, features) are read"
        )
    shape = []
    for index, dim in enumerate(dims):
        size = dim.dim_value if dim.HasField("dim_value") else 0
        if size < 1 and index > 0:
            label = f"'{dim.dim_param}'" if dim.dim_param else "unknown"
            raise ModelError(
                f"dimension {index} of input '{value.name}' is dynamic ({label}); export the model"
                " with a fixed input shape"
            )
        shape.append(size if size > 0 else 1)
    if shape[0] != 1:
        raise ModelError(
            f"input '{value.name}' has batch {shape[0]}; export the model with batch 1, the"
            " accelerator works frame by frame"
        )
    return tuple(shape)


def _is_transposed(name: str, nodes: list[OnnxNode]) -> bool:
    """Whether the input reaches the network only through Transposes from NHWC to NCHW."""
    waiting, found = {name}, False
    for node in nodes:
        if not waiting & set(node.inputs):
            continue
        if node.op_type == "Transpose" and tuple(node.get("perm", ())) == (0, 3, 1, 2):
            found = True
        elif node.op_type in _IN_PLACE:
            waiting |= set(node.outputs)
        else:
            return False
    return found
