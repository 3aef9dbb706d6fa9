"""Concats as addresses: each member lies inside one storage, and is copied where it cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import QConcat, QTable

__all__ = ["copy_members", "graph_inputs", "share_prefixes"]

IDENTITY_TABLE = "accelgen.identity_table"


def graph_inputs(graph: Graph) -> tuple[str, ...]:
    """The model's inputs, and every other tensor that is read and that nobody makes."""
    made = {n.output for n in graph.nodes} | set(graph.constants)
    read = [name for n in graph.nodes for name in n.inputs if name not in made]
    return tuple(dict.fromkeys([*graph.inputs, *read]))


def share_prefixes(graph: Graph) -> Graph:
    """concat(a, b, c) becomes concat(concat(a, b), c) where concat(a, b) exists (DenseNet)."""
    leaves: dict[tuple[str, ...], str] = {}  # of concats that are not yet part of another
    parts: dict[str, tuple[str, ...]] = {}
    nodes = []
    for node in graph.nodes:
        if isinstance(node.op, QConcat):
            flat = tuple(leaf for i in node.inputs for leaf in parts.get(i, (i,)))
            for length in range(len(flat) - 1, 1, -1):
                if flat[:length] in leaves:
                    node = replace(node, inputs=(leaves.pop(flat[:length]), *flat[length:]))
                    break
            parts[node.output] = flat
            leaves[flat] = node.output
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def copy_members(graph: Graph) -> Graph:
    """Copy members that cannot live inside a concat's storage: inputs, and members elsewhere."""
    taken, names = set(graph_inputs(graph)), Names.of(graph)
    tensors, constants = dict(graph.tensors), dict(graph.constants)
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node.op, QConcat):
            members = []
            for i, member in enumerate(node.inputs):
                if member in taken:
                    name = names.of_part(node.name, f".copy{i}")
                    tensors[name] = tensors[member]
                    table = names.of_part(IDENTITY_TABLE, "")
                    constants[table] = np.arange(-128, 128).astype(np.int8)
                    tensors[table] = TensorType((256,), "int8")
                    inputs_ = (member, table)
                    nodes.append(Node(name=name, op=QTable(), inputs=inputs_, output=name))
                    member = name
                taken.add(member)
                members.append(member)
            node = replace(node, inputs=tuple(members))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), tensors=tensors, constants=constants)
