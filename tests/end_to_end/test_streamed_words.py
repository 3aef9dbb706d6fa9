"""Drawn convolutions of more weight words than the ring holds: generated RTL == golden model.

Channels and kernels are drawn beyond ``weight_words``, rows shorter and longer than a vector. Words
are then streamed for each vector (``lowering.stream_words``).
"""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.arch.presets import PRESETS
from accelgen.lowering.stream_words import is_streamed
from accelgen.schedule import schedule
from accelgen.simulation.bench import DdrSettings
from accelgen.simulation.check import golden_tensors
from accelgen.simulation.compare import find_divergences
from accelgen.simulation.verilated import Task, VerilatedSimulator
from tests.helpers.arches import DOUBLE
from tests.helpers.int8_nets import Int8Net, random_window
from tests.helpers.programs import assert_matches_golden

CONFIGURATIONS = {
    "small": replace(PRESETS["small"], weight_words=16),
    "double": replace(DOUBLE, weight_words=32, acc_bits=32),
}


def drawn(arch, seed):
    """A convolution that must be streamed between two that need not, and one that adds to it."""
    rng = np.random.default_rng(seed)
    h, w = int(rng.integers(1, 8)), int(rng.integers(1, 4 * arch.pixels))
    most = arch.weight_words * arch.lanes
    while True:
        window = random_window(rng, h, w, dilate=True)
        taps = int(np.prod(window["kernel"]))
        channels = most // taps + int(rng.integers(1, 2 * arch.lanes))
        net = Int8Net((h, w, int(rng.integers(1, 6))), seed)
        x = net.conv(net.x, channels)
        y = net.conv(x, int(rng.integers(1, 3 * arch.lanes)), **window)
        if net.dims(y)[:2] != (1, 1) and taps > 1:
            break
    c = net.dims(y)[2]
    z = net.add(y, net.conv(y, c)) if seed % 2 else net.table(y)
    graph = net.graph(net.gap(z), z)
    assert any(is_streamed(n, graph, arch) for n in graph.nodes)
    return net, graph


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_commands_match_golden(name):
    for seed in range(60):
        # Maps that stay in the feature memory, and maps that pass through it.
        arch = replace(CONFIGURATIONS[name], feature_rows=(4096, 500)[seed // 2 % 2])
        net, graph = drawn(arch, seed)
        assert_matches_golden(schedule(graph, arch, keep_all=True), net.input())


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_hardware_matches_golden(name):
    arch = CONFIGURATIONS[name]
    tasks = []
    for seed in range(100, 108):
        net, graph = drawn(arch, seed)
        program = schedule(graph, arch, keep_all=True)
        tasks.append(
            Task(
                program=program,
                inputs={program.input.tensor: net.input()},
                name=f"streamed {seed}",
                begin="go on",
                settings=DdrSettings(stalls=(0.0, 0.3, 0.7)[seed % 3], seed=seed),
                max_cycles=5_000_000,
            )
        )

    wrong = []
    for task, result in zip(
        tasks, VerilatedSimulator(arch, speed=False).run_many(tasks), strict=True
    ):
        want = golden_tensors(task.program, task.inputs)
        found = find_divergences(task.program, want, result.tensors, result.exec_cycles)
        wrong += [f"{task.name}: {f}" for f in (result.fault, *map(str, found[:1])) if f]
    assert wrong == []
