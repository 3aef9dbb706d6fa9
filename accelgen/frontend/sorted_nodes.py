"""Nodes in an order in which each comes after what it reads, as ONNX wants them.

Some tools append what they insert (AMD Quark the factors of averages), and onnxruntime sorts.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx

__all__ = ["sorted_nodes"]


def sorted_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` itself where it is sorted, or a copy: a node that comes too early waits for what
    makes its inputs, and all others keep their order. A cycle stays one."""
    nodes = list(model.graph.node)
    order = list(_order(nodes))
    if order == list(range(len(nodes))):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    copy.graph.node.extend(nodes[index] for index in order)
    return copy


def _order(nodes: list[onnx.NodeProto]) -> Iterator[int]:
    """Positions in ``nodes``, makers first."""
    makers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in filter(None, node.output):
            makers.setdefault(name, index)
    begun = set[int]()
    for first in range(len(nodes)):
        stack = [(first, iter(nodes[first].input))] if first not in begun else []
        begun.add(first)
        while stack:
            index, names = stack[-1]
            before = (makers.get(name, index) for name in names)
            waiting = next((i for i in before if i not in begun), None)
            if waiting is None:
                yield index
                stack.pop()
            else:
                begun.add(waiting)
                stack.append((waiting, iter(nodes[waiting].input)))
