"""Split a lowered graph between PL and PS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from accelgen.errors import ScheduleError
from accelgen.ir import Graph, Node
from accelgen.ir.offload import tail_nodes
from accelgen.lowering.concats import graph_inputs

__all__ = ["Prepared", "insert_before_readers", "prepare"]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A graph ready for scheduling.

    ``graph`` is the whole graph; ``nodes`` what the PL computes,
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
    graph: Graph, *, fc_on_ps: int = False, ps_nodes: frozenset[str] = frozenset()
) -> Prepared:
    """Split ``graph`` (lowered; several inputs are allowed: tensors no node makes).

    The PS computes :func:`~.offload.tail_nodes`, and the nodes named in ``ps_nodes``.

    Raises
    ------
    ScheduleError
        A node of the PL comes after one of the PS.
    """
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
        inputs=graph_inputs(graph),
        outputs=tuple(outputs),
    )


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
