"""schedule(): lowering, then steps, plan, emit; each function here is a box of that picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

from accelgen.arch import ArchParams
from accelgen.cost import Memory
from accelgen.errors import ScheduleError
from accelgen.ir import Graph
from accelgen.ir.offload import tail_nodes
from accelgen.lowering.folding import choose_folds
from accelgen.lowering.prepare import Prepared, prepare
from accelgen.lowering.run import Given, lower
from accelgen.lowering.storage import Storages, lay_out
from accelgen.program.commands import Load, Store
from accelgen.program.records import Program
from accelgen.schedule.emit.assemble import assemble
from accelgen.schedule.emit.emitter import Emitter
from accelgen.schedule.judged import Judge, judged_plan
from accelgen.schedule.plan.memory import Apart, MemoryPlan, plan_memory
from accelgen.schedule.plan.parking import plan_parking
from accelgen.schedule.steps.fuse import fuse
from accelgen.schedule.steps.phases import choose_phases
from accelgen.schedule.steps.work import Work, make_work

__all__ = ["Planned", "plan_graph", "schedule"]

#: Share of the memory that is left beside a processor that reads weights.
_BESIDE = 0.75


def schedule(
    graph: Graph, arch: ArchParams, memory: Memory | None = None, *, keep_all: bool = False,
    fc_on_ps: int = False,
) -> Program:  # fmt: skip
    """Compile an int8 graph for ``arch``.

    Parameters
    ----------
    graph : Graph
        int8 operations. Tensors that are read but made by no node are inputs too, after
        the model's own (that is how a single step is cut out of a network).
    arch : ArchParams
        The hardware's knobs.
    memory : Memory
        The board's DDR, which the plan goes by; by default one that no board has.
    keep_all : bool
        Store every materialised tensor at a place of its own in DDR (``Program.kept``).
    fc_on_ps : bool
        Leave the fully connected layers at the network's end to the PS.

    Raises
    ------
    ScheduleError
        The graph does not fit ``arch``; names the node and the knob.
    """
    planned = plan_graph(
        graph, arch, memory or Memory(), fc_on_ps=fc_on_ps, foldable=frozenset(graph.inputs)
    )
    return planned.program(keep_all=keep_all)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A graph up to its commands: what runs together, where maps lie, and when."""

    prepared: Prepared
    storages: Storages
    works: list[Work]
    arch: ArchParams
    memory: Memory
    plan: MemoryPlan
    parks: bool = True

    def program(self, judge: Judge | None = None, *, keep_all: bool = False) -> Program:
        """Its commands; ``judge`` chooses among plans that the look-ahead takes for equal.

        Raises ScheduleError when commands cannot say it.
        """
        plan = self.plan
        if judge is not None:
            plan, program = judged_plan(plan, self._plain, self._emitted, judge)
        elif not keep_all:
            program = self._plain
        return self._emitted(plan, keep_all=True) if keep_all else program

    @cached_property
    def _plain(self) -> Program:
        """The look-ahead's."""
        return self._emitted(self.plan)

    def _emitted(
        self, plan: MemoryPlan, steps: int | None = None, *, keep_all: bool = False
    ) -> Program:
        """``plan``'s program; of its first ``steps`` only, if they are given, without parked
        weights."""
        works, storages = self.works, self.storages
        exported = _exported(works, self.prepared, keep_all)
        emitter = Emitter(works, storages, plan, exported, self.arch)
        emitter.emit_all(steps)
        if steps is None and self.parks:
            emitter = _parked(emitter, self.memory)
        return assemble(self.prepared, storages, works, plan, emitter, self.arch, keep_all)


def plan_graph(
    graph: Graph, arch: ArchParams, memory: Memory, *, foldable: frozenset[str],
    fc_on_ps: int = False, ps_nodes: frozenset[str] = frozenset(), layerwise: bool = False,
) -> Planned:  # fmt: skip
    """As :func:`schedule`, up to the commands; of the inputs only those in ``foldable`` may be
    folded, and ``ps_nodes`` are on the PS too. ``layerwise``: nothing is fused, every layer's map
    goes through DDR, and no weights are parked."""

    # lowering: what the engines have no form for becomes what they have.
    lay = partial(
        _lowered, graph, arch, memory, foldable=foldable, fc_on_ps=fc_on_ps, ps_nodes=ps_nodes
    )
    prepared, storages = lay(in_phases=None)
    chains = fuse(prepared, arch=arch, layerwise=layerwise)
    in_phases = choose_phases(chains, prepared, storages, arch).in_phases
    prepared, storages = lay(in_phases=in_phases)
    # steps and plan: what runs together, where maps lie, and when.
    beside = replace(memory, bytes_per_cycle=_BESIDE * memory.bytes_per_cycle)
    memories = (beside, memory) if fc_on_ps or ps_nodes else (memory,)
    works, storages, plan = _planned(prepared, storages, arch, memories, layerwise)
    return Planned(
        prepared=prepared, storages=storages, works=works, arch=arch, memory=memory, plan=plan,
        parks=not layerwise,
    )  # fmt: skip


def _lowered(
    graph: Graph, arch: ArchParams, memory: Memory, *, foldable: frozenset[str], fc_on_ps: int,
    ps_nodes: frozenset[str], in_phases: frozenset[str] | None,
) -> tuple[Prepared, Storages]:  # fmt: skip
    """The passes, the split between PL and PS, the folds of inputs, and lanes for every tensor."""
    on_ps = ps_nodes | tail_nodes(graph, fc=fc_on_ps)
    given = Given(arch=arch, memory=memory, on_ps=on_ps, in_phases=in_phases)
    lowered = lower(graph, given)
    prepared = prepare(lowered, fc_on_ps=fc_on_ps, ps_nodes=ps_nodes)
    folds = choose_folds(prepared.graph, foldable, arch.lanes)
    return lay_out(replace(prepared, folds=folds), arch)


def _planned(
    prepared: Prepared, storages: Storages, arch: ArchParams, memories: tuple[Memory, ...],
    layerwise: bool,
) -> tuple[list[Work], Storages, MemoryPlan]:  # fmt: skip
    """Steps, storages and memory; GlobalAvgPools leave their steps where memory demands it."""
    apart: frozenset[str] = frozenset()
    outside = {storages.places[t].storage for t in (*prepared.inputs, *prepared.outputs)}
    plain = storages
    done: dict[tuple[object, ...], Work] = {}
    while True:
        works = []
        chains = fuse(prepared, apart, arch, layerwise=layerwise)
        if not chains:
            first = prepared.ps_nodes[0].name if prepared.ps_nodes else ""
            raise ScheduleError(
                f"node '{first}' is on the PS and nothing on the PL comes before it; leave it on"
                " the PL",
                node=first,
            )
        storages = choose_phases(chains, prepared, plain, arch)
        for chain in chains:
            ends = (t in storages.in_phases for t in (chain.source, chain.output))
            key = *(n.name for n in chain.nodes), *ends
            if key not in done:
                done[key] = make_work(chain, prepared, storages, arch)
            works.append(done[key])
        plan = plan_memory(works, storages, frozenset(outside), arch, memories, layerwise=layerwise)
        if isinstance(plan, MemoryPlan):
            return works, storages, plan
        assert isinstance(plan, Apart)
        apart |= {plan.node}


def _parked(emitter: Emitter, memory: Memory) -> Emitter:
    """All commands once more with parked weights, where there are any."""
    works, plan, arch = emitter.works, emitter.plan, emitter.arch
    moved = [0] * len(works)
    for pending in emitter.list.commands:
        if isinstance(command := pending.command, Load | Store):
            moved[pending.step] += command.groups * command.rows * arch.row_bytes
    parking = plan_parking(works, plan, moved, arch, memory)
    if parking.chunks:
        emitter = Emitter(works, emitter.storages, plan, emitter.exported, arch, parking)
        emitter.emit_all()
    return emitter


def _exported(works: list[Work], prepared: Prepared, keep_all: bool) -> frozenset[str]:
    """Tensors that have a place in DDR whatever the plan, and are there at the end."""
    outside = frozenset({*prepared.inputs, *prepared.outputs})
    return outside | {t for w in works for t in w.chain.writes} if keep_all else outside
