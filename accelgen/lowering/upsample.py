"""Nearest-neighbour upsampling, in walks that the engines have.

By two. No raster repeats a pixel. But blocks of two runs that overlap by one run do, in order: of
rows r0 r1 r2 they are (r0 r1)(r1 r2), and every row but the first and the last is there twice. With
one pixel of padding around the map what is missing at the ends is padding, which is cut off:

    x (h, w) -> pad (h + 3, w + 2) -> stretch columns (h + 2, 2 w + 4)
             -> stretch rows (2 h + 2, 2 w + 4) -> cut (2 h, 2 w)

Runs of one pixel double columns: one block goes from each pixel to its right neighbour, the last
of a row to the first of the next (the row more at the bottom is for the very last). The padding
is a window of one pixel: it joins the step that makes x.

By anything else. Between the pixels -128 is inserted (insert.py), and of as many pixels as the
factor, going back from each, the largest is the one that is there: along columns, then along rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import Op, Pair, QInsert, QMaxPool, QStretch, QUpsample
from accelgen.ir.shapes import infer_shape

__all__ = ["lower_upsamples", "spread_upsamples"]

_Stages = tuple[tuple[str, Op], ...]
_TWICE: _Stages = (
    ("padded", QMaxPool(kernel=(1, 1), pads=(1, 1, 2, 1))),
    ("columns", QStretch(axis=2)),
    ("rows", QStretch(axis=1)),
    ("", QMaxPool(kernel=(1, 1), pads=(-1, -1, -1, -3))),
)


def lower_upsamples(graph: Graph) -> Graph:
    """``graph`` with four nodes in the place of each QUpsample by two; the last makes its
    output."""
    return _lowered(graph, lambda factor: _TWICE if factor == (2, 2) else ())


def spread_upsamples(graph: Graph) -> Graph:
    """``graph`` with two nodes per axis in the place of each other QUpsample."""
    return _lowered(graph, _spread)


def _spread(factor: Pair) -> _Stages:
    if factor == (2, 2):
        return ()
    (rows, columns), stages = factor, list[tuple[str, Op]]()
    if columns > 1:
        op = QMaxPool(kernel=(1, columns), pads=(0, columns - 1, 0, 0))
        stages += [("columns", QInsert(factor=(1, columns), value=-128)), ("wide", op)]
    if rows > 1 or not stages:
        op = QMaxPool(kernel=(rows, 1), pads=(rows - 1, 0, 0, 0))
        stages += [("rows", QInsert(factor=(rows, 1), value=-128)), ("", op)]
    return (*stages[:-1], ("", stages[-1][1]))


def _lowered(graph: Graph, stages: Callable[[Pair], _Stages]) -> Graph:
    tensors = dict(graph.tensors)
    names = Names.of(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        made = stages(node.op.factor) if isinstance(node.op, QUpsample) else ()
        source = node.inputs[0]
        for suffix, op in made:
            name = names.of_part(node.name, f".{suffix}") if suffix else node.name
            output = names.of_part(node.output, f".{suffix}") if suffix else node.output
            stage = replace(node, name=name, op=op, inputs=(source,), output=output)
            kind = graph.tensors[node.output]
            tensors[output] = TensorType(infer_shape(stage, tensors), "int8", kind.quantization)
            nodes.append(stage)
            source = output
        nodes += [] if made else [node]
    return replace(graph, nodes=tuple(nodes), tensors=tensors)
