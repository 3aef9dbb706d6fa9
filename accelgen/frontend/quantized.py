"""QuantizeLinear and DequantizeLinear: of activations recorded, of constants computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder, as_floats
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import Constant, Integers, QuantizedView, View
from accelgen.ir.types import Quantization

__all__ = ["import_dequantize", "import_quantize"]

Array = npt.NDArray[Any]


def import_quantize(graph: GraphBuilder, node: OnnxNode) -> QuantizedView | Constant:
    """QuantizeLinear: int8 or uint8, per tensor for activations."""
    x = graph.value(node, 0)
    scale, zero = _parameters(graph, node, np.dtype(np.uint8))
    if not isinstance(x, Constant):
        return QuantizedView(graph.view(node), _per_tensor(node, scale, zero))
    limits = np.iinfo(zero.dtype)
    array = as_floats(node, x)
    axis = _axis(node, array, scale)
    steps = np.rint(array / _along(scale, array, axis)) + _along(
        zero.astype(np.float32), array, axis
    )
    return Constant(x.name, np.clip(steps, limits.min, limits.max).astype(zero.dtype))


def import_dequantize(graph: GraphBuilder, node: OnnxNode) -> View | Constant:
    """DequantizeLinear of what a QuantizeLinear made, of an integer input, or of a constant."""
    x = graph.value(node, 0)
    if isinstance(x, Constant):
        return _dequantize_constant(graph, node, x)
    if not isinstance(x, QuantizedView):
        raise node.rejected(
            f"reads the float tensor '{node.inputs[0]}'", "it must follow a QuantizeLinear"
        )
    scale, zero = _parameters(graph, node, np.dtype(np.uint8))
    quantization = _per_tensor(node, scale, zero)
    if x.quantization not in (None, quantization):
        raise node.rejected(
            f"has {quantization}, but the QuantizeLinear before it {x.quantization}",
            "both must have the same scale and zero point",
        )
    return graph.note_quantization(node, x.view, quantization)


def _dequantize_constant(graph: GraphBuilder, node: OnnxNode, x: Constant) -> Constant:
    array = x.array
    if array.dtype not in (np.int8, np.uint8, np.int32):
        raise node.rejected(
            f"reads '{x.name}' of type {array.dtype}", "only int8, uint8 and int32 are built"
        )
    scale, zero = _parameters(graph, node, array.dtype)
    if zero.dtype != array.dtype:
        raise ModelError(f"{node.label}: '{x.name}' is {array.dtype}, its zero point {zero.dtype}")
    axis = _axis(node, array, scale)
    values = array.astype(np.int64) - _along(zero.astype(np.int64), array, axis)
    if array.dtype == np.int32 and np.abs(values).max(initial=0) >= 2**31:
        raise ModelError(f"{node.label}: '{x.name}' minus its zero point leaves 32 bits")
    if array.dtype != np.int32 and (values.min(initial=0) < -128 or values.max(initial=0) > 127):
        raise node.rejected(
            f"has an asymmetric zero point for '{x.name}'", "quantize weights symmetrically (int8)"
        )
    floats = (values * _along(scale.astype(np.float64), array, axis)).astype(np.float32)
    return Constant(x.name, floats, Integers(values.astype(np.int32), scale, axis))


def _parameters(graph: GraphBuilder, node: OnnxNode, default: np.dtype[Any]) -> tuple[Array, Array]:
    """Scale (float32) and zero point, both 0-d or 1-d of the same size."""
    for attribute, neutral in (("block_size", 0), ("output_dtype", 0)):
        node.require(attribute, (neutral,), neutral, "export with opset 20 or lower")
    scale = graph.floats(node, 1)
    zero = graph.constant(node, 2).array if node.has_input(2) else np.zeros(scale.shape, default)
    if zero.dtype not in (np.int8, np.uint8, np.int32):
        raise node.rejected(
            f"has a zero point of type {zero.dtype}", "only int8 and uint8 are built"
        )
    scale = scale.reshape(()) if scale.size == 1 else scale
    zero = zero.reshape(()) if zero.size == 1 else zero
    if not (scale > 0).all():
        raise ModelError(f"{node.label}: scale '{node.inputs[1]}' must be positive")
    if zero.ndim and zero.shape != scale.shape:
        raise ModelError(
            f"{node.label}: scale and zero point differ in shape: {scale.shape}, {zero.shape}"
        )
    return scale, zero


def _axis(node: OnnxNode, array: Array, scale: Array) -> int:
    """The dimension along which ``scale`` runs; 0 for one scale per tensor."""
    if scale.ndim == 0:
        return 0
    axis = int(node.get("axis", 1)) if array.ndim > 1 else 0
    if scale.ndim > 1 or not -array.ndim <= axis < array.ndim or scale.size != array.shape[axis]:
        raise ModelError(
            f"{node.label}: scale of shape {scale.shape} does not fit axis={axis} of {array.shape}"
        )
    return axis % array.ndim


def _along(values: Array, array: Array, axis: int) -> Array:
    if values.ndim == 0:
        return values
    return values.reshape([-1 if i == axis else 1 for i in range(array.ndim)])


def _per_tensor(node: OnnxNode, scale: Array, zero: Array) -> Quantization:
    """Quantization of an activation, as int8."""
    if scale.ndim or zero.ndim:
        raise node.rejected(
            "quantizes an activation per channel", "quantize activations per tensor"
        )
    if zero.dtype == np.int32:
        raise node.rejected("quantizes an activation to int32", "only int8 and uint8 are built")
    return Quantization(float(scale), int(zero) - (128 if zero.dtype == np.uint8 else 0))
