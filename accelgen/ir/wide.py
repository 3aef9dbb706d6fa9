"""Wide logits: the one home of which layers leave their sums as they are.

A *wide* layer is a fully connected QConv2d, or a QGlobalAvgPool, whose output, an int32 tensor
with a step per channel (``TensorType.steps``), is its sums: no rounding to int8, so no tie where
sums differ. Only a last layer may be: model outputs are made of it, and softmax at the end. The
graph keeps what rounding needs (multiplier, shift, zero point; the tensor's ``quantization``), so
that :func:`narrowed` gives the int8 form of any wide graph.

The quantizer makes wide what may be (:func:`widened`). The PS leaves sums as they are; the PL does
byte by byte (``lowering/leave_sums.py``). What a configuration has no room for is narrowed before
anything is computed: golden model, programs and packages are of one graph.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from accelgen.ir.graph import Graph, Node
from accelgen.ir.offload import is_dense
from accelgen.ir.ops import QConv2d, QGlobalAvgPool, Softmax

__all__ = ["is_wide", "may_be_wide", "narrowed", "wide_nodes", "widened"]


def is_wide(node: Node) -> bool:
    """Whether ``node`` leaves its sums as int32."""
    return isinstance(node.op, QConv2d | QGlobalAvgPool) and node.op.wide


def wide_nodes(graph: Graph) -> tuple[Node, ...]:
    """All that are wide."""
    return tuple(node for node in graph.nodes if is_wide(node))


def may_be_wide(graph: Graph, node: Node) -> bool:
    """Whether ``node`` is a fully connected layer without limits, or the average of a whole map,
    and real numbers or indices that the model gives, or a softmax at the end, are all that is made
    of its output."""
    op = node.op
    if isinstance(op, QConv2d):
        if not is_dense(node, graph):
            return False
        if (op.low, op.high, op.insert) != (-128, 127, (1, 1)):
            return False
    elif not isinstance(op, QGlobalAvgPool):
        return False
    if any(not isinstance(reader.op, Softmax) for reader in graph.readers(node.output)):
        return False
    return all(
        view.dtype not in ("int8", "uint8")
        for view in graph.model_outputs()
        if any(piece.tensor == node.output for piece in view.pieces)
    )


def widened(graph: Graph, steps: Mapping[str, npt.NDArray[Any]]) -> Graph:
    """``graph`` with every layer wide that may be, of those whose name is in ``steps``: the real
    number that each output channel's sums count in."""
    chosen = {n.name for n in graph.nodes if n.name in steps and may_be_wide(graph, n)}
    kinds = {
        n.output: replace(
            graph.tensors[n.output], dtype="int32",
            steps=tuple(float(s) for s in steps[n.name].astype("float32")),
        )
        for n in graph.nodes
        if n.name in chosen
    }  # fmt: skip
    return _with(graph, chosen, kinds, wide=True)


def narrowed(graph: Graph, keep: Collection[str] = ()) -> Graph:
    """``graph`` with no layer wide but those named in ``keep``."""
    chosen = {n.name for n in wide_nodes(graph)} - set(keep)
    kinds = {
        n.output: replace(graph.tensors[n.output], dtype="int8", steps=())
        for n in graph.nodes
        if n.name in chosen
    }
    return _with(graph, chosen, kinds, wide=False)


def _with(graph: Graph, chosen: set[str], kinds: Mapping[str, Any], *, wide: bool) -> Graph:
    if not chosen:
        return graph
    nodes = (
        replace(n, op=replace(n.op, wide=wide))
        if n.name in chosen and isinstance(n.op, QConv2d | QGlobalAvgPool)
        else n
        for n in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes), tensors={**graph.tensors, **kinds})
