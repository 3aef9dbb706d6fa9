"""The model's inputs: shape, batch, and whether each comes as NCHW or NHWC."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice, product
from math import prod

import onnx

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import LARGEST, OnnxNode
from accelgen.frontend.values import NCHW, NHWC, Dims, QuantizedView, View
from accelgen.ir.activations import BY_ONNX
from accelgen.plain_text import printable

__all__ = ["MOST_INPUTS", "InputLayout", "Layouts", "add_inputs", "input_layouts"]

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
_BYTES: dict[int, str] = {onnx.TensorProto.INT8: "int8", onnx.TensorProto.UINT8: "uint8"}
#: Operators a preprocessing in NHWC may have before its Transpose.
_IN_PLACE = ("Cast", "Identity", "QuantizeLinear", "DequantizeLinear", "Add", "Sub", "Mul", "Div")
_TO_NCHW = [0, 3, 1, 2]
#: Inputs of a model, and ways to see them all that are tried.
MOST_INPUTS, _MOST_WAYS = 16, 64
_FUNCTIONS = ("Clip", "Dropout", "Max", "Min", "PRelu", "Relu", *BY_ONNX)


@dataclass(frozen=True)
class InputLayout:
    """One way to see an input as a map: "nchw" or "nhwc", and its axes."""

    name: str
    sizes: tuple[int, int, int]  # h, w, c
    dims: Dims


#: A way to see every input.
Layouts = tuple[InputLayout, ...]


def input_layouts(model: onnx.ModelProto, nodes: list[OnnxNode]) -> list[Layouts]:
    """How the model may take its inputs, the likeliest first.

    Raises
    ------
    ModelError
        No input, or too many, a batch other than 1, a dynamic size, a rank other than 2, 3 and 4.
    """
    each = [_layouts(model, value, nodes) for value in _inputs(model, nodes)]
    return list(islice(product(*each), _MOST_WAYS))


def _layouts(
    model: onnx.ModelProto, value: onnx.ValueInfoProto, nodes: list[OnnxNode]
) -> list[InputLayout]:
    """How the model may take one of its inputs, the likeliest first."""
    shape = _shape(value)
    if len(shape) == 2:
        plain = InputLayout("nchw", (1, 1, shape[1]), ((), ("c",)))
        return [plain, *_flattened(model, value.name, shape[1], nodes)]
    if len(shape) == 3:
        return _lines(shape, value.name, nodes)
    found = [
        InputLayout("nchw", (shape[2], shape[3], shape[1]), NCHW),
        InputLayout("nhwc", (shape[1], shape[2], shape[3]), NHWC),
    ]
    if _is_transposed(value.name, nodes):
        return found[::-1]
    # Without either of these nothing that begins as NHWC can become a map.
    return found if any(_turns(node) for node in nodes) else found[:1]


def add_inputs(
    model: onnx.ModelProto, graph: GraphBuilder, nodes: list[OnnxNode], layouts: Layouts
) -> None:
    """Add the inputs to ``graph``, seen as ``layouts``."""
    for value, layout in zip(_inputs(model, nodes), layouts, strict=True):
        name = graph.add_tensor(value.name, (1, *layout.sizes))
        graph.inputs = (*graph.inputs, name)
        view = View(name, layout.sizes, layout.dims)
        kind = value.type.tensor_type.elem_type
        quantized = kind in _BYTES
        graph.values[value.name] = QuantizedView(view, None, _BYTES[kind]) if quantized else view


def _inputs(model: onnx.ModelProto, nodes: list[OnnxNode]) -> list[onnx.ValueInfoProto]:
    """The inputs that are no initializers."""
    made = {name for node in nodes for name in node.outputs}
    for name, times in Counter(i.name for i in model.graph.input).items():
        if times > 1 or name in made:
            what = "made by a node, too" if name in made else "listed twice"
            raise ModelError(f"the model's input '{name}' is {what}; export the model again")
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    if len(inputs) > 1:
        # Older exporters list inputs nobody reads.
        read = {name for node in nodes for name in node.inputs}
        inputs = [i for i in inputs if i.name in read] or inputs
    if not 1 <= len(inputs) <= MOST_INPUTS:
        names = ", ".join(f"'{i.name}'" for i in inputs[:4]) + (", ..." if inputs[4:] else "")
        raise ModelError(
            f"the model must have an input without initializer, and at most {MOST_INPUTS}; it has "
            f"{len(inputs) or 'none'}{': ' if names else ''}{names}"
        )
    for value in inputs:
        kind = value.type.tensor_type.elem_type
        if kind not in (*_FLOATS, *_BYTES):
            known = onnx.TensorProto.DataType.values()
            text = onnx.TensorProto.DataType.Name(kind) if kind in known else str(kind)
            raise ModelError(
                f"input '{value.name}' has element type {text}; export the model with a float input"
            )
    return inputs


def _lines(shape: tuple[int, ...], name: str, nodes: list[OnnxNode]) -> list[InputLayout]:
    """(1, channels, length), (1, length, channels), or one channel's (1, height, width)."""
    _, a, b = shape
    by_channel = InputLayout("nchw", (1, b, a), ((), ("c",), ("w",)))
    found = [by_channel, InputLayout("nhwc", (1, a, b), ((), ("w",), ("c",)))]
    if _is_transposed(name, nodes, [0, 2, 1]):
        found = found[::-1]
    return [*found, InputLayout("nchw", (a, b, 1), ((), ("h",), ("w",)))]


def _flattened(
    model: onnx.ModelProto, name: str, features: int, nodes: list[OnnxNode]
) -> list[InputLayout]:
    """Maps that the model makes of its flat input by a Reshape (x.view(1, 1, 28, 28))."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in nodes:
        if node.op_type == "Constant" and isinstance(node.get("value", None), onnx.TensorProto):
            constants[node.outputs[0]] = node.get("value", None)
    found, seen = [], {name}
    for node in nodes:
        if node.op_type in (*_IN_PLACE, *_FUNCTIONS) and seen & set(node.inputs):
            seen |= set(node.outputs)  # a flat picture may be scaled before it becomes a map
        if node.op_type != "Reshape" or len(node.inputs) != 2 or node.inputs[0] not in seen:
            continue
        shape = constants.get(node.inputs[1])
        if shape is None or list(shape.dims) != [4]:
            continue
        try:
            _, *sizes = onnx.numpy_helper.to_array(shape).tolist()
        except Exception:  # damaged: reading it as a constant says so
            continue
        if sizes.count(-1) == 1 and features % -prod(sizes) == 0:
            sizes[sizes.index(-1)] = features // -prod(sizes)
        if prod(sizes) == features and 0 < min(sizes) <= max(sizes) <= LARGEST:
            a, b, c = sizes
            found.append(InputLayout("nchw", (b, c, a), ((), ("c", "h", "w"))))
            found.append(InputLayout("nhwc", (a, b, c), ((), ("h", "w", "c"))))
    return found


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    if not value.type.tensor_type.HasField("shape"):
        raise ModelError(
            f"input '{value.name}' has no shape; export the model with a fixed input shape"
        )
    dims = value.type.tensor_type.shape.dim
    if len(dims) not in (2, 3, 4):
        raise ModelError(
            f"input '{value.name}' has {len(dims)} dimensions; (1, channels, height, width),"
            " (1, channels, length) or (1, features) are read"
        )
    shape = []
    for index, dim in enumerate(dims):
        size = dim.dim_value if dim.HasField("dim_value") else 0
        if size < 1 and index > 0:
            label = f"'{printable(dim.dim_param)}'" if dim.dim_param else "unknown"
            raise ModelError(
                f"dimension {index} of input '{value.name}' is dynamic ({label}); export the model"
                " with a fixed input shape"
            )
        if size > LARGEST:
            raise ModelError(
                f"dimension {index} of input '{value.name}' is {size:,}; up to {LARGEST:,} are read"
            )
        shape.append(size if size > 0 else 1)
    if shape[0] != 1:
        raise ModelError(
            f"input '{value.name}' has batch {shape[0]}; export the model with batch 1, the"
            " accelerator works frame by frame"
        )
    return tuple(shape)


def _turns(node: OnnxNode) -> bool:
    return node.op_type == "Reshape" or node.get("perm", ()) == _TO_NCHW


def _is_transposed(name: str, nodes: list[OnnxNode], perm: list[int] = _TO_NCHW) -> bool:
    """Whether the input reaches the network only through Transposes by ``perm``."""
    waiting, found = {name}, False
    for node in nodes:
        if not waiting & set(node.inputs):
            continue
        if node.op_type == "Transpose" and node.get("perm", ()) == perm:
            found = True
        elif node.op_type in _IN_PLACE:
            waiting |= set(node.outputs)
        else:
            return False
    return found
