"""Operators that choose or reorder channels: Split, Slice, Gather, and Reshapes that split them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from accelgen.errors import ModelError
from accelgen.frontend.blocks import strided
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.joined import cut_apart
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.rearrange import cropped
from accelgen.frontend.values import Dims, JoinedView, SplitView, StridedView, View
from accelgen.ir.ops import Select

__all__ = ["import_gather", "import_slice", "import_split", "reshaped"]


def import_split(graph: GraphBuilder, node: OnnxNode) -> Sequence[View | JoinedView]:
    """Split along channels: sizes as attribute (opset < 13), input, or equal parts; and of what is
    joined, where it is."""
    given = graph.value(node, 0)
    x = given if isinstance(given, JoinedView) else graph.view(node)
    axis = _axis(node, x, node.get("axis", 0))
    total, count = x.shape[axis], len(node.outputs)
    if graph.opset < 13:
        sizes = tuple(node.get("split", ()))
    else:
        sizes = graph.numbers(node, 1) if node.has_input(1) else ()
    if "split" in node.attributes and not sizes:
        raise node.unsupported("split", sizes, "leave it away for equal parts")
    if graph.opset >= 18 and not sizes and "num_outputs" not in node.attributes:
        raise ModelError(
            f"{node.label} has neither its input split nor num_outputs", node=node.name
        )
    if not sizes:
        most = -(-total // count)
        sizes = tuple(max(0, min(most, total - i * most)) for i in range(count))
        if graph.opset < 18 and total % count:
            raise ModelError(
                f"{node.label}: {total} do not divide into {count} equal parts", node=node.name
            )
    if node.get("num_outputs", count) != count:
        raise node.unsupported("num_outputs", node.get("num_outputs", 0), f"it has {count} outputs")
    if len(sizes) != count or sum(sizes) != total or min(sizes) < 1:
        raise ModelError(
            f"{node.label}: split={sizes} does not cut {total} in {count} parts", node=node.name
        )
    if count == 1:
        return [x]
    if isinstance(x, JoinedView):
        if axis != x.axis:
            graph.view(node)  # raises
        return cut_apart(node, x, sizes)
    _only_channels(node, x, axis)
    ends = np.cumsum(sizes).tolist()
    return [
        graph.emit(node, Select(channels=tuple(range(end - size, end))), x, output=i)
        for i, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]


def import_slice(graph: GraphBuilder, node: OnnxNode) -> View | StridedView:
    """Slice of channels, of rows and columns; every n-th of these may become part of a
    convolution (Focus)."""
    given = graph.values.get(node.inputs[0])
    x = given if isinstance(given, StridedView) else graph.view(node)
    if graph.opset < 10:
        starts, ends = (tuple(node.get(name, ())) for name in ("starts", "ends"))
        axes, steps = tuple(node.get("axes", range(len(starts)))), (1,) * len(starts)
    else:
        starts, ends = graph.numbers(node, 1), graph.numbers(node, 2)
        axes = graph.numbers(node, 3) if node.has_input(3) else tuple(range(len(starts)))
        steps = graph.numbers(node, 4) if node.has_input(4) else (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise ModelError(
            f"{node.label}: starts={starts}, ends={ends}, axes={axes} and steps={steps} do not fit",
            node=node.name,
        )
    kept: dict[str, range] = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        at = _axis(node, x, axis)
        # The end of a slice that runs backwards to the very beginning is below -size.
        last = None if step < 0 and end < -x.shape[at] else end
        chosen = range(*slice(start, last, step).indices(x.shape[at]))
        if not chosen:
            raise ModelError(
                f"{node.label} leaves nothing of dimension {at} of {x.shape}", node=node.name
            )
        if chosen == range(x.shape[at]):
            continue
        spatial = x.dims[at] in (("h",), ("w",))
        found = strided(graph, node, x, x.dims[at][0], chosen) if spatial else None
        if found is not None:
            x = found
        elif spatial and step > 0:
            kept[x.dims[at][0]] = chosen
        else:
            x = x.make() if isinstance(x, StridedView) else x
            _only_channels(node, x, at)
            x = graph.emit(node, Select(channels=tuple(chosen)), x)
    if kept:
        x = cropped(graph, node, x.make() if isinstance(x, StridedView) else x, kept)
    return x


def import_gather(graph: GraphBuilder, node: OnnxNode) -> View:
    """Gather of channels, by a constant list, or by a number: that one, without the axis.

    A list in several dimensions, all but one of size 1, adds those of size 1.
    """
    x = graph.view(node)
    axis = _axis(node, x, node.get("axis", 0))
    shape = graph.constant(node, 1).array.shape
    if sum(n > 1 for n in shape) > 1:
        raise node.rejected(f"has indices of shape {shape}", "they must be a list")
    size, indices = x.shape[axis], graph.numbers(node, 1)
    if not indices or not all(-size <= i < size for i in indices):
        raise ModelError(f"{node.label}: its indices are not all within {size}", node=node.name)
    _only_channels(node, x, axis)
    channels = tuple(i % size for i in indices)
    new: Dims = tuple(("c",) if n > 1 else () for n in shape)
    dims = (*x.dims[:axis], *new, *x.dims[axis + 1 :])
    if channels == tuple(range(size)) and size > 1:
        return replace(x, dims=dims)
    return graph.emit(node, Select(channels=channels), x, dims=dims)


def _axis(node: OnnxNode, x: View | StridedView | JoinedView, axis: int) -> int:
    rank = len(x.shape)
    if not -rank <= axis < rank:
        raise ModelError(f"{node.label}: axis={axis} is not within rank {rank}", node=node.name)
    return axis % rank


def _only_channels(node: OnnxNode, x: View, axis: int) -> None:
    if x.dims[axis] != ("c",):
        raise node.unsupported(
            "axis", axis, f"only channels are taken apart, not what {x.shape} has there: use a Conv"
        )  # fmt: skip


# Channel shuffle: Reshape to groups, Transpose, Reshape.


def reshaped(
    graph: GraphBuilder, node: OnnxNode, x: View | SplitView, shape: tuple[int, ...]
) -> View | SplitView | None:
    """``x`` as ``shape``, its channels split where need be; None if another axis would have to be.

    Channels whose parts come together again in another order are selected so (a channel shuffle).
    """
    parts = list(x.parts) if isinstance(x, SplitView) else [x.sizes[2]]
    names = list(range(len(parts)))  # of the parts, in memory order; never used again
    sizes: dict[object, int] = dict(zip(names, parts, strict=True))
    axes: list[object] = [_name(axis) for dim in x.dims for axis in dim]
    dims: list[list[object]] = []
    for wanted in shape:
        taken: list[object] = []
        while wanted > 1:
            axis = axes.pop(0) if axes else None
            size = sizes[axis] if isinstance(axis, int) else x.size_of(str(axis))
            if wanted % size:
                if not isinstance(axis, int) or size % wanted:
                    return None
                first, second = len(sizes), len(sizes) + 1
                sizes |= {first: wanted, second: size // wanted}
                at = names.index(axis)
                names[at : at + 1] = [first, second]
                axes.insert(0, second)
                axis, size = first, wanted
            taken.append(axis)
            wanted //= size
        dims.append(taken)
    return None if axes else _seen(graph, node, x, dims, [(n, sizes[n]) for n in names])


def _name(axis: str) -> object:
    """The number of a part of the channels, the name of another axis."""
    return int(axis[1:] or 0) if axis[0] == "c" else axis


def _seen(
    graph: GraphBuilder,
    node: OnnxNode,
    x: View | SplitView,
    dims: list[list[object]],
    parts: list[tuple[int, int]],
) -> View | SplitView:
    """``x`` with ``dims``, in as few parts of channels as these allow."""
    at = 0
    while at + 1 < len(parts):
        (one, size), (two, other) = parts[at : at + 2]
        dim = next((d for d in dims if one in d), [])
        if two not in dim or dim.index(two) != dim.index(one) + 1:
            at += 1
            continue
        dim.remove(two)
        parts[at : at + 2] = [(one, size * other)]
    names = [name for name, _ in parts]
    sizes = tuple(size for _, size in parts)
    holding = next((d for d in dims if names and set(names) <= set(d)), None)
    if len(parts) > 1 and holding is not None and len(holding) == len(names):
        order = [names.index(name) for name in holding if isinstance(name, int)]
        channels = np.arange(x.sizes[2]).reshape(sizes).transpose(order).ravel().tolist()
        plain = tuple(("c",) if dim is holding else tuple(map(str, dim)) for dim in dims)
        view = View(x.tensor, x.sizes, plain)
        return graph.emit(node, Select(channels=tuple(channels)), view)
    shown: dict[object, str] = {n: "c" if len(parts) == 1 else f"c{i}" for i, n in enumerate(names)}
    new = tuple(tuple(shown.get(axis, str(axis)) for axis in dim) for dim in dims)
    if len(parts) == 1:
        return View(x.tensor, x.sizes, new)
    return SplitView(x.tensor, x.sizes, new, sizes)
