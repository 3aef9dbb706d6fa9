"""Emitted commands to a program: addresses of everything in DDR, the image, records of steps."""

from __future__ import annotations

from dataclasses import replace

from accelgen.arch import ArchParams
from accelgen.arch.isa import FETCH_BYTES, HEADER, Opcode
from accelgen.arch.registers import PAGE_BYTES
from accelgen.errors import ScheduleError
from accelgen.ir.macs import count_macs
from accelgen.lowering.prepare import Prepared
from accelgen.lowering.storage import Storages
from accelgen.program.commands import Command, End, Weights, moves_maps
from accelgen.program.encode import command_bytes, encode_command
from accelgen.program.records import Placement, Program, PsStep, Step
from accelgen.schedule.emit.commands import Pending
from accelgen.schedule.emit.emitter import Emitter
from accelgen.schedule.plan.memory import MemoryPlan
from accelgen.schedule.steps.fuse import Chain
from accelgen.schedule.steps.work import Work

__all__ = ["assemble"]


def assemble(
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
    if waits > (most := HEADER.largest("wait_execs")):
        raise ScheduleError(
            f"node '{works[pending.step].chain.name}' is command {waits:,} of its unit; wait counts"
            f" end at {most:,}: raise feature_rows so that fewer tiles are needed",
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
