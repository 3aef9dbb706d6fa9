"""schedule(): fuse, lay out, plan memory, lower, encode, in that order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from accelgen.arch import ArchParams
from accelgen.arch.isa import FETCH_BYTES, Opcode
from accelgen.arch.registers import PAGE_BYTES
from accelgen.errors import ScheduleError
from accelgen.ir import Graph
from accelgen.ir.macs import count_macs
from accelgen.lowering.decimate import decimate
from accelgen.lowering.folding import choose_folds
from accelgen.lowering.prepare import Prepared, prepare
from accelgen.lowering.reorder import resolve_selects
from accelgen.lowering.storage import Storages, lay_out
from accelgen.program.commands import Command, End, Load, Store, Weights, moves_maps
from accelgen.program.encode import command_bytes, encode_command
from accelgen.program.records import Placement, Program, PsStep, Step
from accelgen.schedule.emit.commands import Pending
from accelgen.schedule.emit.emitter import Emitter
from accelgen.schedule.overlap import DDR, Ddr
from accelgen.schedule.plan.memory import Apart, MemoryPlan, plan_memory
from accelgen.schedule.plan.parking import plan_parking
from accelgen.schedule.steps.fuse import Chain, fuse
from accelgen.schedule.steps.phases import choose_phases
from accelgen.schedule.steps.work import Work, make_work

__all__ = ["compile_graph", "schedule"]


def schedule(
    graph: Graph, arch: ArchParams, *, keep_all: bool = False, fc_on_ps: bool = False
) -> Program:
    """Compile an int8 graph for ``arch``.

    Parameters
    ----------
    graph : Graph
        int8 operations. Tensors that are read but made by no node are inputs too, after
        ``graph.input`` (that is how a single step is cut out of a network).
    arch : ArchParams
        The hardware's knobs.
    keep_all : bool
        Store every materialised tensor at a place of its own in DDR (``Program.kept``).
    fc_on_ps : bool
        Leave the fully connected layers at the network's end to the PS.

    Raises
    ------
    ScheduleError
        The graph does not fit ``arch``; names the node and the knob.
    """
    return compile_graph(
        graph, arch, keep_all=keep_all, fc_on_ps=fc_on_ps, foldable=frozenset({graph.input})
    )


def compile_graph(
    graph: Graph, arch: ArchParams, *, foldable: frozenset[str], keep_all: bool = False,
    fc_on_ps: bool = False, ps_nodes: frozenset[str] = frozenset(), ddr: Sequence[Ddr] = DDR,
) -> Program:  # fmt: skip
    """As :func:`schedule`; of the inputs only those in ``foldable`` may be folded, and ``ps_nodes``
    are on the PS too. ``ddr``: what the cuts of the first step and the last assume of it."""

    def laid_out(graph: Graph) -> tuple[Prepared, Storages]:
        prepared = prepare(graph, fc_on_ps=fc_on_ps, ps_nodes=ps_nodes)
        folds = choose_folds(prepared.graph, foldable, arch.lanes)
        return lay_out(replace(prepared, folds=folds), arch)

    graph = resolve_selects(graph)
    prepared, storages = laid_out(graph)
    in_phases = choose_phases(fuse(prepared, frozenset()), prepared, storages, arch).in_phases
    prepared, storages = laid_out(decimate(graph, arch, in_phases))
    works, storages, plan = _plan(prepared, storages, arch, ddr)
    emitter = _emit(works, storages, plan, _exported(works, prepared, keep_all), arch)
    return _assemble(prepared, storages, works, plan, emitter, arch, keep_all)


def _plan(
    prepared: Prepared, storages: Storages, arch: ArchParams, ddr: Sequence[Ddr]
) -> tuple[list[Work], Storages, MemoryPlan]:
    """Steps, storages and memory; GlobalAvgPools leave their steps where memory demands it."""
    apart: frozenset[str] = frozenset()
    outside = {storages.places[t].storage for t in (*prepared.inputs, *prepared.outputs)}
    plain = storages
    done: dict[tuple[object, ...], Work] = {}
    while True:
        works = []
        chains = fuse(prepared, apart)
        storages = choose_phases(chains, prepared, plain, arch)
        for chain in chains:
            ends = (t in storages.in_phases for t in (chain.source, chain.output))
            key = *(n.name for n in chain.nodes), *ends
            if key not in done:
                done[key] = make_work(chain, prepared, storages, arch)
            works.append(done[key])
        plan = plan_memory(works, storages, frozenset(outside), arch, ddr)
        if isinstance(plan, MemoryPlan):
            return works, storages, plan
        assert isinstance(plan, Apart)
        apart |= {plan.node}


def _emit(
    works: list[Work], storages: Storages, plan: MemoryPlan, exported: frozenset[str],
    arch: ArchParams,
) -> Emitter:  # fmt: skip
    """All commands; once more with parked weights, where there are any."""
    emitter = Emitter(works, storages, plan, exported, arch)
    emitter.emit_all()
    moved = [0] * len(works)
    for pending in emitter.list.commands:
        if isinstance(command := pending.command, Load | Store):
            moved[pending.step] += command.groups * command.rows * arch.row_bytes
    parking = plan_parking(works, plan, moved, arch)
    if parking.chunks:
        emitter = Emitter(works, storages, plan, exported, arch, parking)
        emitter.emit_all()
    return emitter


def _exported(works: list[Work], prepared: Prepared, keep_all: bool) -> frozenset[str]:
    """Tensors that have a place in DDR whatever the plan, and are there at the end."""
    outside = frozenset({*prepared.inputs, *prepared.outputs})
    return outside | {t for w in works for t in w.chain.writes} if keep_all else outside


def _assemble(
    prepared: Prepared, storages: Storages, works: list[Work], plan: MemoryPlan,
    emitter: Emitter, arch: ArchParams, keep_all: bool,
) -> Program:  # fmt: skip
    """Addresses of everything in DDR, the image, and the records of steps."""
    program_offset = _whole(len(emitter.streams), FETCH_BYTES)
    pending = emitter.list.with_early_weights()
    program_bytes = sum(map(command_bytes, (*(p.opcode for p in pending), Opcode.END)))
    tensors_at = _whole(program_offset + program_bytes, PAGE_BYTES)
    commands = [_finish(p, tensors_at, works) for p in pending]
    commands.append(End())
    image = bytearray(program_offset)
    image[: len(emitter.streams)] = emitter.streams
    for command, p in zip(commands, [*pending, None], strict=True):
        try:
            image += encode_command(command)
        except ValueError as error:
            name = works[p.step].chain.name if p else "end"
            raise ScheduleError(
                f"node '{name}' is beyond what a command can say: {error}; make the map smaller",
                node=name,
            ) from error

    image += bytes(-len(image) % FETCH_BYTES)  # zeros are no command

    def place(tensor: str) -> Placement:
        spot = storages.places[tensor]
        _, rows = storages.sizes[spot.storage]
        stride = rows * arch.row_bytes
        return Placement(
            tensor=tensor,
            shape=prepared.map_shape(tensor),
            slots=storages.slots[tensor],
            offset=tensors_at + emitter.ddr_rows[spot.storage] * arch.row_bytes
            + spot.first * stride,
            stride=stride,
            groups=spot.groups,
            phases=tensor in storages.in_phases,
        )  # fmt: skip

    by_step: list[list[int]] = [[] for _ in works]
    for i, p in enumerate(pending):
        by_step[p.step].append(i)
    inputs = tuple(place(t) for t in prepared.inputs)
    kept = sorted({t for w in works for t in w.chain.writes}) if keep_all else []
    return Program(
        graph=prepared.graph,
        arch=arch,
        steps=tuple(
            _step(i, w, by_step[i], pending, commands, prepared, arch) for i, w in enumerate(works)
        ),
        ps_steps=_ps_steps(prepared),
        commands=tuple(commands),
        image=bytes(image),
        program_offset=program_offset,
        image_bytes=_whole(tensors_at + emitter.ddr_total * arch.row_bytes, PAGE_BYTES),
        input=inputs[0],
        inputs=inputs,
        outputs=tuple(place(t) for t in prepared.outputs),
        kept={t: place(t) for t in kept},
        feature_rows_used=plan.rows_used,
    )


def _whole(size: int, unit: int) -> int:
    """``size``, up to a multiple of ``unit``."""
    return -(-size // unit) * unit


def _finish(pending: Pending, tensors_at: int, works: list[Work]) -> Command:
    command = pending.command
    if moves_maps(command) and not pending.in_image:
        # A map's offset counts from the first tensor.
        command = replace(command, offset=command.offset + tensors_at)
    header = command.header
    waits = max(header.wait_loads, header.wait_execs, header.wait_stores)
    if waits > 65535:
        raise ScheduleError(
            f"node '{works[pending.step].chain.name}' is command {waits:,} of its unit; wait counts"
            " end at 65,535: raise feature_rows so that fewer tiles are needed",
            node=works[pending.step].chain.name,
        )
    return command


def _step(
    index: int, work: Work, mine: list[int], pending: list[Pending], commands: list[Command],
    prepared: Prepared, arch: ArchParams,
) -> Step:  # fmt: skip
    chain: Chain = work.chain
    ddr = 0
    for i in mine:
        command = commands[i]
        if isinstance(command, Weights) and not command.parked:
            ddr += command.beats * arch.BUS_BYTES
        elif moves_maps(command):
            ddr += command.groups * command.rows * arch.row_bytes
    engine = "+".join(
        name for name, on in (("array", chain.array), ("window", chain.uses_window)) if on
    )
    return Step(
        index=index,
        nodes=tuple(n.name for n in chain.nodes),
        engine=engine,
        inputs=tuple(dict.fromkeys(chain.reads)),
        output=chain.output if chain.write else "",
        squeezed=chain.squeeze.output if chain.squeeze else "",
        macs=sum(count_macs(n, prepared.graph) for n in chain.nodes),
        ddr_bytes=ddr,
        commands=tuple(mine),
        execs=tuple(pending[i].number for i in mine if pending[i].opcode is Opcode.EXEC),
    )


def _ps_steps(prepared: Prepared) -> tuple[PsStep, ...]:
    graph = prepared.graph
    steps = []
    for node in prepared.ps_nodes:
        inputs = tuple(i for i in node.inputs if i not in graph.constants)
        moved = [*node.inputs, node.output]
        size = 0
        for name in moved:
            kind = graph.tensors[name]
            elements = 1
            for extent in kind.shape:
                elements *= extent
            size += elements * (1 if kind.dtype == "int8" else 4)
        steps.append(PsStep(node=node.name, inputs=inputs, output=node.output, ddr_bytes=size))
    return tuple(steps)
