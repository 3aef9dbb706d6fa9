"""Every relative of the cases through the generated Verilog, one frame after the other without a
reset, and its PS steps through the C library: all tensors, bit by bit."""

from functools import cache

import numpy as np
import pytest

from accelgen import compile, target
from accelgen.flow.compiled import keeping_all
from accelgen.flow.runs import ddr_settings
from accelgen.golden.interpret import enter
from accelgen.inputs.several import random_inputs
from accelgen.simulation.check import golden_tensors
from accelgen.simulation.compare import find_divergences
from accelgen.simulation.processor import processor
from accelgen.simulation.verilated import Task, VerilatedSimulator, run_ps_steps
from tests.cases.siblings import SIBLINGS, model_of
from tests.cases.test_cases import BUILT, CASES

PRESETS = ("small", "ultra96_double")
#: Frames of one simulator process; the chance that a channel of the bus pauses, in turn.
BATCH, STALLS = 64, (0.0, 0.3, 0.7)


def names():
    """What compiles: relatives, and the files of the cases themselves."""
    return [*(n for n in SIBLINGS if "refused" not in SIBLINGS[n]), *BUILT]


def file_of(name, folder):
    if name in BUILT:
        return CASES / f"{name}.onnx"
    path = folder / "model.onnx"
    path.write_bytes(model_of(name).SerializeToString())
    return path


def tasks_of(name, preset, folder, number):
    """Each part of the network as it is, and with every tensor kept, from golden inputs."""
    hardware = target(preset=preset)
    compiled = compile(file_of(name, folder), hardware)
    given = enter(compiled.model.graph, random_inputs(compiled.kinds, number))
    values = {tensor: x[:1] for tensor, x in given.items()}
    settings = ddr_settings(
        target(preset=preset, stalls=STALLS[number % len(STALLS)]).memory, number
    )
    tasks = []
    for plain, kept in zip(compiled.parts, keeping_all(compiled).parts, strict=True):
        for program in (plain, kept):
            inputs = {
                p.tensor: np.asarray(values[p.tensor]).reshape(p.shape)
                for p in program.inputs or (program.input,)
            }
            tasks.append(
                Task(
                    program=program, inputs=inputs, name=name, settings=settings,
                    max_cycles=1_000_000, begin="go on",
                )
            )  # fmt: skip
        values |= golden_tensors(plain, tasks[-2].inputs)
    return tasks


@cache
def simulator(preset):
    hardware = target(preset=preset)
    return VerilatedSimulator(hardware.arch, family=hardware.family)


def fault(task, result):
    """The first thing that is wrong, or nothing."""
    golden = golden_tensors(task.program, task.inputs)
    found = find_divergences(task.program, golden, result.tensors, result.exec_cycles)
    if result.fault or found:
        return "; ".join(s for s in (result.fault, *map(str, found[:1])) if s)
    made = run_ps_steps(task.program, {**task.inputs, **result.tensors}, processor("twin"))
    wrong = [s.node for s in task.program.ps_steps
             if np.asarray(golden[s.output]).tobytes() != made[s.output].tobytes()]  # fmt: skip
    return f"on the PS: {', '.join(wrong)}" if wrong else ""


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("first", range(0, len(names()), BATCH))
def test_every_tensor_is_right(preset, first, tmp_path):
    batch = names()[first : first + BATCH]
    tasks = [t for i, n in enumerate(batch) for t in tasks_of(n, preset, tmp_path, first + i)]

    results = simulator(preset).run_many(tasks)

    faults = {t.name: fault(t, r) for t, r in zip(tasks, results, strict=True)}
    assert {name: said for name, said in faults.items() if said} == {}
