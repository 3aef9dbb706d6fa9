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
A single pixel needs nothing inserted: padding makes it a row. Large factors go by several, each
over the pixels that those before it made.
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
    return _lowered(graph, lambda factor, _: _TWICE if factor == (2, 2) else ())


def spread_upsamples(graph: Graph) -> Graph:
    """``graph`` with a chain of nodes per axis in the place of each other QUpsample."""
    return _lowered(graph, _spread)


def _spread(factor: Pair, size: Pair) -> _Stages:
    """Of a map of ``size``."""
    if factor == (2, 2):
        return ()
    (rows, columns), stages = factor, list[tuple[str, Op]]()
    if columns > 1:
        stages += _along(1, columns, size[1])
    if rows > 1 or not stages:
        stages += _along(0, rows, size[0])
    return (*stages[:-1], ("", stages[-1][1]))


def _along(axis: int, factor: int, size: int) -> _Stages:
    """Each pixel of ``size`` along ``axis`` ``factor`` times."""
    stages, before = list[tuple[str, Op]](), 1
    for step in _steps(factor)[0]:
        kernel = (step, 1) if axis == 0 else (1, step)
        back = (kernel[0] - 1, kernel[1] - 1)
        alone = size * before == 1
        # Names say how large it has become, where it is not all at once.
        part = "" if step == factor else str(step * before)
        if not alone:
            op = QInsert(factor=kernel, value=-128)
            stages.append((("rows", "columns")[axis] + part, op))
        pads = (*back, *back) if alone else (*back, 0, 0)
        stages.append((("tall", "wide")[axis] + part, QMaxPool(kernel=kernel, pads=pads)))
        before *= step
    return tuple(stages)


def _steps(factor: int) -> tuple[tuple[int, ...], int]:
    """The quickest factors of ``factor``, first to last, and their cost: of a step to n pixels two
    passes over them and a tap for each of its pixels."""
    best: tuple[tuple[int, ...], int] = (factor,), factor * (2 + factor)
    for last in range(2, factor // 2 + 1):
        if factor % last == 0:
            steps, cost = _steps(factor // last)
            best = min(best, ((*steps, last), cost + factor * (2 + last)), key=lambda b: b[1])
    return best


def _lowered(graph: Graph, stages: Callable[[Pair, Pair], _Stages]) -> Graph:
    tensors = dict(graph.tensors)
    names = Names.of(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        made: _Stages = ()
        if isinstance(node.op, QUpsample):
            _, height, width, _ = graph.tensors[node.inputs[0]].shape
            made = stages(node.op.factor, (height, width))
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
