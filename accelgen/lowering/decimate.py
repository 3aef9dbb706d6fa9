"""Pointwise convolutions with a stride, where dropping pixels before them takes fewer cycles.

The PE array walks a map with a stride row by row: of a row of 7 pixels 9 of 16 lanes are idle, for
every pair of input and output groups. The window engine drops pixels once per input group, and
what is left is joined rows: the shortcut of a ResNet's last stage. Where the map is stored in
phases the convolutions beside it lose them: a map that the window engine reads is in order.
"""

from __future__ import annotations

from dataclasses import replace

from accelgen.arch import ArchParams
from accelgen.cost import Memory
from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import QConv2d, QMaxPool
from accelgen.ir.shapes import infer_shape
from accelgen.lowering.strands import is_woven
from accelgen.lowering.windows import Window, window_of
from accelgen.program.layout import rows_of
from accelgen.program.raster import raster_vectors

__all__ = ["decimate"]


def decimate(
    graph: Graph, arch: ArchParams, memory: Memory, in_phases: frozenset[str] = frozenset()
) -> Graph:
    """``graph`` with the dropping of pixels a step of its own before such convolutions.

    ``in_phases``: the tensors that would be stored in phases if nothing was dropped.
    """
    tensors = dict(graph.tensors)
    names = Names.of(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.inputs[0] not in graph.inputs and _pays(node, graph, arch, memory, in_phases):
            assert isinstance(node.op, QConv2d)
            source, name = node.inputs[0], names.fresh(f"{node.name}.decimated")
            op = QMaxPool(kernel=(1, 1), stride=node.op.stride)
            fewer = replace(node, name=name, op=op, inputs=(source,), output=name)
            kind = tensors[source]
            tensors[name] = TensorType(infer_shape(fewer, tensors), "int8", kind.quantization)
            inputs = (name, *node.inputs[1:])
            node = replace(node, op=replace(node.op, stride=(1, 1)), inputs=inputs)
            nodes.append(fewer)
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


def _pays(
    node: Node, graph: Graph, arch: ArchParams, memory: Memory, in_phases: frozenset[str]
) -> bool:
    """Vectors of the array saved, in cycles, against the window engine's, those that others then
    need more, and a map's way through DDR where it may not stay in the feature memory."""
    op, source = node.op, node.inputs[0]
    if not isinstance(op, QConv2d) or op.groups > 1 or op.kernel != (1, 1) or any(op.pads):
        return False
    if op.stride[1] == 1:
        return False
    _, height, width, channels = graph.tensors[source].shape
    _, out_h, out_w, _ = graph.tensors[node.output].shape
    strided = window_of(node, graph)
    joined = Window(height=out_h, width=out_w, out_h=out_h, out_w=out_w)
    dropping = raster_vectors(strided.whole(), arch.window_width)
    before, others = raster_vectors(strided.whole(), arch.pixels), 0
    if source in in_phases:
        before = raster_vectors(strided.in_phases(arch.pixels).whole(), arch.pixels)
        readers = (n for n in graph.nodes if n.inputs[0] == source and n is not node)
        beside = (n for n in readers if not is_woven(n))
        others = sum(_lost(n, graph, arch) for n in beside)
    after = raster_vectors(joined.whole(), arch.pixels)
    groups = -(-channels // arch.lanes)
    rows = groups * rows_of(height, width, arch.pixels)
    spilled = rows * arch.row_bytes / memory.rate if 2 * rows > arch.feature_rows else 0
    saved = (before - after) * _beats(node, graph, arch)
    return saved > groups * dropping + others + spilled


def _lost(node: Node, graph: Graph, arch: ArchParams) -> int:
    """Cycles that a convolution takes longer when its map is in order, not in phases."""
    window = window_of(node, graph)
    vectors = raster_vectors(window.whole(), arch.pixels)
    fewer = raster_vectors(window.in_phases(arch.pixels).whole(), arch.pixels)
    return (vectors - fewer) * _beats(node, graph, arch)


def _beats(node: Node, graph: Graph, arch: ArchParams) -> int:
    """Of the array per vector: taps, for every pair of input and output groups."""
    assert isinstance(node.op, QConv2d)
    channels, outputs = (graph.tensors[t].shape[3] for t in (node.inputs[0], node.output))
    pairs = -(-channels // arch.lanes) * -(-outputs // arch.lanes)
    return node.op.kernel[0] * node.op.kernel[1] * pairs
