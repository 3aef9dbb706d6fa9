"""Operators that move no data: Reshape and its kin, Transpose, Identity; and Concat."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import onnx

from accelgen.errors import ModelError
from accelgen.frontend.blocks import blocks_of, joined_phases, reshaped_blocks
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.channels import reshaped
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.stacks import restacked
from accelgen.frontend.values import (
    BlockView,
    ChoiceView,
    Constant,
    JoinedView,
    MaskView,
    QuantizedView,
    SplitView,
    View,
)
from accelgen.ir.ops import Activation, Concat
from accelgen.ir.types import Quantization
from accelgen.ir.views import Choice

__all__ = [
    "import_arg",
    "import_cast",
    "import_concat",
    "import_dropout",
    "import_flatten",
    "import_identity",
    "import_reshape",
    "import_shape",
    "import_squeeze",
    "import_transpose",
    "import_unsqueeze",
]

AnyView = View | SplitView | JoinedView

_FLOAT_TYPES = (
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.DOUBLE,
)


def import_identity(graph: GraphBuilder, node: OnnxNode) -> AnyView:
    """Identity."""
    return graph.any_view(node)


def import_dropout(graph: GraphBuilder, node: OnnxNode) -> AnyView:
    """Dropout in inference."""
    if node.has_input(2) and bool(np.any(graph.constant(node, 2).array)):
        raise node.rejected("runs in training mode", "export the model in inference mode")
    return graph.any_view(node)


def import_cast(graph: GraphBuilder, node: OnnxNode) -> AnyView:
    """Cast between float types (the graph is float32 throughout), or of an integer input."""
    to = node.get("to", 0)
    node.require("saturate", (1,), 1, "it is for 8-bit floats: remove it")
    if to not in _FLOAT_TYPES:
        name = (
            onnx.TensorProto.DataType.Name(to) if to in onnx.TensorProto.DataType.values() else to
        )
        raise node.unsupported("to", name, "activations are only cast between float types")
    given = graph.value(node, 0)
    if isinstance(given, MaskView):
        return given.view
    if isinstance(given, QuantizedView) and given.quantization is None:
        # The bytes themselves, in steps of one: as int8, uint8 begins at -128.
        steps = Quantization(1.0, -128 if given.dtype == "uint8" else 0)
        return graph.note_quantization(node, given.view, steps)
    return graph.any_view(node)


def import_flatten(graph: GraphBuilder, node: OnnxNode) -> View | SplitView | BlockView:
    """Flatten to two dimensions at ``axis``."""
    x = graph.layout(node)
    axis, rank = int(node.get("axis", 1)), len(x.dims)
    if not -rank <= axis <= rank:
        raise ModelError(f"{node.label}: axis={axis} is not within rank {rank}", node=node.name)
    cut = axis + rank if axis < 0 else axis
    return _reshaped(graph, node, x, (prod(x.shape[:cut]), prod(x.shape[cut:])))


def import_reshape(graph: GraphBuilder, node: OnnxNode) -> View | SplitView | BlockView:
    """Reshape to a constant shape that merges whole axes, adds and removes ones, or splits channels
    and joins them again, or takes pixels apart into blocks that become channels."""
    given = graph.value(node, 0)
    if isinstance(given, JoinedView):
        given = restacked(graph, node, given) or given
    x = given if isinstance(given, BlockView | SplitView) else graph.layout(node)
    wanted = list(graph.numbers(node, 1))
    if not node.get("allowzero", 0):
        if any(size == 0 and i >= len(x.shape) for i, size in enumerate(wanted)):
            raise ModelError(
                f"{node.label}: shape {wanted} copies a dimension {x.shape} lacks", node=node.name
            )
        wanted = [x.shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    if wanted.count(-1) == 1:
        rest = -prod(wanted)
        if rest > 0 and prod(x.shape) % rest == 0:
            wanted[wanted.index(-1)] = prod(x.shape) // rest
    return _reshaped(graph, node, x, tuple(wanted))


def _reshaped(
    graph: GraphBuilder, node: OnnxNode, x: View | SplitView | BlockView, shape: tuple[int, ...]
) -> View | SplitView | BlockView:
    if prod(shape) != prod(x.shape) or min(shape, default=1) < 1:
        raise ModelError(
            f"{node.label} reshapes {x.shape} to {shape}, which has another size", node=node.name
        )
    if isinstance(x, BlockView):
        return reshaped_blocks(graph, node, x, shape)
    seen: View | SplitView | BlockView | None = reshaped(graph, node, x, shape)
    if seen is None and isinstance(x, View):
        seen = blocks_of(x, shape)
    if seen is None:
        raise node.rejected(
            f"reshapes {x.shape} to {shape}, which splits an axis",
            "only Reshapes that flatten a map, add and remove axes of size 1, or split channels for"
            " a shuffle, are built",
        )
    return seen


def _read_axes(graph: GraphBuilder, node: OnnxNode) -> tuple[int, ...] | None:
    """axes: attribute before opset 13, input from then on."""
    if graph.opset < 13:
        return tuple(node.attributes["axes"]) if "axes" in node.attributes else None
    return graph.numbers(node, 1) if node.has_input(1) else None


def import_squeeze(graph: GraphBuilder, node: OnnxNode) -> View | SplitView:
    """Squeeze dimensions of size 1."""
    x = graph.layout(node)
    axes = _read_axes(graph, node)
    rank = len(x.dims)
    if axes == ():
        raise node.rejected("has no axes", "leave axes away for all dimensions of size 1")
    if axes is None:
        axes = tuple(i for i, size in enumerate(x.shape) if size == 1)
    gone = {axis % rank for axis in axes if -rank <= axis < rank}
    if len(gone) != len(axes) or any(x.shape[i] != 1 for i in gone):
        raise ModelError(
            f"{node.label}: axes={axes} of shape {x.shape} are not all of size 1", node=node.name
        )
    return replace(x, dims=tuple(dim for i, dim in enumerate(x.dims) if i not in gone))


def import_unsqueeze(graph: GraphBuilder, node: OnnxNode) -> View | SplitView:
    """Unsqueeze: insert dimensions of size 1."""
    x = graph.layout(node)
    axes = _read_axes(graph, node) or ()
    rank = len(x.dims) + len(axes)
    new = {axis % rank for axis in axes if -rank <= axis < rank}
    if len(new) != len(axes):
        raise ModelError(
            f"{node.label}: axes={axes} are not distinct and within rank {rank}", node=node.name
        )
    old = iter(x.dims)
    return replace(x, dims=tuple(() if i in new else next(old) for i in range(rank)))


def import_transpose(graph: GraphBuilder, node: OnnxNode) -> AnyView | BlockView:
    """Transpose: only how later operators see the axes changes."""
    given = graph.value(node, 0)
    x = given if isinstance(given, BlockView) else graph.any_view(node)
    rank = len(x.shape)
    perm = tuple(node.get("perm", range(rank)[::-1]))
    if sorted(perm) != list(range(rank)):
        raise ModelError(
            f"{node.label}: perm={perm} does not permute {rank} dimensions", node=node.name
        )
    if isinstance(x, JoinedView):
        parts = tuple(replace(p, dims=tuple(p.dims[i] for i in perm)) for p in x.parts)
        return JoinedView(parts, perm.index(x.axis))
    return replace(x, dims=tuple(x.dims[i] for i in perm))


def import_shape(graph: GraphBuilder, node: OnnxNode) -> Constant:
    """Shape of an activation: all shapes are known."""
    shape = np.array(graph.any_view(node).shape, np.int64)
    start, end = node.get("start", 0), node.get("end", None)
    return Constant(node.outputs[0], shape[start:end])


def import_arg(graph: GraphBuilder, node: OnnxNode) -> ChoiceView:
    """ArgMax or ArgMin at the end of the model: the host does it."""
    given = graph.value(node, 0)
    if isinstance(given, QuantizedView) and given.quantization is not None:
        # The larger of two integers of one scale is the larger number.
        x = graph.note_quantization(node, given.view, given.quantization)
    else:
        x = graph.any_view(node)
    if isinstance(x, View) and x.tensor in graph.inputs:
        x = graph.emit(node, Activation(kind="identity"), x)  # as the accelerator sees it
    axis, rank = int(node.get("axis", 0)), len(x.shape)
    if not -rank <= axis < rank:
        raise ModelError(f"{node.label}: axis={axis} is not within rank {rank}", node=node.name)
    choice = Choice(
        axis=axis % rank, keepdims=bool(node.get("keepdims", 1)),
        last=bool(node.get("select_last_index", 0)), least=node.op_type == "ArgMin",
    )  # fmt: skip
    return ChoiceView(x, choice)


def import_concat(graph: GraphBuilder, node: OnnxNode) -> View | JoinedView:
    """Concat along channels; along anything else only at the end of the model, by the host."""
    found = joined_phases(graph, node)
    if found is not None:
        return found
    views = [graph.any_view(node, i) for i in range(len(node.inputs))]
    rank = len(views[0].shape)
    axis = node.get("axis", None)
    if axis is None or not -rank <= axis < rank:
        raise ModelError(f"{node.label}: axis={axis} is not within rank {rank}", node=node.name)
    at = axis % rank
    rests = {(*v.shape[:at], *v.shape[at + 1 :]) for v in views}
    if len({len(v.shape) for v in views}) != 1 or len(rests) != 1:
        shapes = ", ".join(str(v.shape) for v in views[:4]) + (", ..." if views[4:] else "")
        raise ModelError(
            f"{node.label}: {shapes} cannot be joined along axis={axis}", node=node.name
        )
    plain = [v for v in views if isinstance(v, View)]
    if len(plain) == len(views) and _joins_channels(plain, at):
        dims = tuple(("c",) if i == at else dim for i, dim in enumerate(plain[0].dims))
        return graph.emit(node, Concat(), *plain, dims=dims)
    parts: list[View | SplitView] = []
    for view in views:
        if isinstance(view, JoinedView) and view.axis != at:
            raise node.rejected("joins what is joined already, along another axis", _CUT)
        parts += view.parts if isinstance(view, JoinedView) else (view,)
    return JoinedView(tuple(parts), at)


_CUT = "join them outside the accelerator: make each an output of the model"


def _joins_channels(views: list[View], at: int) -> bool:
    """Whether maps of one size and order are joined along channels and nothing else."""
    rests = {tuple(dim for i, dim in enumerate(v.dims) if i != at) for v in views}
    maps = {v.sizes[:2] for v in views}
    return (
        len(maps) == len(rests) == 1
        and {v.dims[at] for v in views} <= {(), ("c",)}
        and not any("c" in dim for dim in next(iter(rests)))
    )
