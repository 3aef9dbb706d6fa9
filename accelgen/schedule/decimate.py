"""Pointwise convolutions with a stride, where dropping pixels before them takes fewer cycles.

The PE array walks a map with a stride row by row: of a row of 7 pixels 9 of 16 lanes are idle, for
every pair of input and output groups. The window engine drops pixels once per input group, and
what is left is joined rows: the shortcut of a ResNet's last stage.
"""

from __future__ import annotations

from dataclasses import replace

from accelgen.arch import ArchParams
from accelgen.ir import Graph, Node, TensorType
from accelgen.ir.ops import QConv2d, QMaxPool
from accelgen.ir.shapes import infer_shape
from accelgen.schedule.geometry import Window
from accelgen.schedule.layout import rows_of
from accelgen.schedule.raster import raster_vectors

__all__ = ["decimate"]

#: What the choice assumes of DDR, as tiling does.
_DDR_BYTES_PER_CYCLE = 12


def decimate(graph: Graph, arch: ArchParams) -> Graph:
    """``graph`` with the dropping of pixels a step of its own before such convolutions."""
    tensors = dict(graph.tensors)
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.inputs[0] != graph.input and _pays(node, graph, arch):
            assert isinstance(node.op, QConv2d)
            source, name = node.inputs[0], f"{node.name}.decimated"
            op = QMaxPool(kernel=(1, 1), stride=node.op.stride)
            fewer = replace(node, name=name, op=op, inputs=(source,), output=name)
            kind = tensors[source]
            tensors[name] = TensorType(infer_shape(fewer, tensors), "int8", kind.quantization)
            inputs = (name, *node.inputs[1:])
            node = replace(node, op=replace(node.op, stride=(1, 1)), inputs=inputs)
            nodes.append(fewer)
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


def _pays(node: Node, graph: Graph, arch: ArchParams) -> bool:
    """Vectors of the array saved, in cycles, against the window engine's and a map's way through
    DDR where it may not stay in the feature memory."""
    op = node.op
    if not isinstance(op, QConv2d) or op.groups > 1 or op.kernel != (1, 1) or any(op.pads):
        return False
    if op.stride[1] == 1:
        return False
    _, height, width, channels = graph.tensors[node.inputs[0]].shape
    _, out_h, out_w, outputs = graph.tensors[node.output].shape
    strided = Window(height=height, width=width, out_h=out_h, out_w=out_w, stride=op.stride)
    joined = Window(height=out_h, width=out_w, out_h=out_h, out_w=out_w)
    dropping = raster_vectors(strided.whole(), arch.pixels)
    before = raster_vectors(strided.in_phases(arch.pixels).whole(), arch.pixels)
    after = raster_vectors(joined.whole(), arch.pixels)
    groups = -(-channels // arch.lanes)
    rows = groups * rows_of(height, width, arch.pixels)
    spilled = rows * arch.row_bytes / _DDR_BYTES_PER_CYCLE if 2 * rows > arch.feature_rows else 0
    return (before - after) * groups * -(-outputs // arch.lanes) > groups * dropping + spilled
