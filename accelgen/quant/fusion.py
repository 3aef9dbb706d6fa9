"""Which tensors of a float graph need no scale of their own."""

from __future__ import annotations

from collections.abc import Mapping

from accelgen.ir import Graph, Node, Quantization, ops
from accelgen.ir.ps_ops import Deform

__all__ = ["complete", "fusable_clip", "fused_clips", "is_last_softmax"]


def fusable_clip(graph: Graph, node: Node) -> Node | None:
    """The clip that alone reads ``node``'s output, when int8 ``node`` can clip by itself."""
    if not isinstance(node.op, ops.Conv2d | ops.Add) or graph.reads(node.output) != 1:
        return None
    for reader in graph.readers(node.output):
        if isinstance(reader.op, ops.Activation) and reader.op.kind == "clip":
            return reader
    return None


def fused_clips(graph: Graph, scales: Mapping[str, Quantization]) -> dict[str, Node]:
    """Clips to fuse, by the name of the node before them.

    A scale between the two that differs from the clip's own forbids it: it rounds.
    """
    fused = {}
    for node in graph.nodes:
        clip = fusable_clip(graph, node)
        if clip and scales.get(node.output, scales.get(clip.output)) == scales.get(clip.output):
            fused[node.name] = clip
    return fused


def is_last_softmax(graph: Graph, node: Node) -> bool:
    """Whether ``node`` is a Softmax that no other node reads: it stays float."""
    return isinstance(node.op, ops.Softmax) and not graph.readers(node.output)


def complete(graph: Graph, scales: Mapping[str, Quantization]) -> dict[str, Quantization]:
    """Give tensors without a scale that of a neighbour, where that changes no result.

    Quantizing is monotonic and elementwise: it may be done before a MaxPool, a clip, a Concat, a
    Select or an Upsample instead of after it, and what is joined from one scale, or is a maximum,
    a part or a copy of it, has it already. What Deform gathers no file has a scale for: it lies
    between numbers of its map.
    """
    known = dict(scales)
    for node in reversed(graph.nodes):
        if _commutes(node) and node.output in known:
            for name in node.inputs:
                if name not in known and len(set(_readers(graph, name))) == 1:
                    known[name] = known[node.output]
    for node in graph.nodes:
        if isinstance(node.op, Deform) and node.inputs[0] in known:
            known.setdefault(node.output, known[node.inputs[0]])
        above = {known.get(name) for name in node.inputs}
        if (node.op.keeps_scale or _copies(node)) and len(above) == 1:
            scale = above.pop()
            if scale is not None:
                known.setdefault(node.output, scale)
    return known


def _commutes(node: Node) -> bool:
    clips = isinstance(node.op, ops.Activation) and node.op.kind == "clip"
    return clips or _copies(node) or node.op.keeps_scale


def _copies(node: Node) -> bool:
    return isinstance(node.op, ops.Activation) and node.op.kind == "identity"


def _readers(graph: Graph, tensor: str) -> list[str]:
    """Names of the readers; an output of the graph counts as one."""
    return [n.name for n in graph.readers(tensor)] + [""] * graph.outputs.count(tensor)
