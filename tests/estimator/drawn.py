"""Estimates beside simulations of drawn networks: ``python -m tests.estimator.drawn``.

``--preset small --kind nets --count 100 --seed 7`` (preset and kind as often as wanted; by default
all) draws networks of ``tests/helpers/random_onnx.py``, compiles each for the PL, simulates its
frame without stalls and prints the largest error of the estimate, of the frames of
:data:`LEAST_CYCLES` and more. Ends with status 1 when one is off by more than :data:`MOST_ERROR`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, seed, settings

from accelgen.arch.presets import PRESETS
from accelgen.errors import QuantizationError
from accelgen.estimator.timeline import timeline
from accelgen.flow.runs import ddr_settings, repeat
from accelgen.golden.arith import quantize_array
from accelgen.simulation.verilated import Task
from tests.estimator.timed import Timed, simulator
from tests.helpers.random_onnx import OnnxNet, banded_nets, nets
from tests.helpers.whole_path import Case

__all__ = ["KINDS", "LEAST_CYCLES", "MOST_ERROR", "Frame", "measure"]

#: Shorter frames are mostly the first command's way, and nobody waits for them.
LEAST_CYCLES, MOST_ERROR = 5000, 0.05
#: What is drawn: of any shapes; of maps that pass through the memory in bands. Long chains, or
#: few frames would be long enough on the large presets.
KINDS = {"nets": nets(most=24), "banded_nets": banded_nets(most=12)}
#: One simulator process runs so many: starting it takes longer than most frames.
BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Frame(Timed):
    """A drawn net's; which of those drawn it is."""

    number: int


def drawn(kind: str, count: int, number: int) -> list[OnnxNet]:
    """``count`` nets: of one ``number`` always the same."""
    every: list[OnnxNet] = []
    limits = settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    seed(number)(limits(given(KINDS[kind])(lambda net: every.append(net))))()
    return every


def measure(kind: str, preset: str, count: int, number: int) -> list[Frame]:
    """Frames of :data:`LEAST_CYCLES` or more, estimated, of ``count`` drawn nets; the others are
    not simulated."""
    frames: list[Frame] = []
    waiting: list[tuple[int, Task, float]] = []
    for n, net in enumerate(drawn(kind, count, number)):
        run = Case(net).reproducer(PRESETS[preset])
        try:
            compiled = repeat(run)
        except QuantizationError:  # some of those drawn leave float32 on the way
            continue
        program, hardware = compiled.program, compiled.hardware
        memory = hardware.memory
        estimated = timeline(program, memory).cycles
        if estimated < LEAST_CYCLES:
            continue
        graph = compiled.model.graph
        x = quantize_array(run.sample, graph.tensors[graph.input].quantization)[0]
        task = Task(
            program=program,
            inputs={graph.input: x.reshape(program.input.shape)},
            name=str(net),
            settings=ddr_settings(memory, net.seed),
        )
        waiting.append((n, task, estimated))
    for first in range(0, len(waiting), BATCH):
        batch = waiting[first : first + BATCH]
        results = simulator(hardware.arch, hardware.family).run_many([task for _, task, _ in batch])
        for (n, task, estimated), result in zip(batch, results, strict=True):
            assert not result.fault, f"{task.name}: {result.fault}"
            frames.append(Frame(number=n, cycles=result.cycles, estimated=estimated))
    return frames


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.estimator.drawn", description=__doc__)
    parser.add_argument("--preset", action="append", choices=[*PRESETS])
    parser.add_argument("--kind", action="append", choices=[*KINDS])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    good = True
    for preset in chosen.preset or PRESETS:
        for kind in chosen.kind or KINDS:
            frames = measure(kind, preset, chosen.count, chosen.seed)
            worst = max(frames, key=lambda f: abs(f.error), default=None)
            said = "" if worst is None else f"largest error {worst.error:+.1%} (net {worst.number})"
            print(f"{preset:15}{kind:12}{len(frames):4} of {chosen.count}  {said}", flush=True)
            good &= worst is None or abs(worst.error) <= MOST_ERROR
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
