"""QuantizeLinear and DequantizeLinear: of activations recorded, of constants computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder, Value, as_floats
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import (
    Constant,
    Integers,
    JoinedView,
    QuantizedView,
    SplitView,
    StridedView,
    View,
)
from accelgen.ir.ops import Activation
from accelgen.ir.types import LARGEST_SCALE, SMALLEST_SCALE, SMALLEST_STEP, Quantization

__all__ = [
    "dequantized", "import_dequantize", "import_on_integers", "import_quantize", "quantized",
    "standard", "within",
]  # fmt: skip

Array = npt.NDArray[Any]

#: Types of weights that are stored in less than a byte, and the type that holds their numbers.
_SMALLER = {"int2": np.int8, "uint2": np.uint8, "int4": np.int8, "uint4": np.uint8}
#: Values of output_dtype: none, uint8, int8 of a QuantizeLinear; of a DequantizeLinear floats.
_TO_INTEGERS, _TO_FLOATS = (0, 2, 3), (0, 1, 10)
_TO_8_BITS = "quantize activations to 8 bits: int8 or uint8"


def standard(node: OnnxNode) -> OnnxNode:
    """onnxruntime's own QuantizeLinear and DequantizeLinear (UseQDQContribOps, and 4 and 16 bits
    before opset 21) as those of ONNX, which they are but for the types that they know."""
    if node.domain == "com.microsoft" and node.op_type in ("QuantizeLinear", "DequantizeLinear"):
        return replace(node, domain="")
    return node


def import_quantize(graph: GraphBuilder, node: OnnxNode) -> QuantizedView | Constant:
    """QuantizeLinear: int8 or uint8, per tensor for activations."""
    x = graph.value(node, 0)
    if not isinstance(x, Constant):
        return quantized(graph, node, graph.any_view(node), np.dtype(np.uint8))
    scale, zero = _parameters(graph, node, np.dtype(np.uint8))
    limits = _limits(graph, node, zero)
    array = as_floats(node, x)
    axis = _axis(node, array, scale)
    with np.errstate(over="ignore"):  # clipped below
        steps = np.rint(array / _along(scale, array, axis))
    steps = steps + _along(zero.astype(np.float32), array, axis)
    return Constant(x.name, np.clip(steps, *limits).astype(zero.dtype))


def _limits(graph: GraphBuilder, node: OnnxNode, zero: Array) -> tuple[int, int]:
    """What the integers of a constant are clipped to."""
    given = graph.constant(node, 2).array.dtype if node.has_input(2) else zero.dtype
    if given.name in _SMALLER:
        bits, low = int(given.name[-1]), 0 if given.name[0] == "u" else -1
        return low << (bits - 1), (1 << (bits + low)) - 1
    return int(np.iinfo(given).min), int(np.iinfo(given).max)


def quantized(
    graph: GraphBuilder, node: OnnxNode, x: Value, default: np.dtype[Any]
) -> QuantizedView:
    """``x`` rounded to the scale and zero point that are inputs 1 and 2 of ``node``; without a
    zero point it is 0 of type ``default``."""
    assert isinstance(x, View | SplitView | JoinedView)
    if node.has_input(2):
        _check_activation(node, graph.constant(node, 2).array.dtype)
    scale, zero = _parameters(graph, node, default)
    return QuantizedView(x, _per_tensor(node, scale, zero), str(zero.dtype))


def import_dequantize(
    graph: GraphBuilder, node: OnnxNode
) -> View | SplitView | JoinedView | Constant:
    """DequantizeLinear of what a QuantizeLinear made, of an integer input, or of a constant."""
    return dequantized(graph, node)


def dequantized(graph: GraphBuilder, node: OnnxNode) -> View | SplitView | JoinedView | Constant:
    """Input 0 of ``node`` as real numbers; inputs 1 and 2 are scale and zero point."""
    x = graph.value(node, 0)
    if isinstance(x, Constant):
        return _dequantize_constant(graph, node, x)
    if not isinstance(x, QuantizedView):
        raise node.rejected(
            f"reads the float tensor '{node.inputs[0]}'", "it must follow a QuantizeLinear"
        )
    scale, zero = _parameters(graph, node, np.dtype(x.dtype))
    if str(zero.dtype) != x.dtype:
        raise ModelError(
            f"{node.label}: its input is {x.dtype}, its zero point {zero.dtype}", node=node.name
        )
    quantization = _per_tensor(node, scale, zero)
    if x.quantization not in (None, quantization):
        raise node.rejected(
            f"has {quantization}, but the QuantizeLinear before it {x.quantization}",
            "both must have the same scale and zero point",
        )
    return graph.note_quantization(node, x.view, quantization)


def _dequantize_constant(graph: GraphBuilder, node: OnnxNode, x: Constant) -> Constant:
    array = _whole(x.array)
    if array.dtype not in (np.int8, np.uint8, np.int32):
        raise node.rejected(
            f"reads '{x.name}' of type {array.dtype}",
            "weights of up to 8 bits and biases of int32 are built: quantize to those",
        )
    scale, zero = _parameters(graph, node, array.dtype)
    if zero.dtype != array.dtype:
        raise ModelError(
            f"{node.label}: '{x.name}' is {array.dtype}, its zero point {zero.dtype}",
            node=node.name,
        )
    axis = _axis(node, array, scale)
    values = array.astype(np.int64) - _along(zero.astype(np.int64), array, axis)
    if array.dtype == np.int32 and np.abs(values).max(initial=0) >= 2**31:
        raise ModelError(
            f"{node.label}: '{x.name}' minus its zero point leaves 32 bits", node=node.name
        )
    floats = (values * _along(scale.astype(np.float64), array, axis)).astype(np.float32)
    return Constant(x.name, floats, Integers(values.astype(np.int32), scale, axis))


def _parameters(graph: GraphBuilder, node: OnnxNode, default: np.dtype[Any]) -> tuple[Array, Array]:
    """Scale (float32) and zero point, both 0-d or 1-d of the same size."""
    node.require("block_size", (0,), 0, "quantize weights per tensor or per output channel")
    into = _TO_INTEGERS if node.op_type == "QuantizeLinear" else _TO_FLOATS
    node.require("output_dtype", into, 0, "quantize to int8 or uint8")
    if node.op_type == "QuantizeLinear":
        default = {2: np.dtype(np.uint8), 3: np.dtype(np.int8)}.get(
            node.get("output_dtype", 0), default
        )
    scale = graph.floats(node, 1)
    zero = np.zeros(scale.shape, default)
    if node.has_input(2):
        zero = _whole(graph.constant(node, 2).array)
    if zero.dtype not in (np.int8, np.uint8, np.int32):
        raise node.rejected(f"has a zero point of type {zero.dtype}", _TO_8_BITS)
    scale = scale.reshape(()) if scale.size == 1 else scale
    zero = zero.reshape(()) if zero.size == 1 else zero
    within(node, f"scale '{node.inputs[1]}'", scale, SMALLEST_STEP)
    if zero.ndim and zero.shape != scale.shape:
        raise ModelError(
            f"{node.label}: scale and zero point differ in shape: {scale.shape}, {zero.shape}",
            node=node.name,
        )
    return scale, zero


def _whole(array: Array) -> Array:
    """Integers of less than a byte in a byte each."""
    kind = _SMALLER.get(array.dtype.name)
    return array if kind is None else array.astype(kind)


def _check_activation(node: OnnxNode, kind: np.dtype[Any]) -> None:
    """Raise UnsupportedOpError where an activation is rounded to less than a byte."""
    if kind.name in _SMALLER:
        raise node.rejected(f"quantizes an activation to {kind}", _TO_8_BITS)


def within(node: OnnxNode, what: str, scale: Array, least: float) -> None:
    """Raise ModelError where ``scale`` is not from ``least`` to LARGEST_SCALE: what is made of it
    would be no float32 number."""
    wrong = scale[~((scale >= least) & (scale <= LARGEST_SCALE))]
    if wrong.size:
        raise ModelError(
            f"{node.label}: {what} is {wrong.flat[0]:.3g}, and must be positive, from {least:.3g}"
            f" to {LARGEST_SCALE:.3g}; quantize the model anew",
            node=node.name,
        )


def _axis(node: OnnxNode, array: Array, scale: Array) -> int:
    """The dimension along which ``scale`` runs; 0 for one scale per tensor."""
    if scale.ndim == 0:
        return 0
    axis = int(node.get("axis", 1)) if array.ndim > 1 else 0
    if scale.ndim > 1 or not -array.ndim <= axis < array.ndim or scale.size != array.shape[axis]:
        raise ModelError(
            f"{node.label}: scale of shape {scale.shape} does not fit axis={axis} of {array.shape}",
            node=node.name,
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
            "quantizes an activation per channel, and not between convolutions of which the next"
            " is depthwise",
            "quantize activations per tensor (NNCF: QuantizationParameters(per_channel=False))",
        )
    if zero.dtype == np.int32:
        raise node.rejected("quantizes an activation to int32", _TO_8_BITS)
    within(node, f"scale '{node.inputs[1]}' of an activation", scale, SMALLEST_SCALE)
    return Quantization(float(scale), int(zero) - (128 if zero.dtype == np.uint8 else 0))


#: Operators that give numbers of their input and nothing else: they commute with the scale.
_KEEPING = (
    "Concat", "Dropout", "Flatten", "Gather", "GlobalMaxPool", "Identity", "MaxPool", "Pad",
    "Reshape", "Resize", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip


def import_on_integers(
    graph: GraphBuilder, node: OnnxNode, read: Callable[[GraphBuilder, OnnxNode], Any]
) -> Any:
    """What ``read`` makes of ``node``, which may work on integers between Q and DQ.

    Operators that keep numbers are read as if they stood after the DequantizeLinear, and a Clip
    of the integers (Brevitas' narrow range) as one before the QuantizeLinear.
    """
    inputs = {name: graph.values.get(name) for name in node.inputs}
    integers = {n: v for n, v in inputs.items() if isinstance(v, QuantizedView)}
    if not integers or node.op_type not in (*_KEEPING, "Clip"):
        return read(graph, node)
    kinds = {(v.quantization, v.dtype) for v in integers.values()}
    mixed = node.op_type == "Concat" and len(integers) < len(inputs)
    if len(kinds) > 1 or mixed:
        raise node.rejected("joins integers of different scales", "put DequantizeLinear before it")
    quantization, dtype = kinds.pop()
    if node.op_type == "Clip":
        return _clip_integers(graph, node, next(iter(integers.values())))
    if node.op_type == "Pad":
        node = _pads_zero(graph, node, quantization, dtype)
    # Read as floats, and what comes out is integers of the same scale again.
    for name, value in integers.items():
        view = value.view
        graph.values[name] = (
            view if quantization is None else graph.note_quantization(node, view, quantization)
        )
    try:
        made = read(graph, node)
    finally:
        graph.values |= integers
    several = made if isinstance(made, list) else [made]
    several = [v.make() if isinstance(v, StridedView) else v for v in several]
    wrapped = [
        v if isinstance(v, Constant) else QuantizedView(v, quantization, dtype) for v in several
    ]
    return wrapped if isinstance(made, list) else wrapped[0]


def _pads_zero(
    graph: GraphBuilder, node: OnnxNode, of: Quantization | None, dtype: str
) -> OnnxNode:
    """A Pad of integers by the zero point, as one of numbers by 0."""
    offset = 128 if dtype == "uint8" else 0
    given = graph.number(node, 2) if node.has_input(2) else 0
    if of is None or given != of.zero_point + offset:
        raise node.rejected(f"pads integers with {given:g}", "pad with the zero point, which is 0")
    left = ("", *node.inputs[3:]) if len(node.inputs) > 3 else ()
    return replace(node, inputs=(*node.inputs[:2], *left))


def _clip_integers(graph: GraphBuilder, node: OnnxNode, x: QuantizedView) -> QuantizedView:
    """A Clip of integers, as one of the numbers they stand for."""
    if x.quantization is None:
        raise node.rejected("clips an integer input", "put DequantizeLinear before it")
    offset = 128 if x.dtype == "uint8" else 0
    limits = []
    for index, default in ((1, -128), (2, 127)):
        given = graph.numbers(node, index) if node.has_input(index) else (default + offset,)
        if len(given) != 1:
            raise ModelError(
                f"{node.label}: its limit '{node.inputs[index]}' must be one number", node=node.name
            )
        limits.append(min(max(given[0] - offset, -128), 127))
    if limits == [-128, 127]:
        return x
    if limits[0] > limits[1] or not isinstance(x.view, View):
        raise node.rejected(f"clips integers to {limits[0]} to {limits[1]}", "use a narrow range")
    low, high = ((v - x.quantization.zero_point) * x.quantization.scale for v in limits)
    clip = Activation(kind="clip", params=(low, high))
    return QuantizedView(graph.emit(node, clip, x.view), x.quantization, x.dtype)
