"""Operators that choose or reorder channels: Split, Slice, Gather, and Reshapes that split them."""

from __future__ import annotations

from math import prod

import numpy as np

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import SplitView, View, regroup
from accelgen.ir.ops import Select

__all__ = ["import_gather", "import_slice", "import_split", "rejoined", "split_channels"]


def import_split(graph: GraphBuilder, node: OnnxNode) -> list[View]:
    """Split along channels: sizes as attribute (opset < 13), input, or equal parts."""
    x = graph.view(node)
    axis = _axis(node, x, node.get("axis", 0))
    total, count = x.shape[axis], len(node.outputs)
    if graph.opset < 13:
        sizes = tuple(node.get("split", ()))
    else:
        sizes = graph.numbers(node, 1) if node.has_input(1) else ()
    if not sizes:
        most = -(-total // count)
        sizes = tuple(max(0, min(most, total - i * most)) for i in range(count))
        if graph.opset < 18 and total % count:
            raise ModelError(f"{node.label}: {total} do not divide into {count} equal parts")
    if node.get("num_outputs", count) != count:
        raise node.unsupported("num_outputs", node.get("num_outputs", 0), f"it has {count} outputs")
    if len(sizes) != count or sum(sizes) != total or min(sizes) < 1:
        raise ModelError(f"{node.label}: split={sizes} does not cut {total} in {count} parts")
    if count == 1:
        return [x]
    _only_channels(node, x, axis)
    ends = np.cumsum(sizes).tolist()
    return [
        graph.emit(node, Select(channels=tuple(range(end - size, end))), x, output=i)
        for i, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]


def import_slice(graph: GraphBuilder, node: OnnxNode) -> View:
    """Slice of channels; along other dimensions only what leaves them as they are."""
    x = graph.view(node)
    if graph.opset < 10:
        starts, ends = (tuple(node.get(name, ())) for name in ("starts", "ends"))
        axes, steps = tuple(node.get("axes", range(len(starts)))), (1,) * len(starts)
    else:
        starts, ends = graph.numbers(node, 1), graph.numbers(node, 2)
        axes = graph.numbers(node, 3) if node.has_input(3) else tuple(range(len(starts)))
        steps = graph.numbers(node, 4) if node.has_input(4) else (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise ModelError(
            f"{node.label}: starts={starts}, ends={ends}, axes={axes} and steps={steps} do not fit"
        )
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        at = _axis(node, x, axis)
        # The end of a slice that runs backwards to the very beginning is below -size.
        last = None if step < 0 and end < -x.shape[at] else end
        chosen = tuple(range(*slice(start, last, step).indices(x.shape[at])))
        if not chosen:
            raise ModelError(f"{node.label} leaves nothing of dimension {at} of {x.shape}")
        if chosen != tuple(range(x.shape[at])):
            _only_channels(node, x, at)
            x = graph.emit(node, Select(channels=chosen), x)
    return x


def import_gather(graph: GraphBuilder, node: OnnxNode) -> View:
    """Gather of channels, by a constant list."""
    x = graph.view(node)
    axis = _axis(node, x, node.get("axis", 0))
    shape = graph.constant(node, 1).array.shape
    if len(shape) != 1:
        raise node.rejected(f"has indices of shape {shape}", "they must be a list")
    size, indices = x.shape[axis], graph.numbers(node, 1)
    if not indices or not all(-size <= i < size for i in indices):
        raise ModelError(f"{node.label}: its indices are not all within {size}")
    _only_channels(node, x, axis)
    return graph.emit(node, Select(channels=tuple(i % size for i in indices)), x)


def _axis(node: OnnxNode, x: View, axis: int) -> int:
    rank = len(x.dims)
    if not -rank <= axis < rank:
        raise ModelError(f"{node.label}: axis={axis} is not within rank {rank}")
    return axis % rank


def _only_channels(node: OnnxNode, x: View, axis: int) -> None:
    if x.dims[axis] != ("c",):
        raise node.unsupported(
            "axis", axis, f"only channels are taken apart, not what {x.shape} has there: use a Conv"
        )  # fmt: skip


# Channel shuffle: Reshape to groups, Transpose, Reshape.


def split_channels(x: View, shape: tuple[int, ...]) -> SplitView | None:
    """``x`` reshaped to ``shape``, which cuts its channels; None if it cuts something else."""
    axes = [axis for dim in x.dims for axis in dim]
    dims: list[tuple[str, ...]] = []
    parts: list[int] = []
    rest = 1  # of the channels, still to be cut
    for wanted in shape:
        if rest == 1 and not parts and axes[:1] == ["c"] and 1 < wanted < x.sizes[2]:
            axes.pop(0)
            rest = x.sizes[2]
        if rest > 1:
            if rest % wanted:
                return None
            rest //= wanted
            dims.append((f"c{len(parts)}",) if wanted > 1 else ())
            parts += [wanted] if wanted > 1 else []
            continue
        taken: list[str] = []
        while axes and prod(map(x.size_of, taken)) < wanted:
            taken.append(axes.pop(0))
        if prod(map(x.size_of, taken)) != wanted:
            return None
        dims.append(tuple(taken))
    if axes or rest > 1 or not parts:
        return None
    return SplitView(x.tensor, x.sizes, tuple(dims), tuple(parts))


def rejoined(
    graph: GraphBuilder, node: OnnxNode, x: SplitView, shape: tuple[int, ...]
) -> View | SplitView:
    """``x`` reshaped: channels whose parts come together in another order are selected so."""
    dims = regroup(x, shape)
    if dims is None:
        raise _not_joined(node, x, shape)
    names = [f"c{i}" for i in range(len(x.parts))]
    holding = [dim for dim in dims if set(dim) & set(names)]
    if all(len(dim) == 1 for dim in holding):
        return SplitView(x.tensor, x.sizes, dims, x.parts)
    if len(holding) != 1 or sorted(holding[0]) != names:
        raise _not_joined(node, x, shape)
    order = [names.index(name) for name in holding[0]]
    channels = np.arange(x.sizes[2]).reshape(x.parts).transpose(order).ravel().tolist()
    plain = tuple(("c",) if dim == holding[0] else dim for dim in dims)
    view = View(x.tensor, x.sizes, plain)
    if channels == sorted(channels):
        return view
    return graph.emit(node, Select(channels=tuple(channels)), view)


def _not_joined(node: OnnxNode, x: SplitView, shape: tuple[int, ...]) -> Exception:
    return node.rejected(
        f"reshapes {x.shape}, whose channels are split, to {shape}",
        "behind a Reshape that splits channels, all parts must come together in one dimension",
    )
