"""Nearest-neighbour upsampling by two, in walks that the window engine has.

No raster repeats a pixel. But blocks of two runs that overlap by one run do, in order: of rows
r0 r1 r2 they are (r0 r1)(r1 r2), and every row but the first and the last is there twice. With
one pixel of padding around the map what is missing at the ends is padding, which is cut off:

    x (h, w) -> pad (h + 3, w + 2) -> stretch columns (h + 2, 2 w + 4)
             -> stretch rows (2 h + 2, 2 w + 4) -> cut (2 h, 2 w)

Runs of one pixel double columns: one block goes from each pixel to its right neighbour, the last
of a row to the first of the next (the row more at the bottom is for the very last). The padding
is a window of one pixel: it joins the step that makes x.
"""

from __future__ import annotations

from dataclasses import replace

from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import Op, QMaxPool, QStretch, QUpsample
from accelgen.ir.shapes import infer_shape

__all__ = ["lower_upsamples"]

_STAGES: tuple[tuple[str, Op], ...] = (
    ("padded", QMaxPool(kernel=(1, 1), pads=(1, 1, 2, 1))),
    ("columns", QStretch(axis=2)),
    ("rows", QStretch(axis=1)),
    ("", QMaxPool(kernel=(1, 1), pads=(-1, -1, -1, -3))),
)


def lower_upsamples(graph: Graph) -> Graph:
    """``graph`` with four nodes in the place of each QUpsample; the last makes its output."""
    tensors = dict(graph.tensors)
    names = Names.of(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        if not isinstance(node.op, QUpsample):
            nodes.append(node)
            continue
        source = node.inputs[0]
        for suffix, op in _STAGES:
            name = names.of_part(node.name, f".{suffix}") if suffix else node.name
            output = names.of_part(node.output, f".{suffix}") if suffix else node.output
            stage = replace(node, name=name, op=op, inputs=(source,), output=output)
            kind = graph.tensors[node.output]
            tensors[output] = TensorType(infer_shape(stage, tensors), "int8", kind.quantization)
            nodes.append(stage)
            source = output
    return replace(graph, nodes=tuple(nodes), tensors=tensors)
