"""A drawn net through the whole path: ONNX, passes, int8, schedule, executor, golden model."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import numpy as np
from hypothesis import strategies as st

from accelgen.arch import ArchParams
from accelgen.boards import DEFAULT_BOARD
from accelgen.cost import Memory
from accelgen.estimator.timeline import timeline
from accelgen.flow.runs import ddr_settings, repeat
from accelgen.golden.arith import quantize_array
from accelgen.schedule import schedule
from accelgen.simulation.bench import Disturbance
from accelgen.simulation.check import golden_tensors
from accelgen.simulation.compare import find_divergences
from accelgen.simulation.functional import run_functional
from accelgen.simulation.functional_exec import CommandError
from accelgen.simulation.reproducer import Reproducer
from accelgen.simulation.verilated import Task, VerilatedResult
from tests.helpers.random_onnx import OnnxNet

__all__ = ["Case", "cases", "find_fault", "run_by_commands"]

Run = Callable[[Sequence[Task]], list[VerilatedResult]]

#: A frame that takes so many times its estimate, stalls and all, hangs.
PATIENCE = 10


@dataclass(frozen=True)
class Case:
    """A net, the kind of its input, and the chance that an AXI channel pauses."""

    net: OnnxNet
    pixels: str = "normal"
    stalls: float = 0.0

    def reproducer(self, arch: ArchParams, note: str = "") -> Reproducer:
        """What repeats this case on ``arch``."""
        return Reproducer(
            model=self.net.model(),
            sample=pixels_of(self.pixels, self.net),
            config=arch.to_dict(),
            board=DEFAULT_BOARD,
            memory=asdict(Memory(stalls=self.stalls)),
            seed=self.net.seed,
            note=note,
        )


def pixels_of(kind, net):
    """Input: "normal", or beyond what int8 holds: all "low", all "high", "mixed"."""
    rng = np.random.default_rng(net.seed)
    x = rng.standard_normal((1, *net.shape))
    far = {"normal": x, "low": np.full_like(x, -1e6), "high": np.full_like(x, 1e6)}
    return (far | {"mixed": 1e6 * x})[kind].astype(np.float32)


def cases(nets):
    """Any of ``nets`` on any pixels, half of them with stalls."""
    return st.builds(
        Case,
        nets,
        st.sampled_from(["normal", "normal", "mixed", "low", "high"]),
        st.sampled_from([0.0, 0.3, 0.0, 0.7]),
    )


class _Tasks:
    """A case compiled twice: as it is, and with every tensor kept. Between both it is begun and
    given up at a random cycle. No reset comes before any, and the hardware gets none.
    """

    def __init__(self, case: Case, arch: ArchParams) -> None:
        run = case.reproducer(arch)
        compiled = repeat(run)
        hardware = compiled.hardware
        graph = compiled.model.graph
        quantization = graph.tensors[graph.input].quantization
        x = quantize_array(run.sample, quantization)[0]
        settings = ddr_settings(hardware.memory, run.seed)
        first, kept = (
            Task(
                program=program,
                inputs={graph.input: x.reshape(program.input.shape)},
                name=str(case.net),
                settings=settings,
                max_cycles=PATIENCE * round(timeline(program, hardware.memory).cycles),
                begin="go on",
            )
            for program in (compiled.program, schedule(graph, arch, keep_all=True))
        )
        most = max(first.max_cycles // PATIENCE, 20)
        abort = Disturbance(abort_at=random.Random(run.seed).randrange(10, most))
        self.tasks = [first, replace(first, disturbance=abort), kept]

    @cached_property
    def golden(self):
        return golden_tensors(self.tasks[0].program, self.tasks[0].inputs)


def find_fault(cases: Sequence[Case], arch: ArchParams, run: Run) -> tuple[Case, str] | None:
    """The first case whose tensors are not all the golden model's, and what differs.

    All go to ``run`` at once. Compiler errors pass through: a drawn net fits by construction.
    """
    compiled = [_Tasks(case, arch) for case in cases]
    results = iter(run([task for c in compiled for task in c.tasks]))
    for case, c in zip(cases, compiled, strict=True):
        for task, result in zip(c.tasks, results, strict=False):
            if task.disturbance.abort_at is not None:
                # It came in time, or the frame is over; both are well, breaches are not.
                if "breaches" in result.fault:
                    return case, result.fault
                continue
            assert set(result.tensors) >= {p.tensor for p in task.program.outputs}
            found = find_divergences(task.program, c.golden, result.tensors, result.exec_cycles)
            if result.fault or found:
                sentences = [s for s in (result.fault, *map(str, found[:1])) if s]
                return case, "; ".join([*sentences, _who(task, c)])
    return None


def _who(task: Task, compiled: _Tasks) -> str:
    """Whether the program is right."""
    (result,) = run_by_commands([task])
    wrong = result.fault or find_divergences(task.program, compiled.golden, result.tensors)
    return "the program is wrong already" if wrong else "the program is right: it is the hardware"


def run_by_commands(tasks: Sequence[Task]) -> list[VerilatedResult]:
    """As ``VerilatedSimulator.run_many``, by the functional simulator."""
    results = []
    for task in tasks:
        result = VerilatedResult(
            name=task.name, tensors={}, fault="", cycles=0, exec_cycles=(), counters={}, beats={},
            wall_s=0.0,
        )  # fmt: skip
        try:
            tensors = run_functional(task.program, task.inputs).tensors
            results.append(replace(result, tensors=tensors))
        except CommandError as error:
            places = {p.tensor: p for p in task.program.outputs} | dict(task.program.kept)
            blank = {t: np.zeros(p.shape, np.int8) for t, p in places.items()}
            results.append(replace(result, tensors=blank, fault=str(error)))
    return results
