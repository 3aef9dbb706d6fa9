"""A frame in parts: programs with PS work between them, each crossing through DDR.

The accelerator stops, the processor computes what only it can, or a squeeze-and-excite block (a
first design looks so), the accelerator goes on. Nothing stays in the feature memory across a
crossing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from accelgen.arch import ArchParams
from accelgen.cost import Memory
from accelgen.errors import ScheduleError
from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.names import graph_names
from accelgen.ir.offload import nodes_on_ps, only_on_ps
from accelgen.ir.ops import QTable
from accelgen.ir.wide import narrowed, wide_nodes
from accelgen.lowering.leave_sums import leaves_sums
from accelgen.program.records import Program
from accelgen.schedule.build import Planned, plan_graph
from accelgen.schedule.sizes import beyond_walks

__all__ = ["plan_parts", "rounded_without_room", "schedule_parts"]


def schedule_parts(
    graph: Graph,
    arch: ArchParams,
    memory: Memory | None = None,
    *,
    keep_all: bool = False,
    fc_on_ps: int = False,
    se_on_ps: bool = False,
    layerwise: bool = False,
) -> tuple[Program, ...]:
    """Compile an int8 graph to programs that run one after another; each one's ``ps_steps`` run
    on the PS after it, and what they make is among later programs' ``inputs``.

    One program unless something in the middle is on the PS: :func:`~.offload.only_on_ps`,
    :func:`~.sizes.beyond_walks`, or, with ``se_on_ps``, squeeze-and-excite blocks. The plan goes
    by the board's ``memory``, or one that no board has. ``layerwise``: as a first design does it,
    nothing is fused and every layer's map goes through DDR.

    Raises
    ------
    ScheduleError
        The graph does not fit ``arch``, or begins with what the PS is told to compute. (What only
        the PS computes reads a copy of the input, which a first program makes.)
    """
    parts = plan_parts(
        graph, arch, memory, fc_on_ps=fc_on_ps, se_on_ps=se_on_ps, layerwise=layerwise
    )
    return tuple(part.program(keep_all=keep_all) for part in parts)


def plan_parts(
    graph: Graph, arch: ArchParams, memory: Memory | None = None, *, fc_on_ps: int = False,
    se_on_ps: bool = False, layerwise: bool = False,
) -> tuple[Planned, ...]:  # fmt: skip
    """As :func:`schedule_parts`, up to the commands."""
    for name in graph.inputs:
        graph = _copied_input(graph, name)
    ps = nodes_on_ps(graph, fc=fc_on_ps, se=se_on_ps) | beyond_walks(graph)
    taken = graph_names(graph)
    planned: list[Planned] = []
    for part in _cut(graph, ps):
        # One place for what all parts leave in memory: names of one are names of all.
        part = replace(part, reserved=frozenset(taken - graph_names(part)))
        made = plan_graph(
            part,
            arch,
            memory or Memory(),
            foldable=frozenset(graph.inputs),
            ps_nodes=ps,
            layerwise=layerwise,
        )
        taken |= graph_names(made.prepared.graph)
        planned.append(made)
    return tuple(planned)


def rounded_without_room(
    graph: Graph, arch: ArchParams, *, fc_on_ps: int = False, se_on_ps: bool = False
) -> Graph:
    """``graph`` with those wide layers int8 that stay on the PL and that ``arch`` has no room for:
    what is scheduled, and what the golden model has to say."""
    keep = set(nodes_on_ps(graph, fc=fc_on_ps, se=se_on_ps) | beyond_walks(graph))
    keep |= {node.name for node in wide_nodes(graph) if leaves_sums(graph, node, arch)}
    return narrowed(graph, keep)


def _copied_input(graph: Graph, name: str) -> Graph:
    """``graph`` with a copy of its input ``name``, made on the PL, for what only the PS computes: a
    frame begins with a program."""
    only = only_on_ps(graph) | beyond_walks(graph)
    if not any(n.name in only and name in n.inputs for n in graph.nodes):
        return graph
    names = Names.of(graph)
    copy = names.of_part(name, ".copy")
    table = names.of_part(copy, "/table")
    nodes = [Node(name=copy, op=QTable(), inputs=(name, table), output=copy)]
    for node in graph.nodes:
        moved = tuple(copy if i == name else i for i in node.inputs)
        nodes.append(replace(node, inputs=moved) if node.name in only else node)
    types = {copy: graph.tensors[name], table: TensorType((256,), "int8")}
    identity = {table: np.arange(-128, 128).astype(np.int8)}
    return replace(
        graph, nodes=tuple(nodes), tensors={**graph.tensors, **types},
        constants={**graph.constants, **identity},
    )  # fmt: skip


def _cut(graph: Graph, ps: frozenset[str]) -> Iterator[Graph]:
    """Subgraphs in the order they run: PL nodes, then the PS nodes that need only those."""
    part_of: dict[str, int] = {}  # tensor: the part that makes it
    by_ps: set[str] = set()
    members: dict[int, list[str]] = {}
    for node in graph.nodes:
        on_ps = node.name in ps
        made = [i for i in node.inputs if i in part_of]
        part = max((part_of[i] + (i in by_ps and not on_ps) for i in made), default=0)
        part_of[node.output] = part
        members.setdefault(part, []).append(node.name)
        if on_ps:
            by_ps.add(node.output)
    for part in sorted(members):
        names = set(members[part])
        if not names - ps:
            raise ScheduleError(
                f"node '{members[part][0]}' is on the PS and nothing on the PL comes before it; "
                "leave it on the PL",
                node=members[part][0],
            )
        yield _subgraph(graph, names, len(members) > 1, part)


def _subgraph(graph: Graph, names: set[str], several: bool, part: int) -> Graph:
    if not several:
        return graph
    nodes = tuple(n for n in graph.nodes if n.name in names)
    made = {n.output for n in nodes}
    later = {i for n in graph.nodes if n.name not in names for i in n.inputs}
    inputs = [i for n in nodes for i in n.inputs if i not in made and i not in graph.constants]
    outputs = [t for t in graph.outputs if t in made]
    outputs += [n.output for n in nodes if n.output in later and n.output not in outputs]
    # What the host makes of several parts' tensors is no part's.
    views = (v for v in graph.views if {p.tensor for p in v.pieces} <= set(outputs))
    # All that the model takes is there from the first part on, whoever reads it.
    first, *more = graph.inputs if part == 0 else inputs[:1]
    return graph.with_nodes(
        nodes,
        input=first,
        more=tuple(more),
        outputs=tuple(outputs),
        name=f"{graph.name}.part{part}",
        views=tuple(views),
    )
