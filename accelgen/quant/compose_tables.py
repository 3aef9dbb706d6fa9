"""A table of a table is one table."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import QTable
from accelgen.quant.tables import compose

__all__ = ["compose_tables", "drop_unread"]


def compose_tables(graph: Graph) -> Graph:
    """Join chains of QTable whose middle nobody else reads; drop nodes nobody reads."""
    reads = Counter(name for n in graph.nodes for name in n.inputs) + Counter(graph.outputs)
    constants, tensors = dict(graph.constants), dict(graph.tensors)
    kept: dict[str, Node] = {}
    names = Names.of(graph)
    for node in graph.nodes:
        before = kept.get(node.inputs[0])
        if (
            isinstance(node.op, QTable)
            and before is not None
            and isinstance(before.op, QTable)
            and reads[before.output] == 1
        ):
            del kept[before.output]
            name = names.fresh(f"{node.name}/table")
            constants[name] = compose(constants[before.inputs[1]], constants[node.inputs[1]])
            tensors[name] = TensorType((256,), "int8")
            sources = tuple(dict.fromkeys((*before.sources, *node.sources)))
            node = replace(node, inputs=(before.inputs[0], name), sources=sources)
        kept[node.output] = node
    return drop_unread(graph.with_nodes(tuple(kept.values()), constants=constants, tensors=tensors))


def drop_unread(graph: Graph) -> Graph:
    """Drop nodes that no output of the graph depends on."""
    needed, result = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if node.output in needed:
            needed |= set(node.inputs)
            result.append(node)
    return graph.with_nodes(tuple(reversed(result)))
