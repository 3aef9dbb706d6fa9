"""What is cut off a map before a convolution: the convolution begins further in, for nothing."""

from __future__ import annotations

from dataclasses import replace

from accelgen.arch.isa import RASTER
from accelgen.ir import Graph, Node
from accelgen.ir.ops import Pads, QConv2d, QMaxPool

__all__ = ["fold_crops"]


def fold_crops(graph: Graph) -> Graph:
    """``graph`` without the windows of one pixel that cut a map for one convolution alone: its
    pads are then negative. Where both cut and pad on a side, zeros must stand: they stay apart."""
    gone: dict[str, str] = {}
    nodes: list[Node] = []
    cuts = {node.output: node for node in graph.nodes if _cuts(node)}
    for node in graph.nodes:
        crop = cuts.get(node.inputs[0])
        pads = _joined(node, crop) if crop is not None else None
        if crop is not None and pads is not None and graph.reads(crop.output) == 1:
            assert isinstance(node.op, QConv2d)
            gone[crop.name] = node.name
            node = replace(
                node, op=replace(node.op, pads=pads), inputs=(crop.inputs[0], *node.inputs[1:])
            )  # fmt: skip
        nodes.append(node)
    if not gone:
        return graph
    kept = tuple(node for node in nodes if node.name not in gone)
    removed = {node.output for node in graph.nodes if node.name in gone}
    tensors = {name: kind for name, kind in graph.tensors.items() if name not in removed}
    return fold_crops(replace(graph, nodes=kept, tensors=tensors))


def _cuts(node: Node) -> bool:
    op = node.op
    cuts = isinstance(op, QMaxPool) and max(op.pads) <= 0 and any(op.pads)
    return isinstance(op, QMaxPool) and cuts and op.kernel == op.stride == (1, 1)


def _joined(node: Node, crop: Node) -> Pads | None:
    """Pads of the convolution over the whole map; None where no raster walks so."""
    op = node.op
    assert isinstance(crop.op, QMaxPool)
    if not isinstance(op, QConv2d) or op.insert != (1, 1) or op.stride[1] != 1:
        return None
    if max(op.kernel) > RASTER.largest("kernel_h"):  # as large as the map, and taken as another
        return None
    if any(cut and pad > 0 for cut, pad in zip(crop.op.pads, op.pads, strict=True)):
        return None
    a, b, c, d = (cut + pad for cut, pad in zip(crop.op.pads, op.pads, strict=True))
    least = RASTER["pad_left"].least
    return (a, b, c, d) if min(a, b) >= least else None
