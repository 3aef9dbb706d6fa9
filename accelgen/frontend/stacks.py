"""Maps stacked along an axis of their own, and weighed branch by branch (SKNet, ResNeSt)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import Dims, JoinedView, SplitView, View
from accelgen.ir.graph import Node
from accelgen.ir.ops import Activation, Add, Concat, Conv2d, Mul, Select

__all__ = ["branch_softmax", "branches", "product_of_branches", "restacked", "sum_of_branches"]

Floats = npt.NDArray[np.float32]
Stack = JoinedView | SplitView


def _axis_of(x: object) -> int | None:
    """Along which dimension ``x`` is a stack of maps of one shape; None when it is none."""
    if isinstance(x, JoinedView):
        parts = [p for p in x.parts if isinstance(p, View)]
        alike = {(p.sizes, p.dims) for p in parts}
        plain = len(parts) == len(x.parts) and len(alike) == 1 and not parts[0].dims[x.axis]
        return x.axis if plain else None
    if isinstance(x, SplitView) and len(x.parts) == 2:
        at = [i for i, dim in enumerate(x.dims) if "c0" in dim]
        return at[0] if x.dims[at[0]] == ("c0",) and ("c1",) in x.dims else None
    return None


def branches(graph: GraphBuilder, node: OnnxNode, x: Stack, axis: int) -> list[View] | None:
    """The maps of a stack along ``axis``, that dimension being 1; None when it is no such stack."""
    if _axis_of(x) != axis:
        return None
    if isinstance(x, JoinedView):
        return [p for p in x.parts if isinstance(p, View)]
    count, size = x.parts
    whole = View(x.tensor, x.sizes, _without_parts(x.dims))
    return [
        graph.emit(node, Select(channels=tuple(range(i * size, (i + 1) * size))), whole)
        for i in range(count)
    ]


def _without_parts(dims: Dims) -> Dims:
    return tuple(
        tuple("c" if axis == "c1" else axis for axis in dim if axis != "c0") for dim in dims
    )


def sum_of_branches(graph: GraphBuilder, node: OnnxNode, axes: tuple[int, ...]) -> View | None:
    """ReduceSum or ReduceMean over a stack's axis: its maps added. None for anything else."""
    x = graph.values.get(node.inputs[0])
    at = _axis_of(x)
    if at is None or not isinstance(x, JoinedView | SplitView):
        return None
    if node.op_type == "ReduceMax" or axes not in ((at,), (at - len(x.shape),)):
        return None
    first, *others = branches(graph, node, x, at) or []
    for other in others:
        first = graph.emit(node, Add(), first, other)
    if node.op_type == "ReduceMean":
        first = graph.emit_affine(node, first, 1 / (1 + len(others)), 0)
    if node.get("keepdims", 1):
        return first
    return replace(first, dims=tuple(dim for i, dim in enumerate(first.dims) if i != at))


def branch_softmax(graph: GraphBuilder, node: OnnxNode, axis: int) -> JoinedView | None:
    """Softmax over two branches: of each the sigmoid of its difference from the other. None when
    it is not over a stack's axis.

    Where a 1x1 convolution makes both, its weights are subtracted instead of what it makes.
    Raises UnsupportedOpError on more than two branches.
    """
    x = graph.values.get(node.inputs[0])
    at = _axis_of(x)
    if at is None or not isinstance(x, JoinedView | SplitView) or axis % len(x.shape) != at:
        return None
    if x.shape[at] != 2:
        raise node.rejected(
            f"weighs {x.shape[at]} branches against one another", "two branches are built"
        )
    makes = _differences(graph, node, x) or _subtracted(graph, node, x, at)
    sigmoid = Activation(kind="sigmoid")
    return JoinedView(tuple(graph.emit(node, sigmoid, make()) for make in makes), at)


def _subtracted(graph: GraphBuilder, node: OnnxNode, x: Stack, at: int) -> list[Callable[[], View]]:
    a, b = branches(graph, node, x, at) or []
    return [
        lambda: graph.emit(node, Add(minus=True), a, b),
        lambda: graph.emit(node, Add(minus=True), b, a),
    ]


def _differences(graph: GraphBuilder, node: OnnxNode, x: Stack) -> list[Callable[[], View]] | None:
    """Both differences, by the convolution that makes the branches; None where there is none, or
    where its result has a scale of its own."""
    made = next((n for n in graph.nodes if n.output == getattr(x, "tensor", "")), None)
    if not isinstance(x, SplitView) or made is None or graph.quantization:
        return None
    if not isinstance(made.op, Conv2d) or made.op.groups != 1 or made.op.kernel != (1, 1):
        return None
    weight, bias = (graph.constants[name] for name in made.inputs[1:])
    half = x.parts[1]
    dims = _without_parts(x.dims)
    return [
        lambda: _conv(graph, node, made, weight[:half] - weight[half:], bias[:half] - bias[half:],
                      dims),
        lambda: _conv(graph, node, made, weight[half:] - weight[:half], bias[half:] - bias[:half],
                      dims),
    ]  # fmt: skip


def _conv(
    graph: GraphBuilder, node: OnnxNode, like: Node, weight: Floats, bias: Floats, dims: Dims
) -> View:
    name = graph.add_made_constant(f"{node.name}.weight", weight)
    return graph.emit(
        node, like.op, like.inputs[0], name, graph.add_made_constant(f"{node.name}.bias", bias),
        dims=dims,
    )  # fmt: skip


def product_of_branches(graph: GraphBuilder, node: OnnxNode) -> Stack | None:
    """Mul of a stack of maps and a stack of vectors, branch by branch. None for anything else."""
    a, b = (graph.values.get(name) for name in node.inputs)
    if not isinstance(a, JoinedView | SplitView) or not isinstance(b, JoinedView | SplitView):
        return None
    at = _axis_of(a)
    if at is None or at != _axis_of(b) or a.shape[at] != b.shape[at]:
        return None
    if isinstance(a, SplitView) and isinstance(b, SplitView):
        return _product_of_split(graph, node, a, b)
    pairs = zip(branches(graph, node, a, at) or [], branches(graph, node, b, at) or [], strict=True)
    parts = []
    for one, two in pairs:
        x, s = (two, one) if one.sizes[:2] == (1, 1) else (one, two)
        if s.sizes != (1, 1, x.sizes[2]):
            return None
        parts.append(graph.emit(node, Mul(), x, s))
    return JoinedView(tuple(parts), at)


def _product_of_split(
    graph: GraphBuilder, node: OnnxNode, a: SplitView, b: SplitView
) -> SplitView | None:
    if a.sizes[:2] == (1, 1):
        a, b = b, a
    if b.sizes != (1, 1, a.sizes[2]) or a.parts != b.parts:
        return None
    made = graph.emit(node, Mul(), a.tensor, b.tensor)
    return replace(a, tensor=made.tensor)


def restacked(graph: GraphBuilder, node: OnnxNode, x: JoinedView) -> SplitView | None:
    """A stack as one map whose channels are those of all, one map after the other: what a Reshape
    and a Transpose read. None when it is no stack."""
    at = _axis_of(x)
    first = x.parts[0]
    if at is None or ("c",) not in first.dims or not isinstance(first, View):
        return None
    whole = graph.emit(node, Concat(), *(p for p in x.parts if isinstance(p, View)))
    dims = tuple(
        ("c0",) if i == at else tuple("c1" if axis == "c" else axis for axis in dim)
        for i, dim in enumerate(first.dims)
    )
    return SplitView(whole.tensor, whole.sizes, dims, (len(x.parts), first.sizes[2]))
