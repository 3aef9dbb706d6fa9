"""Operands of Add, Sub, Mul, Max and Min as ONNX broadcasts them, brought to one shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import Constant, Dims, ExpandedView, View
from accelgen.ir.ops import Conv2d, Mul, Upsample

__all__ = ["matched", "operands", "repeat_channel", "repeated"]

_WAY_OUT = "let another of its operands have that shape, or remove the Expand"

#: Opset from which on these broadcast; the others do in all that are read.
_BROADCAST_SINCE = {"Max": 8, "Min": 8, "Sum": 8}


def operands(graph: GraphBuilder, node: OnnxNode) -> list[View | Constant]:
    """All inputs. Of what an Expand made larger the View it made it of: the others must say how
    large the result is."""
    values = [graph.value(node, i) for i in range(len(node.inputs))]
    given = [
        v if isinstance(v, Constant) else v.view if isinstance(v, ExpandedView)
        else graph.view(node, i)
        for i, v in enumerate(values)
    ]  # fmt: skip
    shapes = {v.array.shape if isinstance(v, Constant) else v.shape for v in given}
    if len(shapes) > 1 and graph.opset < _BROADCAST_SINCE.get(node.op_type, 0):
        raise node.rejected(
            f"combines {' and '.join(map(str, sorted(shapes)))}, and does not broadcast at opset"
            f" {graph.opset}",
            "export it with opset_version=17",
        )
    views = [v.shape for v in given if isinstance(v, View)]
    shape = _shape(node, views) if views else ()
    for value in values:
        if isinstance(value, ExpandedView) and _shape(node, [shape, value.shape]) != shape:
            raise node.rejected(f"repeats {value.view.shape} to {value.shape}", _WAY_OUT)
    return given


def _shape(node: OnnxNode, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        listed = " and ".join(str(s) for s in shapes)
        raise node.rejected(f"combines {listed}", "these shapes do not broadcast") from error


def matched(graph: GraphBuilder, node: OnnxNode, a: View, b: View) -> tuple[View, View]:
    """Both operands as maps of one shape and order.

    One channel is repeated by a 1x1 convolution with ones; a vector over a map's pixels by the
    product of a map of ones with it; a single row or column by an Upsample.

    Raises
    ------
    UnsupportedOpError
        The axes are in different order.
    """
    rank = max(len(a.dims), len(b.dims))
    one, two = _aligned(a, rank), _aligned(b, rank)
    if one.dims == two.dims and one.sizes == two.sizes:
        return a, b
    dims: Dims = tuple(
        p if len(p) >= len(q) else q for p, q in zip(one.dims, two.dims, strict=True)
    )
    axes = [axis for dim in dims for axis in dim]
    fits = all(d in ((), w) for v in (one, two) for d, w in zip(v.dims, dims, strict=True))
    sizes = tuple(max(p, q) for p, q in zip(one.sizes, two.sizes, strict=True))
    if not fits or len(set(axes)) != len(axes):
        raise _order(node, a, b)
    if any(p != q and 1 not in (p, q) for p, q in zip(one.sizes, two.sizes, strict=True)):
        raise node.rejected(f"combines {a.shape} and {b.shape}", "these shapes do not broadcast")
    both = [
        repeat_channel(graph, node, v, sizes[2], dims) if v.sizes[2] != sizes[2] else v
        for v in (one, two)
    ]
    for i, view in enumerate(both):
        if view.sizes[:2] != (1, 1):
            both[i] = repeated(graph, node, view, (sizes[0], sizes[1]))
    for i, view in enumerate(both):
        if view.sizes != sizes:
            ones = graph.emit_affine(node, both[1 - i], 0, 1)
            both[i] = graph.emit(node, Mul(), ones, view)
    return replace(both[0], dims=dims), replace(both[1], dims=dims)


def _aligned(x: View, rank: int) -> View:
    return replace(x, dims=((),) * (rank - len(x.dims)) + x.dims)


def _order(node: OnnxNode, a: View, b: View) -> Exception:
    return node.rejected(
        f"combines '{a.tensor}' and '{b.tensor}', whose axes are in different order",
        "remove the Transpose or Reshape before one of them",
    )


def repeat_channel(graph: GraphBuilder, node: OnnxNode, x: View, channels: int, dims: Dims) -> View:
    """``x``, of one channel, as ``channels`` equal ones, seen as ``dims``."""
    ones = graph.add_made_constant(f"{node.name}.ones", np.ones((channels, 1, 1, 1), np.float32))
    none = graph.add_made_constant(f"{node.name}.zeros", np.zeros(channels, np.float32))
    return graph.emit(node, Conv2d(kernel=(1, 1)), x, ones, none, dims=dims)


def repeated(graph: GraphBuilder, node: OnnxNode, x: View, sizes: tuple[int, int]) -> View:
    """``x``, a map, or a single pixel, row or column of one, as a map of ``sizes``."""
    factor = (sizes[0] // x.sizes[0], sizes[1] // x.sizes[1])
    return x if factor == (1, 1) else graph.emit(node, Upsample(factor=factor), x)
