"""x times a gate of x: swish, hard swish, mish, as exporters spell them out."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose

from accelgen.ir.graph import Graph, Node
from accelgen.ir.ops import Activation, Mul
from accelgen.passes.rewrite import Lookup, Rewrite, join_sources, rewrite

__all__ = ["fuse_gates", "fuse_hard_sigmoid"]

#: Exporters write 1/6 with as few as five digits.
_TOLERANCE = 1e-4


def _close(a: float, b: float) -> bool:
    return isclose(a, b, rel_tol=_TOLERANCE)


def fuse_hard_sigmoid(graph: Graph) -> Graph:
    """``clip(x * a + b, 0, u) * s`` with ``u * s = 1`` becomes ``hard_sigmoid(a * s, b * s)``."""
    return rewrite(graph, _match_hard_sigmoid)


def _match_hard_sigmoid(lookup: Lookup, last: Node) -> Rewrite | None:
    outer = _uniform(lookup, last)
    clip = lookup.producer(last.inputs[0])
    if outer is None or outer[1] != 0 or clip is None:
        return None
    inner = _clipped(lookup, clip)
    if inner is None or not _close(outer[0] * inner.high, 1):
        return None
    params = (inner.scale * outer[0], inner.shift * outer[0])
    by = _activation("hard_sigmoid", params, inner.x, last, (*inner.nodes, clip))
    return Rewrite(last, by)


@dataclass(frozen=True)
class _Clipped:
    """``clip(x * scale + shift, 0, high)``, and the nodes before the clip."""

    x: str
    scale: float
    shift: float
    high: float
    nodes: tuple[Node, ...]


def _clipped(lookup: Lookup, node: Node | None) -> _Clipped | None:
    if node is None or not isinstance(node.op, Activation) or node.op.kind != "clip":
        return None
    low, high = node.op.params
    before = lookup.producer(node.inputs[0])
    inner = _uniform(lookup, before)
    if low != 0 or high == float("inf") or before is None or inner is None:
        return None
    return _Clipped(before.inputs[0], *inner, high, (before,))


def _uniform(lookup: Lookup, node: Node | None) -> tuple[float, float] | None:
    affine = lookup.affine(node)
    return None if affine is None else affine.uniform


def fuse_gates(graph: Graph) -> Graph:
    """``x * gate(x)`` becomes one activation.

    * ``x * sigmoid(x)``: swish
    * ``x * tanh(softplus(x))``: mish
    * ``x * clip(x + 3, 0, 6) / 6``, the division anywhere: hard_swish
    * ``x * hard_sigmoid(x)`` with 1/6 and 1/2: hard_swish
    """
    return rewrite(graph, _match_gate)


def _match_gate(lookup: Lookup, mul: Node) -> Rewrite | None:
    if not isinstance(mul.op, Mul):
        return None
    for x, gate in (mul.inputs, mul.inputs[::-1]):
        found = _swish_or_mish(lookup, mul, x, gate) or _hard_swish(lookup, mul, x, gate)
        if found is not None:
            return found
    return None


def _swish_or_mish(lookup: Lookup, mul: Node, x: str, gate: str) -> Rewrite | None:
    outer = lookup.producer(gate)
    if outer is None or not isinstance(outer.op, Activation):
        return None
    if outer.op.kind == "sigmoid" and outer.inputs[0] == x:
        return Rewrite(mul, _activation("swish", (), x, mul, (outer,)))
    inner = lookup.producer(outer.inputs[0])
    if outer.op.kind != "tanh" or inner is None or not isinstance(inner.op, Activation):
        return None
    if inner.op.kind == "softplus" and inner.inputs[0] == x:
        return Rewrite(mul, _activation("mish", (), x, mul, (inner, outer)))
    return None


def _hard_swish(lookup: Lookup, mul: Node, a: str, gate: str) -> Rewrite | None:
    """x times hard_sigmoid or clip, with the division before, between or after."""
    x, factor, nodes = _strip_factor(lookup, a)
    core, gate_factor, gate_nodes = _strip_factor(lookup, gate)
    factor *= gate_factor
    node = lookup.producer(core)
    if node is None or not isinstance(node.op, Activation):
        return None
    if node.op.kind == "hard_sigmoid":
        scale, shift = node.op.params
        inner = _Clipped(node.inputs[0], scale, shift, 1.0, ())
    else:
        found = _clipped(lookup, node)
        if found is None:
            return None
        inner = found
    if inner.x != x:
        return None
    nodes = (*nodes, *inner.nodes, node, *gate_nodes)
    last = mul
    gone: tuple[Node, ...] = ()
    if not _close(factor * inner.high, 1):
        # The division may follow the product.
        reader = lookup.sole_reader(mul.output)
        outer = _uniform(lookup, reader)
        if reader is None or outer is None or outer[1] != 0:
            return None
        last, gone = reader, (mul,)
        factor, nodes = factor * outer[0], (*nodes, mul)
    wanted = (1.0, 1 / 6, 0.5)
    got = (factor * inner.high, factor * inner.scale, factor * inner.shift)
    if not all(_close(g, w) for g, w in zip(got, wanted, strict=True)):
        return None
    return Rewrite(last, _activation("hard_swish", (), x, last, nodes), gone)


def _strip_factor(lookup: Lookup, tensor: str) -> tuple[str, float, tuple[Node, ...]]:
    """``tensor`` as ``x * factor``: x, factor, and the nodes between."""
    node = lookup.producer(tensor)
    uniform = _uniform(lookup, node)
    if node is None or uniform is None or uniform[1] != 0:
        return tensor, 1.0, ()
    return node.inputs[0], uniform[0], (node,)


def _activation(
    kind: str, params: tuple[float, ...], x: str, last: Node, others: tuple[Node, ...]
) -> Node:
    """In ``last``'s place; what only ``last`` needed is dropped by drop_dead."""
    op = Activation(kind=kind, params=params)
    sources = join_sources(*others, last)
    return Node(name=last.name, op=op, inputs=(x,), output=last.output, sources=sources)
