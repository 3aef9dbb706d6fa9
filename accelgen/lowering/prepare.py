"""Split a graph between PL and PS, and make every concat a matter of addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from accelgen.errors import ScheduleError
from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.offload import tail_nodes
from accelgen.ir.ops import QConcat, QTable
from accelgen.lowering.upsample import lower_upsamples

__all__ = ["Prepared", "insert_before_readers", "prepare"]

IDENTITY_TABLE = "accelgen.identity_table"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A graph ready for scheduling.

    ``graph`` is the whole graph, copies that concats need inserted; ``nodes`` what the PL computes,
    ``ps_nodes`` what the PS computes afterwards; ``inputs`` the tensors nobody makes, ``outputs``
    the tensors the PL leaves for the host (graph outputs first, then what the PS reads).
    ``folds`` are the inputs that the host folds along rows (folding.py).
    """

    graph: Graph
    nodes: tuple[Node, ...]
    ps_nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    folds: Mapping[str, int] = field(default_factory=dict)

    def map_shape(self, tensor: str) -> tuple[int, int, int]:
        """(h, w, c) of ``tensor`` as it lies in memory."""
        _, h, w, c = self.graph.tensors[tensor].shape
        fold = self.folds.get(tensor, 1)
        return h, w // fold, c * fold


def prepare(
    graph: Graph, *, fc_on_ps: bool = False, ps_nodes: frozenset[str] = frozenset()
) -> Prepared:
    """Split and rewrite ``graph`` (int8; several inputs are allowed: tensors no node makes).

    The PS computes :func:`~.offload.tail_nodes`, and the nodes named in ``ps_nodes``.

    Raises
    ------
    ScheduleError
        A node of the PL comes after one of the PS.
    """
    inputs = _inputs(graph)
    graph = _copy_concat_members(_share_prefixes(lower_upsamples(graph)), inputs)
    ps = ps_nodes | tail_nodes(graph, fc=fc_on_ps)
    made_by_ps = {n.output for n in graph.nodes if n.name in ps}
    for node in graph.nodes:
        if node.name not in ps and made_by_ps.intersection(node.inputs):
            raise ScheduleError(
                f"node '{node.name}' ({type(node.op).__name__}) follows a softmax or what else the"
                " PS computes; accelgen builds Softmax only at the end of a network",
                node=node.name,
            )
    read_by_ps = [i for n in graph.nodes if n.name in ps for i in n.inputs]
    wanted = [*graph.outputs, *read_by_ps]
    outputs = dict.fromkeys(t for t in wanted if t not in made_by_ps and t not in graph.constants)
    return Prepared(
        graph=graph,
        nodes=tuple(n for n in graph.nodes if n.name not in ps),
        ps_nodes=tuple(n for n in graph.nodes if n.name in ps),
        inputs=inputs,
        outputs=tuple(outputs),
    )


def _inputs(graph: Graph) -> tuple[str, ...]:
    """``graph.input`` and every other tensor that is read and that nobody makes."""
    made = {n.output for n in graph.nodes} | set(graph.constants)
    read = [name for n in graph.nodes for name in n.inputs if name not in made]
    return tuple(dict.fromkeys([graph.input, *read]))


def _share_prefixes(graph: Graph) -> Graph:
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


def _copy_concat_members(graph: Graph, inputs: tuple[str, ...]) -> Graph:
    """Copy members that cannot live inside a concat's storage: inputs, and members elsewhere."""
    taken, names = set(inputs), Names.of(graph)
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


def insert_before_readers(
    graph: Graph, new: Node, of: str, reads_it: Callable[[Node], bool]
) -> Graph:
    """Put ``new``, which reads ``of``, before the readers of ``of`` for which ``reads_it``: they
    now read ``new``."""
    nodes: list[Node] = []
    placed = False
    for node in graph.nodes:
        if of in node.inputs and reads_it(node):
            if not placed:
                nodes.append(new)
                placed = True
            renamed = tuple(new.output if i == of else i for i in node.inputs)
            node = replace(node, inputs=renamed)
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))
