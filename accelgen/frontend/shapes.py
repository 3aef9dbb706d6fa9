"""Operators that move no data: Reshape and its kin, Transpose, Identity; and Concat."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import onnx

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.channels import rejoined, split_channels
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import Constant, Dims, SplitView, View, regroup
from accelgen.ir.ops import Concat

__all__ = [
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

_FLOAT_TYPES = (
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.DOUBLE,
)


def _seen_as(x: View, dims: Dims) -> View:
    return View(x.tensor, x.sizes, dims)


def import_identity(graph: GraphBuilder, node: OnnxNode) -> View:
    """Identity."""
    return graph.view(node)


def import_dropout(graph: GraphBuilder, node: OnnxNode) -> View:
    """Dropout in inference."""
    if node.has_input(2) and bool(np.any(graph.constant(node, 2).array)):
        raise node.rejected("runs in training mode", "export the model in inference mode")
    return graph.view(node)


def import_cast(graph: GraphBuilder, node: OnnxNode) -> View:
    """Cast between float types: the graph is float32 throughout."""
    to = node.get("to", 0)
    if to not in _FLOAT_TYPES:
        name = (
            onnx.TensorProto.DataType.Name(to) if to in onnx.TensorProto.DataType.values() else to
        )
        raise node.unsupported("to", name, "activations are only cast between float types")
    return graph.view(node)


def import_flatten(graph: GraphBuilder, node: OnnxNode) -> View:
    """Flatten to two dimensions at ``axis``."""
    x = graph.view(node)
    axis, rank = int(node.get("axis", 1)), len(x.dims)
    if not -rank <= axis <= rank:
        raise ModelError(f"{node.label}: axis={axis} is not within rank {rank}")
    cut = axis + rank if axis < 0 else axis
    head = tuple(a for dim in x.dims[:cut] for a in dim)
    tail = tuple(a for dim in x.dims[cut:] for a in dim)
    return _seen_as(x, (head, tail))


def import_reshape(graph: GraphBuilder, node: OnnxNode) -> View | SplitView:
    """Reshape to a constant shape that merges whole axes, adds and removes ones, or splits channels
    and joins them again."""
    value = graph.value(node, 0)
    x = value if isinstance(value, SplitView) else graph.view(node)
    wanted = list(graph.numbers(node, 1))
    if not node.get("allowzero", 0):
        if any(size == 0 and i >= len(x.shape) for i, size in enumerate(wanted)):
            raise ModelError(f"{node.label}: shape {wanted} copies a dimension {x.shape} lacks")
        wanted = [x.shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    if wanted.count(-1) == 1:
        rest = -prod(wanted)
        if rest > 0 and prod(x.shape) % rest == 0:
            wanted[wanted.index(-1)] = prod(x.shape) // rest
    return _reshaped(graph, node, x, tuple(wanted))


def _reshaped(
    graph: GraphBuilder, node: OnnxNode, x: View | SplitView, shape: tuple[int, ...]
) -> View | SplitView:
    if prod(shape) != prod(x.shape) or min(shape, default=1) < 1:
        raise ModelError(f"{node.label} reshapes {x.shape} to {shape}, which has another size")
    if isinstance(x, SplitView):
        return rejoined(graph, node, x, shape)
    dims = regroup(x, shape)
    if dims is not None:
        return _seen_as(x, dims)
    split = split_channels(x, shape)
    if split is None:
        raise node.rejected(
            f"reshapes {x.shape} to {shape}, which splits an axis",
            "only Reshapes that flatten a map, add and remove axes of size 1, or split channels for"
            " a shuffle, are built",
        )
    return split


def _read_axes(graph: GraphBuilder, node: OnnxNode) -> tuple[int, ...] | None:
    """axes: attribute before opset 13, input from then on."""
    if graph.opset < 13:
        return tuple(node.attributes["axes"]) if "axes" in node.attributes else None
    return graph.numbers(node, 1) if node.has_input(1) else None


def import_squeeze(graph: GraphBuilder, node: OnnxNode) -> View:
    """Squeeze dimensions of size 1."""
    x = graph.view(node)
    axes = _read_axes(graph, node)
    rank = len(x.dims)
    if axes is None:
        axes = tuple(i for i, size in enumerate(x.shape) if size == 1)
    gone = {axis % rank for axis in axes if -rank <= axis < rank}
    if len(gone) != len(axes) or any(x.shape[i] != 1 for i in gone):
        raise ModelError(f"{node.label}: axes={axes} of shape {x.shape} are not all of size 1")
    return _seen_as(x, tuple(dim for i, dim in enumerate(x.dims) if i not in gone))


def import_unsqueeze(graph: GraphBuilder, node: OnnxNode) -> View:
    """Unsqueeze: insert dimensions of size 1."""
    x = graph.view(node)
    axes = _read_axes(graph, node) or ()
    rank = len(x.dims) + len(axes)
    new = {axis % rank for axis in axes if -rank <= axis < rank}
    if len(new) != len(axes):
        raise ModelError(f"{node.label}: axes={axes} are not distinct and within rank {rank}")
    old = iter(x.dims)
    return _seen_as(x, tuple(() if i in new else next(old) for i in range(rank)))


def import_transpose(graph: GraphBuilder, node: OnnxNode) -> View | SplitView:
    """Transpose: only how later operators see the axes changes."""
    value = graph.value(node, 0)
    x = value if isinstance(value, SplitView) else graph.view(node)
    rank = len(x.dims)
    perm = tuple(node.get("perm", range(rank)[::-1]))
    if sorted(perm) != list(range(rank)):
        raise ModelError(f"{node.label}: perm={perm} does not permute {rank} dimensions")
    return replace(x, dims=tuple(x.dims[i] for i in perm))


def import_shape(graph: GraphBuilder, node: OnnxNode) -> Constant:
    """Shape of an activation: all shapes are known."""
    shape = np.array(graph.view(node).shape, np.int64)
    start, end = node.get("start", 0), node.get("end", None)
    return Constant(node.outputs[0], shape[start:end])


def import_concat(graph: GraphBuilder, node: OnnxNode) -> View:
    """Concat along channels."""
    views = [graph.view(node, i) for i in range(len(node.inputs))]
    rank = len(views[0].dims)
    axis = node.get("axis", None)
    if axis is None or not -rank <= axis < rank:
        raise ModelError(f"{node.label}: axis={axis} is not within rank {rank}")
    at = axis % rank
    # The other dimensions must agree, and the joined one must be channels and nothing else.
    rests = {tuple(dim for i, dim in enumerate(v.dims) if i != at) for v in views}
    maps = {v.sizes[:2] for v in views}
    joined = {v.dims[at] for v in views}
    if len({len(v.dims) for v in views}) != 1 or len(maps) != 1 or len(rests) != 1:
        raise node.rejected(
            f"joins {', '.join(str(v.shape) for v in views)} along axis={axis}",
            "only maps of the same height and width are joined, along channels",
        )
    if not joined <= {(), ("c",)} or any("c" in dim for dim in next(iter(rests))):
        raise node.unsupported("axis", axis, "only joining along channels is built")
    dims = tuple(("c",) if i == at else dim for i, dim in enumerate(views[0].dims))
    return graph.emit(node, Concat(), *views, dims=dims)
