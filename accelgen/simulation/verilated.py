"""Run programs on the Verilog: any schedule for one configuration, on one cached build."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams
from accelgen.errors import ConfigError
from accelgen.golden.interpret import run_node
from accelgen.program.layout import pack_tensor, unpack_tensor
from accelgen.program.records import Placement, Program
from accelgen.ps.runner import Runner
from accelgen.ps.steps import run_steps
from accelgen.rtl.design import design_verilog
from accelgen.scratch import scratch_directory
from accelgen.simulation.bench import (
    DDR_BYTES,
    DdrSettings,
    Disturbance,
    Job,
    JobResult,
    build_bench,
    run_jobs,
    wave_file,
)

__all__ = ["Task", "VerilatedResult", "VerilatedSimulator", "run_ps_steps"]

Int8 = npt.NDArray[np.int8]
Event = dict[str, Any]

#: MAC/cycle from which a build for speed pays: docs/simulation.md has figures of both ways.
WIDE = 128


@dataclass(frozen=True, kw_only=True)
class Task:
    """A program and its inputs: int8 (h, w, c) by tensor name, one for each of its ``inputs``.

    ``begin`` and ``disturbance`` are the :class:`~.bench.Job`'s. ``patches`` are put over the image
    last, by offset; ``program_bytes`` stands in for the program's.
    """

    program: Program
    inputs: Mapping[str, Int8]
    name: str = "frame"
    settings: DdrSettings = field(default_factory=DdrSettings)
    max_cycles: int = 100_000_000
    base: int = 0x1000_0000
    begin: str = "reset"
    disturbance: Disturbance = field(default_factory=Disturbance)
    patches: Mapping[int, bytes] = field(default_factory=dict)
    program_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class VerilatedResult:
    """What the hardware did with a task.

    ``tensors``: every output and kept tensor, int8 (h, w, c), as left in DDR. ``fault`` is empty,
    or a sentence: it hung, the bus failed, or rules of AXI were broken; ``cause`` what the hardware
    said of it (:class:`~.bench.JobResult`). ``exec_cycles[i]`` is the
    cycle, from the start, in which EXEC i completed. ``beats``: see :class:`~.bench.JobResult`.
    """

    name: str
    tensors: Mapping[str, Int8]
    fault: str
    cycles: int
    exec_cycles: tuple[int, ...]
    counters: Mapping[str, int]
    beats: Mapping[str, int]
    wall_s: float
    cause: tuple[str, str, int] = ("none", "none", 0)


class VerilatedSimulator:
    """The accelerator of ``arch`` in its bench.

    Parameters
    ----------
    arch : ArchParams
        Hardware knobs; every program run must be made for them.
    family : str
        Family of the part (``rtl.design.FAMILIES``): decides which cells the Verilog names.
    verilog : str
        Text with a module ``accelgen_top``, instead of the one generated for these two.
    speed : bool
        True builds for long and runs faster; False is for programs of some thousand cycles. By
        default True for what has ``WIDE`` MAC/cycle: a narrower one gains little.
    """

    def __init__(
        self,
        arch: ArchParams,
        *,
        family: str = "xcup",
        verilog: str | None = None,
        speed: bool | None = None,
    ):
        self.arch = arch
        self.family = family
        self.speed = arch.macs_per_cycle >= WIDE if speed is None else speed
        self._verilog = verilog

    def build(self, *, trace: bool = False) -> Path:
        """The simulator's executable; from the cache, or built now."""
        if self._verilog is None:
            self._verilog = design_verilog(self.arch, self.family)
        with scratch_directory() as where:
            return build_bench(self._verilog, where, trace=trace, speed=self.speed)

    def run(
        self, program: Program, inputs: Mapping[str, Int8], *, settings: DdrSettings | None = None
    ) -> VerilatedResult:
        """Run one program."""
        task = Task(program=program, inputs=inputs, settings=settings or DdrSettings())
        return self.run_many([task])[0]

    def run_many(
        self, tasks: Sequence[Task], *, on_event: Callable[[Event], None] | None = None
    ) -> list[VerilatedResult]:
        """Run ``tasks`` one after another in one process. ``on_event``: see :func:`~.run_jobs`.

        Raises
        ------
        ConfigError
            A program was made for another configuration, or is larger than the bench's memory.
        ToolError
            A tool is missing or the simulator died.
        """
        jobs = [self._job(task) for task in tasks]
        executable = self.build()
        with scratch_directory() as where:
            results = run_jobs(executable, jobs, where, on_event=on_event)
        return [_result(task, job) for task, job in zip(tasks, results, strict=True)]

    def write_waves(self, task: Task, first: int, last: int, where: Path) -> Path:
        """Run ``task`` again and write waves of cycles ``first`` to ``last`` from its start.

        Returns the file, ``where/waves.fst`` (``.vcd`` without lz4 and zlib headers). The
        simulator with waves is a build of its own.
        """
        where.mkdir(parents=True, exist_ok=True)
        job = self._job(task, waves=(max(first, 0), last))
        executable = self.build(trace=True)
        with scratch_directory() as scratch:
            run_jobs(executable, [job], scratch)
            file = where / wave_file()
            file.write_bytes((scratch / wave_file()).read_bytes())
        return file

    def _job(self, task: Task, waves: tuple[int, int] | None = None) -> Job:
        program = task.program
        if program.arch != self.arch:
            raise ConfigError(
                f"{task.name}: the program was compiled for another configuration than the "
                "simulator's; compile it again"
            )
        if program.image_bytes > DDR_BYTES:
            raise ConfigError(
                f"{task.name} takes {program.image_bytes:,} bytes of DDR; the bench has "
                f"{DDR_BYTES:,}"
            )
        return Job(
            name=task.name,
            image=_memory_image(task),
            program_offset=program.program_offset,
            program_bytes=(
                program.program_bytes if task.program_bytes is None else task.program_bytes
            ),
            image_bytes=program.image_bytes,
            config_crc=program.arch.crc,
            base=task.base,
            dumps=tuple((p.offset, p.size_bytes) for p in _read_back(program).values()),
            max_cycles=task.max_cycles,
            settings=task.settings,
            begin=task.begin,
            disturbance=task.disturbance,
            waves=waves,
        )


def run_ps_steps(
    program: Program, tensors: Mapping[str, npt.NDArray[Any]], processor: Runner | None = None
) -> dict[str, Any]:
    """What the processing system adds: outputs of the program's PS steps, (1, h, w, c).

    ``tensors`` are the program's outputs as :class:`VerilatedResult` has them, and its inputs.
    ``processor`` runs the C library; without one the golden model stands in.
    """
    if processor is not None:
        return run_steps(program, tensors, processor)
    graph = program.graph
    nodes = {node.name: node for node in graph.nodes}
    values: dict[str, Any] = {name: value[None] for name, value in tensors.items()}
    made = {}
    for step in program.ps_steps:
        values[step.output] = made[step.output] = run_node(graph, nodes[step.node], values)
    return made


def _read_back(program: Program) -> dict[str, Placement]:
    return {p.tensor: p for p in program.outputs} | dict(program.kept)


def _memory_image(task: Task) -> bytes:
    """DDR before the start. Garbage where nothing was put, so that using it is seen."""
    program = task.program
    memory = bytearray(np.random.default_rng(1).bytes(program.image_bytes))
    memory[: len(program.image)] = program.image
    for placement in program.inputs or (program.input,):
        if placement.tensor not in task.inputs:
            raise ConfigError(f"{task.name}: input {placement.tensor!r} is missing")
        packed = pack_tensor(task.inputs[placement.tensor], placement, program.arch)
        memory[placement.offset : placement.offset + placement.size_bytes] = packed
    for at, data in task.patches.items():
        memory[at : at + len(data)] = data
    return bytes(memory)


def _result(task: Task, job: JobResult) -> VerilatedResult:
    program = task.program
    fault = job.error
    if job.violations:
        text = f"{job.violation_count} breaches of the AXI rules, first: {job.violations[0]}"
        fault = f"{fault}; {text}" if fault else text
    places = _read_back(program)
    return VerilatedResult(
        name=job.name,
        tensors={
            name: unpack_tensor(data, place, program.arch)
            for (name, place), data in zip(places.items(), job.dumps, strict=True)
        },
        fault=fault,
        cause=job.cause,
        cycles=job.cycles,
        exec_cycles=job.log,
        counters=job.counters,
        beats=job.beats,
        wall_s=job.wall_s,
    )
