"""Faults of hardware are found and said where they are. Here it is numpy, with a fault."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.arch.isa import Opcode
from accelgen.errors import ConfigError
from accelgen.golden import interpret
from accelgen.schedule import schedule, single_step
from accelgen.simulation.bench import DDR_BYTES
from accelgen.simulation.check import (
    golden_tensors,
    simulate_frame,
    simulate_layers,
    wave_window,
)
from accelgen.simulation.compare import find_divergences, tensor_order
from accelgen.simulation.functional import run_functional
from accelgen.simulation.verilated import (
    Task,
    VerilatedResult,
    VerilatedSimulator,
    run_ps_steps,
)
from tests.helpers.arches import SMALL
from tests.helpers.int8_nets import Int8Net, random_net

#: An EXEC takes so long here.
EXEC_CYCLES = 1000


class FakeSimulator:
    """The functional simulator in place of the verilated one; ``spoil`` damages its tensors."""

    def __init__(self, spoil=lambda tensors: None, fault=""):
        self.spoil = spoil
        self.fault = fault
        self.waves = []

    def build(self, *, trace=False):
        return None

    def run_many(self, tasks, *, on_event=None):
        return [self._run(task) for task in tasks]

    def write_waves(self, task, first, last, where):
        self.waves.append((first, last))
        return where / "waves.fst"

    def _run(self, task):
        tensors = run_functional(task.program, task.inputs).tensors
        self.spoil(tensors)
        execs = sum(c.opcode is Opcode.EXEC for c in task.program.commands)
        return VerilatedResult(
            name=task.name,
            tensors=tensors,
            fault=self.fault,
            cycles=EXEC_CYCLES * execs,
            exec_cycles=tuple(EXEC_CYCLES * (i + 1) for i in range(execs)),
            counters={},
            beats={},
            wall_s=0.0,
        )


@pytest.fixture(scope="module")
def network():
    """A network of several steps, its input, its program with every tensor kept."""
    net, graph = random_net(11, nodes=8)
    program = schedule(graph, replace(SMALL, feature_rows=400), keep_all=True)
    assert len(program.kept) > 3
    return program, net.input()


def flip(tensor, index):
    def spoil(tensors):
        tensors[tensor][index] ^= 1

    return spoil


def test_right_hardware_matches(network):
    program, x = network
    report = simulate_frame(program, x, FakeSimulator())

    assert report.match
    assert report.divergences == ()
    assert report.tensors == len({p.tensor for p in program.outputs} | set(program.kept))
    assert str(report) == f"{report.tensors} tensors match in {report.result.cycles:,} cycles"
    want = interpret(program.graph, x[None])
    for name, value in report.outputs.items():
        np.testing.assert_array_equal(value, want[name])


def test_every_single_flipped_element_is_found_where_it_is(network):
    program, x = network
    rng = np.random.default_rng(5)
    want = interpret(program.graph, x[None])
    for tensor, step in tensor_order(program):
        shape = want[tensor].shape[1:]
        index = tuple(int(rng.integers(n)) for n in shape)
        report = simulate_frame(program, x, FakeSimulator(flip(tensor, index)))

        assert not report.match
        (found,) = report.divergences
        assert (found.tensor, found.index, found.wrong) == (tensor, index, 1)
        assert found.elements == want[tensor].size
        assert found.got == found.expected ^ 1
        assert found.step == step.index
        assert found.exec_number in step.execs
        assert found.cycle == EXEC_CYCLES * (found.exec_number + 1)


def test_sentence_and_listing_lead_to_the_command(network):
    program, x = network
    tensor, step = tensor_order(program)[2]
    found = simulate_frame(program, x, FakeSimulator(flip(tensor, (0, 0, 0)))).divergences[0]

    assert str(found).startswith(
        f"tensor {tensor!r} (step {step.index}: {', '.join(step.nodes)}) first differs at "
        f"(h, w, c) = (0, 0, 0): expected {found.expected}, got {found.got}; 1 of "
    )
    assert str(found).endswith(
        f"written by EXEC {found.exec_number}, done in cycle {found.cycle:,}"
    )
    (executed,) = (line for line in found.commands if ": EXEC " in line)
    number = int(executed.split(":")[0])
    execs = [i for i, c in enumerate(program.commands) if c.opcode is Opcode.EXEC]
    assert execs.index(number) == found.exec_number
    assert f"tag={step.index}" in executed
    assert " groups=" in executed
    assert any(": STORE " in line for line in found.commands)


def test_divergences_come_in_the_order_of_the_schedule(network):
    program, x = network
    order = [tensor for tensor, _ in tensor_order(program)]

    def spoil(tensors):
        for tensor in tensors.values():
            tensor[...] ^= 1

    report = simulate_frame(program, x, FakeSimulator(spoil))

    assert [d.tensor for d in report.divergences] == order
    assert all(d.wrong == d.elements for d in report.divergences)


def test_first_wrong_element_is_the_first_in_memory_order(network):
    program, x = network
    places = dict(program.kept)
    tensor = next(t for t, p in places.items() if p.groups > 1 and p.shape[0] > 1)
    place = places[tensor]
    channels = {slot: c for slot, c in enumerate(place.slots) if c >= 0}
    early = (place.shape[0] - 1, 0, channels[0])  # last row of the first group
    late = (0, 0, next(c for slot, c in channels.items() if slot >= program.arch.lanes))

    def spoil(tensors):
        tensors[tensor][early] ^= 1
        tensors[tensor][late] ^= 1

    (found,) = simulate_frame(program, x, FakeSimulator(spoil)).divergences

    assert found.index == early
    assert found.wrong == 2


def test_tiled_steps_name_the_exec_of_the_tile():
    net, graph = random_net(3, nodes=10)
    program = schedule(graph, replace(SMALL, feature_rows=60), keep_all=True)
    x = net.input()
    step = max(program.steps, key=lambda s: len(s.execs))
    assert len(step.execs) > 2
    h, w, c = program.kept[step.output].shape
    first = simulate_frame(program, x, FakeSimulator(flip(step.output, (0, 0, 0)))).divergences[0]
    last = simulate_frame(
        program, x, FakeSimulator(flip(step.output, (h - 1, w - 1, c - 1)))
    ).divergences[0]

    assert first.exec_number == step.execs[0]
    assert last.exec_number == step.execs[-1]


def test_a_fault_is_no_match_though_all_tensors_are_right(network):
    program, x = network
    report = simulate_frame(program, x, FakeSimulator(fault="3 breaches of the AXI rules"))

    assert not report.match
    assert str(report) == "3 breaches of the AXI rules; every tensor matches"


def test_waves_are_asked_for_around_the_exec(network, tmp_path):
    program, x = network
    tensor, step = tensor_order(program)[3]
    simulator = FakeSimulator(flip(tensor, (0, 0, 0)))
    report = simulate_frame(program, x, simulator, waves=tmp_path)

    exec_number = report.divergences[0].exec_number
    assert exec_number in step.execs
    (window,) = simulator.waves
    assert window == (EXEC_CYCLES * exec_number - 200, EXEC_CYCLES * (exec_number + 1) + 200)
    assert report.waves == tmp_path / "waves.fst"


def test_no_waves_when_all_is_right(network, tmp_path):
    program, x = network
    simulator = FakeSimulator()

    assert simulate_frame(program, x, simulator, waves=tmp_path).waves is None
    assert simulator.waves == []


def test_waves_of_a_hang_begin_where_it_stopped(network):
    program, x = network
    task = Task(program=program, inputs={program.input.tensor: x})
    (result,) = FakeSimulator(fault="not done after 100000 cycles").run_many([task])
    stuck = replace(result, exec_cycles=(700, 30_000))

    assert wave_window(None, stuck) == (29_800, 50_200)
    assert wave_window(None, replace(stuck, exec_cycles=())) == (0, 20_200)


def test_layers_run_alone_from_golden_inputs(network):
    program, x = network
    golden = interpret(program.graph, x[None])
    programs = [(f"step {s.index}", single_step(program, s.index)) for s in program.steps]
    wrong = programs[2][1].outputs[0].tensor

    def spoil(tensors):
        if wrong in tensors:
            tensors[wrong][-1, -1, -1] ^= 1

    reports = simulate_layers(programs, golden, FakeSimulator(spoil))

    assert [r.name for r in reports] == [name for name, _ in programs]
    assert [r.match for r in reports] == [i != 2 for i in range(len(programs))]
    assert reports[2].divergences[0].tensor == wrong
    assert reports[0].elements == golden[programs[0][1].outputs[0].tensor].size
    assert reports[0].cycles > 0


def test_golden_tensors_are_the_interpreters(network):
    program, x = network
    want = interpret(program.graph, x[None])
    got = golden_tensors(program, {program.input.tensor: x})

    assert set(got) == set(want)
    assert all(np.array_equal(got[name], want[name]) for name in want)


def test_find_divergences_takes_tensors_with_and_without_batch(network):
    program, x = network
    tensors = run_functional(program, {program.input.tensor: x}).tensors
    flat = {name: value[0] for name, value in interpret(program.graph, x[None]).items()}

    assert find_divergences(program, flat, tensors) == []


# VerilatedSimulator, before anything is built.


def test_programs_for_other_hardware_are_refused(network):
    program, x = network
    task = Task(program=program, inputs={program.input.tensor: x})

    with pytest.raises(ConfigError, match="compiled for another configuration"):
        VerilatedSimulator(SMALL).run_many([task])


def test_programs_too_large_for_the_bench_are_refused(network):
    program, x = network
    large = replace(program, image_bytes=DDR_BYTES + 1)

    with pytest.raises(ConfigError, match="frame takes 268,435,457 bytes of DDR"):
        VerilatedSimulator(program.arch).run(large, {program.input.tensor: x})


def test_missing_input_is_named(network):
    program, _ = network

    with pytest.raises(ConfigError, match=rf"input '{program.input.tensor}' is missing"):
        VerilatedSimulator(program.arch).run(program, {})


def test_ps_steps_run_on_what_the_hardware_left():
    net = Int8Net((5, 4, 6), seed=2)
    graph = net.graph(net.softmax(net.fc(net.conv(net.x, 8), 10)))
    program = schedule(graph, SMALL)
    x = net.input()
    tensors = run_functional(program, {program.input.tensor: x}).tensors
    made = run_ps_steps(program, tensors)
    want = interpret(program.graph, x[None])

    assert set(made) == {s.output for s in program.ps_steps} != set()
    for name, value in made.items():
        np.testing.assert_array_equal(value, want[name])
