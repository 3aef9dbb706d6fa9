"""Which nodes the PS computes: what only it can, the network's tail, and squeeze-and-excite blocks
if asked to.

The same for float and int8 graphs.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.ir.elementwise import is_map_product
from accelgen.ir.graph import Graph, Node
from accelgen.ir.ops import (
    Activation,
    Conv2d,
    GlobalAvgPool,
    Mul,
    QConv2d,
    QGlobalAvgPool,
    QScale,
    QTable,
)

__all__ = ["SeBlock", "is_dense", "nodes_on_ps", "only_on_ps", "se_blocks", "tail_nodes"]

_AVERAGE = (QGlobalAvgPool, GlobalAvgPool)
_TABLE = (QTable, Activation)


@dataclass(frozen=True)
class SeBlock:
    """A squeeze-and-excite block: its average, dense layers, tables and the scale, in order."""

    nodes: tuple[Node, ...]

    @property
    def name(self) -> str:
        """Of the average."""
        return self.nodes[0].name


def is_dense(node: Node, graph: Graph) -> bool:
    """A convolution that is one product of a vector and a matrix: its kernel is the whole map."""
    if not isinstance(node.op, QConv2d | Conv2d) or node.op.groups != 1 or any(node.op.pads):
        return False
    _, height, width, _ = graph.tensors[node.inputs[0]].shape
    return node.op.kernel == (height, width)


def nodes_on_ps(graph: Graph, *, fc: int = False, se: bool = False) -> frozenset[str]:
    """Names of all nodes the PS computes; ``fc``: fully connected layers at the end too, every one
    (True) or so many of the last; ``se``: squeeze-and-excite blocks too."""
    names = tail_nodes(graph, fc=fc)
    if se:
        names |= {node.name for block in se_blocks(graph) for node in block.nodes}
    return names


def only_on_ps(graph: Graph) -> frozenset[str]:
    """Nodes that no engine of the PL has a form for, wherever they stand, and the tables after
    them: a table of its own would be a step of the PL that only copies."""
    ps: set[str] = set()
    for node in graph.nodes:
        before = graph.producer(node.inputs[0])
        follows = isinstance(node.op, _TABLE) and before is not None and before.name in ps
        if node.op.on_ps or is_map_product(graph, node) or follows:
            ps.add(node.name)
    return frozenset(ps)


def tail_nodes(graph: Graph, *, fc: int) -> frozenset[str]:
    """:func:`only_on_ps`; with ``fc`` also the fully connected layers (and the tables after them)
    that only the PS and the host read: every one (True), or so many of the last."""
    ps = set(only_on_ps(graph))
    if not fc:
        return frozenset(ps)
    maker = {n.output: n for n in graph.nodes}
    left = len(graph.nodes) if fc is True else fc
    for node in reversed(graph.nodes):
        before = maker.get(node.inputs[0])
        table = isinstance(node.op, _TABLE) and before is not None and is_dense(before, graph)
        alone = all(reader.name in ps for reader in graph.readers(node.output))
        if left and alone and (table or is_dense(node, graph)):
            ps.add(node.name)
            left -= not table
    return frozenset(ps)


def se_blocks(graph: Graph) -> tuple[SeBlock, ...]:
    """Blocks ``scale(x, chain(average(x)))`` whose chain is dense layers and tables, read by
    nothing else."""
    maker = {n.output: n for n in graph.nodes}
    found = []
    for scale in graph.nodes:
        if not isinstance(scale.op, QScale | Mul):
            continue
        chain = [scale]
        node = maker.get(scale.inputs[1])
        while node is not None and len(graph.readers(node.output)) == 1:
            chain.append(node)
            if isinstance(node.op, _AVERAGE):
                break
            dense = is_dense(node, graph) or isinstance(node.op, _TABLE)
            node = maker.get(node.inputs[0]) if dense else None
        first = chain[-1]
        if isinstance(first.op, _AVERAGE) and first.inputs[0] == scale.inputs[0]:
            found.append(SeBlock(tuple(reversed(chain))))
    return tuple(found)
