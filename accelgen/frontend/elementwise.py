"""Activations, Add, Sub, Mul, Div, Sum, Min, Max, Softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.frontend.broadcast import matched, operands, repeat_channel
from accelgen.frontend.builder import GraphBuilder, as_floats
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.stacks import branch_softmax, product_of_branches
from accelgen.frontend.values import Constant, JoinedView, SplitView, View
from accelgen.ir.activations import BY_ONNX, is_never_negative
from accelgen.ir.ops import Activation, Add, Mul, Softmax

__all__ = [
    "import_activation",
    "import_add",
    "import_clip",
    "import_div",
    "import_gelu",
    "import_minmax",
    "import_mul",
    "import_neg",
    "import_pow",
    "import_prelu",
    "import_softmax",
    "import_sqrt",
    "import_sub",
    "import_swish",
    "per_channel",
]

Floats = npt.NDArray[np.float32]
_INF = float("inf")
#: Of Celu: alpha times the rounding of exp(x / alpha) in float32 is noise beside x.
_MOST_ALPHA = 100
#: Of Pow: more are beyond int8 and float32 at once.
_MOST_POWER = 16


def import_activation(graph: GraphBuilder, node: OnnxNode) -> View:
    """Operators that are one kind of Activation."""
    if node.op_type == "Relu":
        return graph.emit(node, Activation(kind="clip", params=(0.0, _INF)), graph.view(node))
    kind = BY_ONNX[node.op_type]
    values = tuple(float(node.get(name, default)) for name, default in kind.attributes)
    for (name, _), value in zip(kind.attributes, values, strict=True):
        if not np.isfinite(value):
            raise ModelError(f"{node.label}: {name}={value} must be finite", node=node.name)
        if not value and kind.name == "celu":
            raise ModelError(f"{node.label}: {name}=0 divides by zero", node=node.name)
        if kind.name == "celu" and abs(value) > _MOST_ALPHA:
            raise node.unsupported(
                name, value, f"float32 has no digits left of it: use {_MOST_ALPHA} at most"
            )
    return graph.emit(node, Activation(kind=kind.name, params=values), graph.view(node))


def import_gelu(graph: GraphBuilder, node: OnnxNode) -> View:
    """Gelu, exact or by tanh."""
    kinds = {"none": "gelu", "tanh": "gelu_tanh"}
    approximate = str(node.get("approximate", "none"))
    if approximate not in kinds:
        raise node.unsupported("approximate", approximate, "ONNX has 'none' and 'tanh'")
    return graph.emit(node, Activation(kind=kinds[approximate]), graph.view(node))


def import_pow(graph: GraphBuilder, node: OnnxNode) -> View:
    """Pow with a number as exponent: whole and above zero, or any above zero of what is never
    negative."""
    x, exponent = graph.view(node), graph.value(node, 1)
    if not isinstance(exponent, Constant):
        raise node.rejected("has an exponent that is not constant", "only a number is built")
    power = graph.number(node, 1)
    if not 0 < power <= _MOST_POWER:
        raise node.rejected(
            f"has exponent {power:g}", f"exponents above 0 and up to {_MOST_POWER} are built"
        )
    if power % 1:
        _check_never_negative(graph, node, x)
    return graph.emit(node, Activation(kind="pow", params=(power,)), x)


def import_sqrt(graph: GraphBuilder, node: OnnxNode) -> View:
    """Sqrt of what is never negative."""
    x = graph.view(node)
    _check_never_negative(graph, node, x)
    return graph.emit(node, Activation(kind="sqrt"), x)


def _check_never_negative(graph: GraphBuilder, node: OnnxNode, x: View) -> None:
    made = next((n for n in reversed(graph.nodes) if n.output == x.tensor), None)
    op = None if made is None else made.op
    if not isinstance(op, Activation) or not is_never_negative(op.kind, op.params):
        raise node.rejected("takes a root of what may be negative", "put a Relu right before it")


def import_swish(graph: GraphBuilder, node: OnnxNode) -> View:
    """x * sigmoid(alpha * x)."""
    if (alpha := float(node.get("alpha", 1.0))) != 1:
        raise node.unsupported("alpha", alpha, "only alpha=1 is built")
    return graph.emit(node, Activation(kind="swish"), graph.view(node))


def import_neg(graph: GraphBuilder, node: OnnxNode) -> View:
    """Neg: times -1, which what makes the map takes on."""
    return graph.emit_affine(node, graph.view(node), -1, 0)


def import_clip(graph: GraphBuilder, node: OnnxNode) -> View:
    """Clip: limits as attributes (opset < 11) or inputs; a missing one is infinite."""
    if graph.opset < 11:
        low, high = float(node.get("min", -_INF)), float(node.get("max", _INF))
    else:
        low = graph.number(node, 1) if node.has_input(1) else -_INF
        high = graph.number(node, 2) if node.has_input(2) else _INF
    # float32's largest stands for "no limit" in files older than optional inputs.
    limit = float(np.finfo(np.float32).max)
    low, high = (-_INF if low <= -limit else low), (_INF if high >= limit else high)
    if not low <= high:
        raise ModelError(
            f"{node.label}: its limits {low} and {high} are not in order", node=node.name
        )
    return graph.emit(node, Activation(kind="clip", params=(low, high)), graph.view(node))


def import_minmax(graph: GraphBuilder, node: OnnxNode) -> View:
    """Min or Max: with one number a Clip, with one per channel ``max(x - c, 0) + c``; of two maps
    ``max(a, b) = a + max(b - a, 0)``."""
    largest = node.op_type == "Max"
    result: View | None = None
    for value in operands(graph, node):
        if isinstance(value, Constant):
            continue
        result = value if result is None else _larger(graph, node, result, value, largest)
    for index in range(len(node.inputs)):
        if not isinstance(graph.value(node, index), Constant):
            continue
        if result is None:
            result = graph.view(node, index)  # raises: there are only constants
        constant = graph.constant(node, index)
        limit, shift = 0.0, np.zeros(1, np.float32)
        if constant.array.size == 1:
            _reach_no_further(node, result, constant)
            limit = graph.number(node, index)
        else:
            shift = per_channel(node, result, constant)
        params = (limit, _INF) if largest else (-_INF, limit)
        moved = graph.emit_affine(node, result, 1, -shift) if shift.any() else result
        result = graph.emit(node, Activation(kind="clip", params=params), moved)
        result = graph.emit_affine(node, result, 1, shift) if shift.any() else result
    assert result is not None
    return result


def _larger(graph: GraphBuilder, node: OnnxNode, a: View, b: View, largest: bool) -> View:
    """The larger of two maps, or the smaller: ``a - max(a - b, 0)``."""
    a, b = matched(graph, node, a, b)
    difference = graph.emit(node, Add(minus=True), *((b, a) if largest else (a, b)))
    beyond = graph.emit(node, Activation(kind="clip", params=(0.0, _INF)), difference)
    return graph.emit(node, Add(minus=not largest), a, beyond)


def import_prelu(graph: GraphBuilder, node: OnnxNode) -> View:
    """PRelu: one slope is a LeakyRelu; one per channel, ``max(x, 0) + slope * min(x, 0)``."""
    x, slope = graph.view(node), graph.floats(node, 1)
    if slope.size and np.unique(slope).size == 1:
        _reach_no_further(node, x, graph.constant(node, 1))
        alpha = float(slope.reshape(-1)[0])
        return graph.emit(node, Activation(kind="leaky_relu", params=(alpha,)), x)
    scale = per_channel(node, x, graph.constant(node, 1))
    positive, negative = (
        graph.emit(node, Activation(kind="clip", params=limits), x)
        for limits in ((0.0, _INF), (-_INF, 0.0))
    )
    return graph.emit(node, Add(), positive, graph.emit_affine(node, negative, scale, 0))


def import_softmax(graph: GraphBuilder, node: OnnxNode) -> View | JoinedView:
    """Softmax over channels; over two branches, sigmoids (SKNet)."""
    axis = int(node.get("axis", -1 if graph.opset >= 13 else 1))
    found = branch_softmax(graph, node, axis) if graph.opset >= 13 else None
    if found is not None:
        return found
    x = graph.view(node)
    rank = len(x.dims)
    if not -rank <= axis < rank:
        raise ModelError(f"{node.label}: axis={axis} is not within rank {rank}", node=node.name)
    # Before opset 13 everything from the axis on is one long vector.
    summed = x.dims[axis % rank :] if graph.opset < 13 else (x.dims[axis % rank],)
    axes = [a for dim in summed for a in dim]
    if axes not in (["c"], []) or (not axes and x.sizes[2] > 1):
        raise node.unsupported("axis", axis, "only Softmax over channels is built")
    return graph.emit(node, Softmax(), x)


# Two inputs.


def import_add(graph: GraphBuilder, node: OnnxNode) -> View:
    """Add and Sum of maps, vectors and single channels; constants become a bias per channel."""
    inputs = operands(graph, node)
    views = [v for v in inputs if isinstance(v, View)]
    total = views[0]
    for view in views[1:]:
        total = graph.emit(node, Add(), *matched(graph, node, total, view))
    for constant in inputs:
        if isinstance(constant, Constant):
            total = graph.emit_affine(node, total, 1, per_channel(node, total, constant))
    return total


def import_sub(graph: GraphBuilder, node: OnnxNode) -> View:
    """Sub of two maps, a map and a vector or a single channel, or of or from a constant."""
    left, right = operands(graph, node)
    if isinstance(left, View) and isinstance(right, View):
        return graph.emit(node, Add(minus=True), *matched(graph, node, left, right))
    if isinstance(left, View):
        assert isinstance(right, Constant)
        return graph.emit_affine(node, left, 1, -per_channel(node, left, right))
    assert isinstance(right, View)
    return graph.emit_affine(node, right, -1, per_channel(node, right, left))


def import_mul(graph: GraphBuilder, node: OnnxNode) -> View | SplitView | JoinedView:
    """Mul by a constant, by one value per channel, or of two maps (which a pass must recognise)."""
    found = product_of_branches(graph, node)
    if found is not None:
        return found
    a, b = operands(graph, node)
    for constant, x in ((b, a), (a, b)):
        if isinstance(constant, Constant) and isinstance(x, View):
            return graph.emit_affine(node, x, per_channel(node, x, constant), 0)
    assert isinstance(a, View)
    assert isinstance(b, View)
    if _is_vector_of(a, b) and not _is_vector_of(b, a):
        a, b = b, a
    if not _is_vector_of(b, a):
        a, b = _factors(graph, node, a, b)
    return graph.emit(node, Mul(), a, b)


def _factors(graph: GraphBuilder, node: OnnxNode, a: View, b: View) -> tuple[View, View]:
    """Two maps, or a map and a vector, of what is not yet: one channel is repeated."""
    for number, x in ((b, a), (a, b)):
        if number.sizes == (1, 1, 1) and x.sizes != (1, 1, 1):
            return x, repeat_channel(graph, node, number, x.sizes[2], x.dims)
    return matched(graph, node, a, b)


def import_div(graph: GraphBuilder, node: OnnxNode) -> View:
    """Div by a constant, or of a constant."""
    divisor = graph.value(node, 1)
    if isinstance(graph.value(node, 0), Constant) and isinstance(divisor, View):
        one_over = graph.emit(node, Activation(kind="reciprocal"), divisor)
        return graph.emit_affine(
            node, one_over, per_channel(node, divisor, graph.constant(node, 0)), 0
        )
    if not isinstance(divisor, Constant):
        raise node.rejected("divides by an activation", "only constants may be divided by")
    x = graph.view(node)
    values = per_channel(node, x, divisor)
    if not values.all():
        raise ModelError(f"{node.label}: '{divisor.name}' holds zeros to divide by", node=node.name)
    return graph.emit_affine(node, x, 1 / values.astype(np.float64), 0)


def _is_vector_of(vector: View, x: View) -> bool:
    """Whether ``vector`` has one value for each channel of ``x``, lined up as ONNX broadcasts."""
    if vector.sizes != (1, 1, x.sizes[2]) or len(vector.dims) > len(x.dims):
        return False
    missing = len(x.dims) - len(vector.dims)
    dims = ((),) * missing + vector.dims
    return list(dims) == [d if d == ("c",) else () for d in x.dims]


def per_channel(node: OnnxNode, x: View, constant: Constant) -> Floats:
    """A constant that broadcasts over ``x``, as one number per channel (or a single one)."""
    array: npt.NDArray[Any] = as_floats(node, constant)
    if array.ndim > len(x.dims):
        raise _bad_broadcast(node, x, constant)
    if array.size == 1:
        return array.reshape(1)
    aligned = array.reshape((1,) * (len(x.dims) - array.ndim) + array.shape)
    for axis, (dim, size) in enumerate(zip(x.dims, aligned.shape, strict=True)):
        if size > 1 and "c" not in dim:
            first = aligned.take([0], axis)
            if size != x.shape[axis] or not (aligned == first).all():
                raise _bad_broadcast(node, x, constant)
            aligned = first
    if aligned.size not in (1, x.sizes[2]):
        raise _bad_broadcast(node, x, constant)
    if aligned.size > 1 and not any(d == ("c",) for d in x.dims):
        raise _bad_broadcast(node, x, constant)
    return aligned.reshape(-1)


def _reach_no_further(node: OnnxNode, x: View, constant: Constant) -> None:
    """Raise where a constant of equal numbers would make more of ``x`` than it is."""
    shape = constant.array.shape
    aligned = (1,) * (len(x.shape) - len(shape)) + shape
    alike = len(aligned) == len(x.shape)
    if not alike or any(s not in (1, n) for s, n in zip(aligned, x.shape, strict=True)):
        raise _bad_broadcast(node, x, constant)


def _bad_broadcast(node: OnnxNode, x: View, constant: Constant) -> Exception:
    return node.rejected(
        f"combines {x.shape} with constant '{constant.name}' of shape {constant.array.shape}",
        "only a single number or one per channel is built",
    )
