"""Expand and Tile: maps made larger by repeating what they have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelgen.errors import ModelError
from accelgen.frontend.broadcast import repeat_channel, repeated
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import NCHW, ExpandedView, View
from accelgen.ir.ops import Select

__all__ = ["import_expand", "import_tile"]


def import_expand(graph: GraphBuilder, node: OnnxNode) -> View | ExpandedView:
    """Expand of an activation."""
    x, wanted = graph.view(node), graph.numbers(node, 1)
    try:
        shape = np.broadcast_shapes(x.shape, wanted)
    except ValueError as error:
        raise ModelError(
            f"{node.label}: {x.shape} does not broadcast to {wanted}", node=node.name
        ) from error
    x = replace(x, dims=((),) * (len(shape) - len(x.dims)) + x.dims)
    return _expanded(graph, node, x, shape)


def import_tile(graph: GraphBuilder, node: OnnxNode) -> View | ExpandedView:
    """Tile of channels, and of what a single row, column or channel is."""
    x, repeats = graph.view(node), graph.numbers(node, 1)
    if len(repeats) != len(x.dims) or min(repeats) < 1:
        raise ModelError(
            f"{node.label}: repeats={repeats} must be {len(x.dims)} numbers from 1 on",
            node=node.name,
        )
    for axis, times in enumerate(repeats):
        if times == 1 or x.shape[axis] == 1:
            continue
        if x.dims[axis] != ("c",):
            raise node.rejected(
                f"repeats {x.shape} by {repeats}",
                "channels, and single rows and columns, may be repeated: use Resize for pixels",
            )
        x = graph.emit(node, Select(channels=tuple(range(x.sizes[2])) * times), x)
        repeats = (*repeats[:axis], 1, *repeats[axis + 1 :])
    shape = tuple(a * b for a, b in zip(x.shape, repeats, strict=True))
    return _expanded(graph, node, x, shape)


def _expanded(
    graph: GraphBuilder, node: OnnxNode, x: View, shape: tuple[int, ...]
) -> View | ExpandedView:
    """What reads it may broadcast by itself: nothing is made larger before it is asked for."""

    def make(reader: OnnxNode) -> View:
        if not x.is_nchw or len(shape) != 4 or shape[0] != 1:
            raise reader.rejected(
                f"reads what '{node.name}' ({node.op_type}) makes of {x.shape}: {shape}",
                "only Add, Sub, Mul, Max and Min may read it: they broadcast without it",
            )
        _, channels, height, width = shape
        y = x if x.sizes[2] == channels else repeat_channel(graph, node, x, channels, x.dims)
        return replace(repeated(graph, node, y, (height, width)), dims=NCHW)

    return x if shape == x.shape else ExpandedView(x, shape, make)
