"""Initializers to arrays, and nodes whose inputs are all constants.

Only operators of a closed list are computed, and only if their result is known to be small enough
before: a file must not be able to make the compiler work for ever.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import ceil, prod
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx.reference import ReferenceEvaluator

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.registry import DOMAINS
from accelgen.frontend.values import Constant
from accelgen.plain_text import printable

__all__ = ["MOST_FOLDED", "fold_node", "is_constant_node", "read_initializer"]

Array = npt.NDArray[Any]
Size = Callable[[OnnxNode, list[Array]], int]

#: Numbers that all nodes of a model together may make of constants: VGG-16's largest matrix fits.
MOST_FOLDED = 1 << 27
_QDQ = ("QuantizeLinear", "DequantizeLinear")
_SOURCES = ("Constant", "ConstantOfShape")


def _broadcast(node: OnnxNode, inputs: list[Array]) -> int:
    return prod(np.broadcast_shapes(*(a.shape for a in inputs)))


def _no_larger(node: OnnxNode, inputs: list[Array]) -> int:
    return inputs[0].size if inputs else 1


def _gathered(node: OnnxNode, inputs: list[Array]) -> int:
    data, indices = inputs[:2]
    axis = int(node.get("axis", 0))
    return int(data.size // max(data.shape[axis], 1) * indices.size)


def _counted(node: OnnxNode, inputs: list[Array]) -> int:
    start, limit, delta = (float(a.reshape(-1)[0]) for a in inputs[:3])
    return max(ceil((limit - start) / delta), 0)


def _padded(node: OnnxNode, inputs: list[Array]) -> int:
    # Axes left out: all pads on every dimension is more than there can be.
    pads = inputs[1] if len(inputs) > 1 else np.array(node.get("pads", ()))
    most = int(np.abs(pads.astype(np.int64)).max(initial=0))
    return prod(size + 2 * most for size in inputs[0].shape)


def _convolved(node: OnnxNode, inputs: list[Array]) -> int:
    # No pixel more than there are with all pads.
    most = max((abs(int(n)) for n in node.get("pads", ())), default=0)
    pixels = prod(size + 2 * most for size in inputs[0].shape[2:])
    return int(inputs[0].shape[0] * inputs[1].shape[0] * pixels)


_ELEMENTWISE = (
    "Abs Add And Ceil Clip Cos Div Equal Erf Exp Floor Greater GreaterOrEqual HardSigmoid LeakyRelu"
    " Less LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid Sign"
    " Sin Softplus Sqrt Sub Sum Tanh Where Xor"
)
_SHRINKING = (
    "Cast CastLike Dropout Flatten Identity ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin"
    " ReduceProd ReduceSum ReduceSumSquare Reshape Size Slice Softmax Split Squeeze Transpose"
    " Unsqueeze"
)
#: How many numbers each operator makes of its inputs, at most.
_SIZES: dict[str, Size] = {
    **dict.fromkeys(_ELEMENTWISE.split(), _broadcast),
    **dict.fromkeys(_SHRINKING.split(), _no_larger),
    "Concat": lambda node, inputs: sum(a.size for a in inputs),
    "Constant": _no_larger,
    "Conv": _convolved,
    "CumSum": _no_larger,
    "ConstantOfShape": lambda node, inputs: prod(int(n) for n in inputs[0].reshape(-1)),
    "Expand": lambda node, inputs: prod(
        np.broadcast_shapes(inputs[0].shape, tuple(int(n) for n in inputs[1].reshape(-1)))
    ),
    "Gather": _gathered,
    "MatMul": lambda node, inputs: (
        inputs[0].size * inputs[1].size // max(inputs[0].shape[-1], 1) ** 2
    ),
    "Pad": _padded,
    "Range": _counted,
    "Shape": lambda node, inputs: inputs[0].ndim,
    "Tile": lambda node, inputs: inputs[0].size * prod(int(n) for n in inputs[1].reshape(-1)),
}


def read_initializer(tensor: onnx.TensorProto) -> Constant:
    """Array of an initializer. Raises ModelError naming it when its data is incomplete."""
    try:
        if any(size < 0 for size in tensor.dims):
            raise ValueError("negative sizes")
        array: Array = np.asarray(onnx.numpy_helper.to_array(tensor))
    except Exception as error:  # onnx raises whatever numpy and protobuf do
        raise ModelError(
            f"initializer '{tensor.name}' of shape {tuple(tensor.dims)} cannot be read: its data"
            " does not fit its shape and type"
        ) from error
    return Constant(tensor.name, array)


def is_constant_node(graph: GraphBuilder, node: OnnxNode) -> bool:
    """Whether all inputs of ``node`` are constants, so that it can be computed now."""
    if node.domain not in DOMAINS or node.op_type in _QDQ:
        return False
    if not any(node.inputs):
        return node.op_type in _SOURCES
    return all(isinstance(graph.values.get(name), Constant) for name in node.inputs if name)


def fold_node(graph: GraphBuilder, node: OnnxNode) -> list[Constant]:
    """Compute ``node`` with onnx's reference implementation.

    Raises
    ------
    UnsupportedOpError
        An operator that is not computed from constants.
    ModelError
        Its inputs do not fit, or its result would be too large.
    """
    if node.op_type == "Constant" and len(node.attributes) != 1:
        raise ModelError(f"{node.label} has {len(node.attributes)} values; it must have one")
    inputs = {name: graph.values[name] for name in node.inputs if name}
    arrays = {name: c.array for name, c in inputs.items() if isinstance(c, Constant)}
    if node.op_type in ("Dropout", "Identity"):
        source = inputs[node.inputs[0]]
        assert isinstance(source, Constant)
        return [source]
    size = _SIZES.get(node.op_type)
    if size is None:
        raise node.rejected(
            "has only constants as inputs and is not computed by the compiler",
            "fold it before (onnxsim, or constant folding of the exporter)",
        )
    _check_room(graph, node, size, [arrays[name] for name in node.inputs if name])
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results = [np.asarray(r) for r in _evaluate(graph, node, arrays)]
    except Exception as error:  # the reference implementation raises whatever numpy does
        raise ModelError(
            f"{node.label} cannot be computed from its constants: {_first_line(error)}",
            node=node.name,
        ) from error
    graph.folded += sum(array.size for array in results)
    return [Constant(n, r) for n, r in zip(node.outputs, results, strict=False)]


def _check_room(graph: GraphBuilder, node: OnnxNode, size: Size, inputs: list[Array]) -> None:
    """Raise ModelError unless there is room for what ``node`` makes."""
    for array in inputs:
        if array.dtype.kind not in "biuf":
            raise ModelError(
                f"{node.label} computes with constants of type {array.dtype}", node=node.name
            )
    try:
        numbers = size(node, inputs)
    except (ArithmeticError, IndexError, TypeError, ValueError) as error:
        raise ModelError(
            f"{node.label} cannot be computed from its constants: {_first_line(error)}",
            node=node.name,
        ) from error
    if graph.folded + numbers > MOST_FOLDED:
        raise ModelError(
            f"{node.label} makes {numbers:,} numbers of constants; a model may make"
            f" {MOST_FOLDED:,} in all: store them as an initializer",
            node=node.name,
        )


def _first_line(error: Exception) -> str:
    """What an exception says, in a few words."""
    line = printable((str(error).splitlines() or [""])[0])
    return line if len(line) <= 120 else f"{line[:120]}..."


def _evaluate(graph: GraphBuilder, node: OnnxNode, arrays: dict[str, Array]) -> list[Any]:
    def info(name: str, array: Array) -> onnx.ValueInfoProto:
        kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        return onnx.helper.make_tensor_value_info(name, kind, array.shape)

    undefined = onnx.TensorProto.UNDEFINED
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [node.proto],
            "constant",
            [info(name, array) for name, array in arrays.items()],
            [onnx.helper.make_tensor_value_info(n, undefined, None) for n in node.outputs if n],
        ),
        opset_imports=[onnx.helper.make_opsetid("", graph.opset)],
    )
    return list(ReferenceEvaluator(model).run(None, arrays))
