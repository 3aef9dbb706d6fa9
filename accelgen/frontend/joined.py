"""Rows or columns of several maps behind each other (coordinate attention): what works on each
pixel by itself works on each map by itself, and nothing is joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from accelgen.frontend.builder import GraphBuilder, Value
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import NCHW, Constant, JoinedView, View
from accelgen.ir.activations import BY_ONNX

__all__ = ["cut_apart", "part_by_part"]

Reader = Callable[[GraphBuilder, OnnxNode], Value | Sequence[Value]]

#: Operators that work on each pixel by itself: a Conv only where its kernel is of one.
_PIXELWISE = {
    *BY_ONNX, "Add", "BatchNormalization", "Clip", "Conv", "Div", "Gelu", "Max", "Min", "Mul",
    "Neg", "PRelu", "Pow", "Relu", "Sqrt", "Sub", "Swish",
}  # fmt: skip


def part_by_part(graph: GraphBuilder, node: OnnxNode, read: Reader) -> Value | Sequence[Value]:
    """What ``read`` makes of ``node``, on each part of inputs whose pixels are joined."""
    joined = {n: x for n in node.inputs if isinstance(x := graph.values.get(n), JoinedView)}
    if not joined or node.op_type not in _PIXELWISE or not _is_pixelwise(graph, node):
        return read(graph, node)
    first = next(iter(joined.values()))
    if any(_lengths(x) != _lengths(first) for x in joined.values()):
        return read(graph, node)
    made: list[View] = []
    try:
        for at, part in enumerate(first.parts):
            dims = part.dims
            for name, x in joined.items():
                one = x.parts[at]
                if not isinstance(one, View) or one.dims[x.axis] == ():
                    graph.values.update(joined)
                    return read(graph, node)
                graph.values[name] = replace(one, dims=NCHW) if len(dims) == len(NCHW) else one
            result = read(graph, node)
            assert isinstance(result, View)
            made.append(replace(result, dims=dims))
    finally:
        graph.values.update(joined)
    return JoinedView(tuple(made), first.axis)


def _lengths(x: JoinedView) -> tuple[int, list[tuple[int, ...]], list[object]]:
    return x.axis, [part.shape for part in x.parts], [part.dims for part in x.parts]


def _is_pixelwise(graph: GraphBuilder, node: OnnxNode) -> bool:
    """Whether each pixel is made of its own; other inputs are the same for all pixels."""
    values = [graph.values.get(name) for name in node.inputs if name]
    for x in values:
        if isinstance(x, JoinedView):
            # Channels stand where ONNX has them: before the pixels.
            if any(len(p.dims) < 2 or p.dims[1] not in ((), ("c",)) for p in x.parts):
                return False
        elif not isinstance(x, Constant):
            return False
    if node.op_type != "Conv":
        return True
    weight = values[1] if len(values) > 1 else None
    return (
        isinstance(weight, Constant)
        and weight.array.shape[2:] == (1, 1)
        and all(v == 1 for v in node.get("strides", ()))
        and not any(node.get("pads", ()))
    )


def cut_apart(node: OnnxNode, x: JoinedView, sizes: Sequence[int]) -> list[View | JoinedView]:
    """``x`` cut along where it is joined, in parts of ``sizes``."""
    lengths = [part.shape[x.axis] for part in x.parts]
    ends = [0, *accumulate(lengths)]
    cuts = [0, *accumulate(sizes)]
    if not set(cuts) <= set(ends) or not all(isinstance(part, View) for part in x.parts):
        raise node.rejected(
            f"cuts {x.shape} in parts of {tuple(sizes)} along dimension {x.axis}, which is joined"
            f" of {tuple(lengths)}",
            "cut it where it was joined",
        )
    made: list[View | JoinedView] = []
    for first, last in pairwise(cuts):
        parts = x.parts[ends.index(first) : ends.index(last)]
        whole = parts[0] if len(parts) == 1 else None
        made.append(whole if isinstance(whole, View) else JoinedView(parts, x.axis))
    return made
