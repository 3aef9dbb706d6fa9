"""Initializers to arrays, and nodes whose inputs are all constants."""

from __future__ import annotations

import warnings
from math import prod
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

__all__ = ["fold_node", "is_constant_node", "read_initializer"]

Array = npt.NDArray[Any]

#: Operators folded here even though they have no importer for activations.
_SOURCES = ("Constant", "ConstantOfShape")
#: Numbers of the largest constant a node may make.
_MOST = 1 << 28
_QDQ = ("QuantizeLinear", "DequantizeLinear")


def read_initializer(tensor: onnx.TensorProto) -> Constant:
    """Array of an initializer. Raises ModelError naming it when its data is incomplete."""
    try:
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
    """Compute ``node`` with onnx's reference implementation."""
    inputs = {name: graph.values[name] for name in node.inputs if name}
    arrays = {name: c.array for name, c in inputs.items() if isinstance(c, Constant)}
    if node.op_type in ("Dropout", "Identity"):
        source = inputs[node.inputs[0]]
        assert isinstance(source, Constant)
        return [source]
    if node.op_type == "ConstantOfShape" and prod(int(n) for n in arrays[node.inputs[0]]) > _MOST:
        raise ModelError(f"{node.label} makes more than {_MOST} numbers")
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results = _evaluate(graph, node, arrays)
    except Exception as error:  # the reference implementation raises whatever numpy does
        raise ModelError(f"{node.label} cannot be computed from its constants: {error}") from error
    return [Constant(n, np.asarray(r)) for n, r in zip(node.outputs, results, strict=False)]


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
