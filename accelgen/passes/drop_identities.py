"""Nodes that change nothing, and nodes nobody needs."""

from __future__ import annotations

from dataclasses import replace

from accelgen.ir.graph import Graph, Node
from accelgen.ir.ops import Activation, AvgPool, Concat, GlobalAvgPool, MaxPool, Select
from accelgen.passes.rewrite import Lookup, Rewrite, join_sources, rewrite

__all__ = ["drop_dead", "drop_identities", "merge_clips"]


def drop_identities(graph: Graph) -> Graph:
    """Drop nodes whose output equals their input.

    Scale 1 with shift 0, pools of one pixel with stride 1, Concat of one, Select of all channels in
    order, clip without limits.
    Activation "identity" stays: it stands for a change of scale in a QDQ model. A node between
    two names that must both survive (inputs, outputs) stays too.
    """
    while True:
        lookup = Lookup(graph)
        renamed: dict[str, str] = {}
        dropped: set[str] = set()
        for node in graph.nodes:
            if not _is_identity(lookup, node):
                continue
            source, output = node.inputs[0], node.output
            source = renamed.get(source, source)
            if output not in graph.outputs:
                renamed[output] = source
            elif source not in (*graph.inputs, *graph.outputs) and not dropped:
                # The source takes the output's name: alone in its sweep, readers may be anywhere.
                renamed[source] = output
                dropped.add(node.name)
                break
            else:
                continue
            dropped.add(node.name)
        if not dropped:
            return graph
        graph = _renamed(graph, dropped, renamed)


def _renamed(graph: Graph, dropped: set[str], renamed: dict[str, str]) -> Graph:
    def name(tensor: str) -> str:
        return renamed.get(tensor, tensor)

    return graph.with_nodes(
        tuple(
            replace(n, inputs=tuple(name(i) for i in n.inputs), output=name(n.output))
            for n in graph.nodes
            if n.name not in dropped
        )
    )


def _is_identity(lookup: Lookup, node: Node) -> bool:
    op = node.op
    affine = lookup.affine(node)
    if affine is not None:
        return not any(affine.pads) and affine.neutral
    if isinstance(op, Activation):
        return op.kind == "clip" and op.params == (float("-inf"), float("inf"))
    if isinstance(op, MaxPool | AvgPool):
        return op.kernel == (1, 1) and op.stride == (1, 1) and not any(op.pads)
    if isinstance(op, GlobalAvgPool):
        return lookup.graph.tensors[node.inputs[0]].shape[1:3] == (1, 1)
    if isinstance(op, Select):
        return op.channels == tuple(range(lookup.graph.tensors[node.inputs[0]].shape[3]))
    return isinstance(op, Concat) and len(node.inputs) == 1


def merge_clips(graph: Graph) -> Graph:
    """``clip(clip(x, a, b), c, d)`` becomes ``clip(x, clip(a, c, d), clip(b, c, d))``."""
    return rewrite(graph, _match_clips)


def _match_clips(lookup: Lookup, first: Node) -> Rewrite | None:
    second = lookup.sole_reader(first.output)
    if second is None:
        return None
    inner, outer = _clip_limits(first), _clip_limits(second)
    if inner is None or outer is None:
        return None
    low, high = (min(max(limit, outer[0]), outer[1]) for limit in inner)
    op = Activation(kind="clip", params=(low, high))
    sources = join_sources(first, second)
    return Rewrite(second, replace(second, op=op, inputs=first.inputs, sources=sources), (first,))


def _clip_limits(node: Node) -> tuple[float, float] | None:
    if not isinstance(node.op, Activation) or node.op.kind != "clip":
        return None
    low, high = node.op.params
    return low, high


def drop_dead(graph: Graph) -> Graph:
    """Drop nodes that no output depends on."""
    needed = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.output in needed:
            needed.update(node.inputs)
            kept.append(node)
    return graph if len(kept) == len(graph.nodes) else graph.with_nodes(tuple(reversed(kept)))
