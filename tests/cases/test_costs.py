"""What each operator costs: a frame's cycles, estimated and simulated, with one of each."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from accelgen import compile, target
from accelgen.estimator.timeline import timeline
from accelgen.flow.runs import ddr_settings
from accelgen.golden.interpret import enter
from accelgen.inputs.several import random_inputs
from accelgen.simulation.check import golden_tensors
from accelgen.simulation.verilated import Task, VerilatedSimulator
from tests.cases.siblings import model_of, read

_WEIGHTS = {"w": "24x12x3x3"}
COSTS = {
    name: {"shape": [1, 12, 32, 32], **one, "constants": _WEIGHTS | one.get("constants", {})}
    for name, one in read(Path(__file__).parent / "costs.toml").items()
}
PRESETS = ("small", "ultra96_double")
#: Of the estimate, as a share of the frame; shorter frames are mostly the first command's way.
MOST_ERROR, LEAST_CYCLES = 0.03, 2000


def tasks_of(name, hardware, folder):
    """The network's parts, from golden inputs."""
    path = folder / "model.onnx"
    path.write_bytes(model_of(name, COSTS).SerializeToString())
    compiled = compile(path, hardware)
    given = enter(compiled.model.graph, random_inputs(compiled.kinds, 1))
    values = {tensor: x[:1] for tensor, x in given.items()}
    for program in compiled.parts:
        inputs = {
            p.tensor: np.asarray(values[p.tensor]).reshape(p.shape)
            for p in program.inputs or (program.input,)
        }
        yield Task(
            program=program, inputs=inputs, name=name, settings=ddr_settings(hardware.memory, 1)
        )
        values |= golden_tensors(program, inputs)


@cache
def simulated(preset, folder):
    """Of each network: cycles, estimated and simulated."""
    hardware = target(preset=preset)
    simulator = VerilatedSimulator(hardware.arch, family=hardware.family)
    tasks = [task for name in COSTS for task in tasks_of(name, hardware, folder)]
    found = dict.fromkeys(COSTS, (0.0, 0))
    for task, result in zip(tasks, simulator.run_many(tasks), strict=True):
        assert not result.fault, (task.name, result.fault)
        guess, real = found[task.name]
        guess += timeline(task.program, hardware.memory).cycles
        found[task.name] = guess, real + result.cycles
    return found


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", COSTS)
def test_a_frame_takes_what_was_estimated(name, preset, tmp_path_factory):
    estimated, cycles = simulated(preset, tmp_path_factory.getbasetemp())[name]

    assert cycles > LEAST_CYCLES
    assert estimated == pytest.approx(cycles, rel=MOST_ERROR)
