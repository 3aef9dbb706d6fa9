"""Generated hardware against the golden model: a whole frame, or step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.interpret import run_node
from accelgen.program.records import Program
from accelgen.ps.runner import Runner
from accelgen.simulation.bench import DdrSettings
from accelgen.simulation.compare import Divergence, find_divergences, tensor_order
from accelgen.simulation.progress import show_build, show_progress
from accelgen.simulation.verilated import (
    Task,
    VerilatedResult,
    VerilatedSimulator,
    run_ps_steps,
)

__all__ = ["FrameReport", "LayerReport", "golden_tensors", "simulate_frame", "simulate_layers"]

Int8 = npt.NDArray[np.int8]

#: Cycles shown before and after the EXEC in question, and at most in all.
WAVE_MARGIN, WAVE_WINDOW = 200, 20_000
#: Programs run in one process hold at most so many bytes of images.
BATCH_BYTES = 512 << 20


@dataclass(frozen=True, kw_only=True)
class FrameReport:
    """A whole frame. ``match``: it finished, kept the bus's rules, and every tensor is right.

    ``tensors`` is how many the PL left and were compared, ``divergences`` those that differ, in
    schedule order; ``ps_faults`` a sentence for each node on the PS whose output does;
    ``outputs`` the graph's outputs (1, h, w, c), PS steps included; ``waves`` the file written
    on a mismatch, if asked for.
    """

    match: bool
    tensors: int
    divergences: tuple[Divergence, ...]
    outputs: Mapping[str, npt.NDArray[Any]]
    result: VerilatedResult
    waves: Path | None = None
    ps_faults: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """A sentence."""
        if self.match:
            return f"{self.tensors} tensors match in {self.result.cycles:,} cycles"
        first = "every tensor matches"
        if self.divergences or self.ps_faults:
            first = str((*self.divergences, *self.ps_faults.values())[0])
        return f"{self.result.fault}; {first}" if self.result.fault else first


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """One step run alone. ``divergences``: see :class:`FrameReport`."""

    name: str
    match: bool
    elements: int
    cycles: int
    divergences: tuple[Divergence, ...]
    result: VerilatedResult


def golden_tensors(program: Program, inputs: Mapping[str, Int8]) -> dict[str, npt.NDArray[Any]]:
    """Every tensor (1, h, w, c) of the program's graph, from its inputs (h, w, c)."""
    # A folded input's placement has another shape than its tensor: the same bytes.
    values: dict[str, npt.NDArray[Any]] = {
        name: x.reshape(program.graph.tensors[name].shape) for name, x in inputs.items()
    }
    for node in program.graph.nodes:
        values[node.output] = run_node(program.graph, node, values)
    return values


def simulate_frame(
    program: Program,
    x: Int8 | Mapping[str, Int8],
    simulator: VerilatedSimulator,
    *,
    settings: DdrSettings | None = None,
    waves: Path | None = None,
    progress: bool = False,
    processor: Runner | None = None,
) -> FrameReport:
    """Run ``program`` on ``x``, int8 (h, w, c) or (1, h, w, c), or several by tensor name, and
    compare what it leaves in DDR; then its PS steps on ``processor`` (the C library; without one
    the golden model), and compare those too.

    With a program compiled ``keep_all`` that is every tensor the schedule materialises. On a
    mismatch the frame runs again and waves around the EXEC at fault go to directory ``waves``.
    """
    given = x if isinstance(x, Mapping) else {program.input.tensor: x}
    places = program.inputs or (program.input,)
    inputs = {p.tensor: np.asarray(given[p.tensor]).reshape(p.shape) for p in places}
    task = Task(program=program, inputs=inputs, settings=settings or DdrSettings())
    with show_build(progress):
        simulator.build()
    with show_progress([(task.name, program)], progress) as on_event:
        (result,) = simulator.run_many([task], on_event=on_event)
    expected = golden_tensors(program, inputs)
    divergences = tuple(find_divergences(program, expected, result.tensors, result.exec_cycles))
    made = run_ps_steps(program, {**inputs, **result.tensors}, processor)
    # What is wrong in DDR makes all that comes of it wrong.
    right = not divergences and not result.fault
    ps_faults = dict(_ps_faults(program, expected, made)) if right else {}
    match = right and not ps_faults
    file = None
    if waves is not None and not right:
        first, last = wave_window(divergences[0] if divergences else None, result)
        with show_build(progress):
            file = simulator.write_waves(task, first, last, waves)
    made |= {name: value[None] for name, value in result.tensors.items()}
    return FrameReport(
        match=match,
        tensors=len(tensor_order(program)),
        divergences=divergences,
        outputs={name: made[name] for name in program.graph.outputs},
        result=result,
        waves=file,
        ps_faults=ps_faults,
    )


def _ps_faults(
    program: Program, expected: Mapping[str, npt.NDArray[Any]], made: Mapping[str, npt.NDArray[Any]]
) -> Iterator[tuple[str, str]]:
    """Node and sentence for each output of a PS step that is not what it must be."""
    for step in program.ps_steps:
        want, got = np.asarray(expected[step.output]), made[step.output]
        if want.tobytes() != got.tobytes():
            wrong = np.flatnonzero(want.reshape(-1) != got.reshape(-1))
            yield (
                step.node,
                (
                    f"tensor {step.output!r} (on the PS: {step.node}) first differs at element "
                    f"{wrong[0] if wrong.size else 0:,}; {wrong.size:,} of {want.size:,} are wrong"
                ),
            )


def simulate_layers(
    programs: Sequence[tuple[str, Program]],
    golden: Mapping[str, npt.NDArray[Any]],
    simulator: VerilatedSimulator,
    *,
    settings: DdrSettings | None = None,
    progress: bool = False,
) -> list[LayerReport]:
    """Run programs of one step each, alone, from golden inputs.

    Parameters
    ----------
    programs : sequence of (name, Program)
        Steps cut out of a network.
    golden : mapping
        The network's tensors (1, h, w, c), among them every input of every program.
    """
    with show_build(progress):
        simulator.build()
    reports: list[LayerReport] = []
    for batch in _batches(programs):
        tasks = [
            Task(
                program=program,
                inputs={p.tensor: golden[p.tensor][0] for p in program.inputs or (program.input,)},
                name=name,
                settings=settings or DdrSettings(),
            )
            for name, program in batch
        ]
        with show_progress(batch, progress) as on_event:
            results = simulator.run_many(tasks, on_event=on_event)
        reports += (_layer_report(t, r) for t, r in zip(tasks, results, strict=True))
    return reports


def wave_window(divergence: Divergence | None, result: VerilatedResult) -> tuple[int, int]:
    """First and last cycle worth seeing: the EXEC at fault, or where everything stopped."""
    if divergence is not None and divergence.cycle >= 0:
        before = divergence.exec_number - 1
        last = divergence.cycle
        first = result.exec_cycles[before] if before >= 0 else 0
    elif result.exec_cycles and not result.fault:
        first, last = 0, result.exec_cycles[0]
    else:
        # A hang: what came after the last EXEC that completed.
        first = result.exec_cycles[-1] if result.exec_cycles else 0
        last = first + WAVE_WINDOW
    first = max(first, last - WAVE_WINDOW)
    return max(first - WAVE_MARGIN, 0), last + WAVE_MARGIN


def _layer_report(task: Task, result: VerilatedResult) -> LayerReport:
    program = task.program
    expected = golden_tensors(program, task.inputs)
    divergences = tuple(find_divergences(program, expected, result.tensors, result.exec_cycles))
    return LayerReport(
        name=task.name,
        match=not divergences and not result.fault,
        elements=sum(value.size for value in result.tensors.values()),
        cycles=result.cycles,
        divergences=divergences,
        result=result,
    )


def _batches(
    programs: Sequence[tuple[str, Program]],
) -> Iterator[list[tuple[str, Program]]]:
    """Runs of programs that fit into one simulator process's budget of images."""
    batch: list[tuple[str, Program]] = []
    size = 0
    for name, program in programs:
        if batch and size + program.image_bytes > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append((name, program))
        size += program.image_bytes
    if batch:
        yield batch
