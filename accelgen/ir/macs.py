"""Multiply-accumulates of convolutions and fully connected layers."""

from __future__ import annotations

from math import prod

from accelgen.ir.graph import Graph, Node
from accelgen.ir.ops import Conv2d, Insert, QConv2d, QInsert
from accelgen.ir.shapes import BYTES

__all__ = ["count_macs", "total_macs"]


def count_macs(node: Node, graph: Graph) -> int:
    """``out_h * out_w * o * kh * kw * i`` for a convolution (also fully connected), else 0.
    No weights meet what is inserted between pixels; sums that leave byte by byte are one each."""
    if not isinstance(node.op, Conv2d | QConv2d):
        return 0
    _, height, width, _ = graph.tensors[node.output].shape
    met = height * width
    if isinstance(node.op, QConv2d) and node.op.kernel != (1, 1):
        met //= prod(node.op.insert)
    before = graph.producer(node.inputs[0])
    if before is not None and isinstance(before.op, Insert | QInsert):
        met //= prod(before.op.factor)
    made = met * prod(graph.tensors[node.inputs[1]].shape)
    by_bytes = isinstance(node.op, QConv2d) and node.op.low > node.op.high
    return made // BYTES if by_bytes else made


def total_macs(graph: Graph) -> int:
    """Sum of :func:`count_macs` over the graph."""
    return sum(count_macs(node, graph) for node in graph.nodes)
