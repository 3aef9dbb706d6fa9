"""Frames of the zoo's newer networks at little width: generated RTL == golden model, bit for bit.

All in one simulator. ``ZOO=all`` in the environment takes all of them, not a few.
"""

import os

import numpy as np
import pytest

from accelgen import zoo
from accelgen.arch.presets import PRESETS
from accelgen.flow.network import read_network
from accelgen.golden.arith import quantize_array
from accelgen.inputs.samples import random_samples
from accelgen.quant import quantize
from accelgen.schedule import schedule
from accelgen.simulation.check import golden_tensors
from accelgen.simulation.compare import find_divergences
from accelgen.simulation.verilated import Task, VerilatedSimulator

#: Each with something of its own: grouped convolutions with a shuffle, kernels side by side,
#: ghosts, four branches, gates, dilation and a vector, splits that are joined, maps up and down,
#: shifts whose channels have taps of their own.
FEW = {
    "shufflenet_v1": 32,
    "mixnet_s": 32,
    "ghostnet": 32,
    "googlenet": 32,
    "mobilenet_v3_small": 32,
    "lraspp": 32,
    "yolov8n": 32,
    "nanodet": 32,
    "shiftnet": 32,
}
#: The processor works between their steps: more than one program.
IN_PARTS = {"deformable", "movenet", "segnet"}
ALL = {name: 64 if name == "alexnet" else 32 for name in zoo.names() if name not in IN_PARTS}
WIDTH, CLASSES = 0.125, 8


def task(name, resolution):
    imported = read_network(zoo.build(name, resolution, width=WIDTH, classes=CLASSES))
    graph = imported.graph
    samples = random_samples(graph.tensors[graph.input].shape, 0)[:1]
    int8 = quantize(graph, samples).graph
    program = schedule(int8, PRESETS["small"])
    x = quantize_array(samples[0], int8.tensors[int8.input].quantization)
    return Task(
        program=program, inputs={int8.input: x.reshape(program.input.shape)}, name=name,
        max_cycles=20_000_000,
    )  # fmt: skip


@pytest.mark.slow
def test_frames_match_the_golden_model():
    chosen = ALL if os.environ.get("ZOO") == "all" else FEW
    tasks = [task(*item) for item in chosen.items()]
    results = VerilatedSimulator(PRESETS["small"]).run_many(tasks)

    for one, result in zip(tasks, results, strict=True):
        golden = golden_tensors(one.program, one.inputs)
        assert not result.fault, f"{one.name}: {result.fault}"
        outputs = {place.tensor for place in one.program.outputs}
        assert outputs <= set(result.tensors)
        found = find_divergences(one.program, golden, result.tensors, result.exec_cycles)
        assert not found, f"{one.name}: {found[0]}"
        # What is compared is no constant.
        assert any(len(np.unique(result.tensors[t])) > 2 for t in outputs), one.name
