"""A frame in parts: programs with PS work between them, each crossing through DDR.

This is how a first design looks: the accelerator stops, the processor computes a squeeze-and-excite
block, the accelerator goes on. Nothing stays in the feature memory across a crossing.
"""

from __future__ import annotations

from collections.abc import Iterator

from accelgen.arch import ArchParams
from accelgen.cost import Memory
from accelgen.errors import ScheduleError
from accelgen.ir import Graph
from accelgen.ir.offload import nodes_on_ps
from accelgen.program.records import Program
from accelgen.schedule.build import compile_graph

__all__ = ["schedule_parts"]


def schedule_parts(
    graph: Graph,
    arch: ArchParams,
    memory: Memory | None = None,
    *,
    keep_all: bool = False,
    fc_on_ps: bool = False,
    se_on_ps: bool = False,
) -> tuple[Program, ...]:
    """Compile an int8 graph to programs that run one after another; each one's ``ps_steps`` run
    on the PS after it, and what they make is among later programs' ``inputs``.

    One program unless ``se_on_ps`` places squeeze-and-excite blocks on the PS. The plan goes by the
    board's ``memory``, or one that no board has.

    Raises
    ------
    ScheduleError
        The graph does not fit ``arch``, or begins with what the PS computes.
    """
    ps = nodes_on_ps(graph, fc=fc_on_ps, se=se_on_ps)
    return tuple(
        compile_graph(
            part,
            arch,
            memory or Memory(),
            foldable=frozenset({graph.input}),
            keep_all=keep_all,
            ps_nodes=ps,
        )
        for part in _cut(graph, ps)
    )


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
    first = graph.input if graph.input in inputs else inputs[0]
    return graph.with_nodes(
        nodes,
        input=first,
        outputs=tuple(outputs),
        name=f"{graph.name}.part{part}",
        views=(),
    )
