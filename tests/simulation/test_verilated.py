"""The generated Verilog runs any program bit for bit, whatever the memory does."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.arch.isa import Opcode
from accelgen.program import Weights
from accelgen.rtl.design import design_verilog
from accelgen.schedule import schedule, single_step
from accelgen.simulation.bench import DdrSettings
from accelgen.simulation.check import golden_tensors, simulate_frame, simulate_layers
from accelgen.simulation.compare import find_divergences
from accelgen.simulation.toolchain import has_fst
from accelgen.simulation.verilated import Task, VerilatedSimulator
from tests.helpers.arches import SMALL
from tests.helpers.int8_nets import Int8Net, random_net
from tests.helpers.programs import park_everything, with_commands

# Building the hardware takes half a minute, once.
pytestmark = pytest.mark.slow

#: The base address uses bits above 32.
BASE = 0x8_0000_1000


@pytest.fixture(scope="module")
def simulator():
    return VerilatedSimulator(SMALL, speed=False)


@pytest.fixture(scope="module")
def network():
    return residual_network(SMALL)


def residual_network(arch):
    """An inverted residual with squeeze-and-excite, a pool and a classifier: (program, input)."""
    net = Int8Net((9, 7, 6), seed=4)
    wide = net.conv(net.x, 12, kernel=(3, 3), pads=(1, 1, 1, 1))
    deep = net.squeeze_excite(net.table(net.depthwise(net.table(net.conv(wide, 20)))), 5)
    joined = net.add(net.conv(deep, 12), wide)
    program = schedule(net.graph(net.fc(net.max_pool(joined), 10)), arch, keep_all=True)
    return program, net.input()


def test_frame_matches_golden(simulator, network):
    program, x = network
    report = simulate_frame(program, x, simulator)

    assert report.match, str(report)
    assert report.tensors > 4
    execs = [c for c in program.commands if c.opcode is Opcode.EXEC]
    assert len(report.result.exec_cycles) == len(execs) == report.result.counters["execs"]
    assert list(report.result.exec_cycles) == sorted(report.result.exec_cycles)
    assert report.result.exec_cycles[-1] <= report.result.cycles == report.result.counters["cycles"]


def test_frame_out_of_ultraram_matches_and_takes_as_long(simulator, network):
    program, x = residual_network(replace(SMALL, feature_ram="ultra"))
    report = simulate_frame(program, x, VerilatedSimulator(program.arch, speed=False))

    assert report.match, str(report)
    assert report.result.cycles == simulate_frame(*network, simulator).result.cycles


def test_counters_agree_with_the_bench(simulator, network):
    program, x = network
    result = simulator.run(program, {program.input.tensor: x})

    # Beats counted by the hardware and by the memory.
    assert result.counters["weight_beats"] == result.beats["w"]
    assert result.counters["load_beats"] == result.beats["fr"]
    assert result.counters["store_beats"] == result.beats["fw"]


def test_any_memory_gives_the_same_tensors(simulator, network):
    program, x = network
    inputs = {program.input.tensor: x}
    memories = [
        DdrSettings(),
        DdrSettings(bytes_per_cycle=0.5),
        DdrSettings(bytes_per_cycle=64, latency_cycles=3, refresh_interval=0),
        DdrSettings(latency_cycles=700, write_latency_cycles=300),
        DdrSettings(competing_bytes_per_cycle=30),
        *(DdrSettings(stalls=stalls, seed=seed) for stalls in (0.2, 0.7) for seed in range(3)),
    ]
    tasks = [Task(program=program, inputs=inputs, settings=m, base=BASE) for m in memories]
    want = golden_tensors(program, inputs)
    results = simulator.run_many(tasks)

    for memory, result in zip(memories, results, strict=True):
        assert result.fault == "", memory
        assert find_divergences(program, want, result.tensors) == [], memory
    assert results[1].cycles > results[0].cycles > results[2].cycles


def test_random_networks_match_golden(simulator):
    tasks = []
    for seed in range(40):
        net, graph = random_net(seed, largest=14, channels=30)
        program = schedule(graph, SMALL, keep_all=True)
        stalls = (0.0, 0.3)[seed % 2]
        tasks.append(
            Task(
                program=program,
                inputs={program.input.tensor: net.input()},
                name=f"random net {seed}",
                begin="go on",
                settings=DdrSettings(stalls=stalls, seed=seed),
                max_cycles=1_000_000,
            )
        )
    # Each twice: the second finds what the first has left behind.
    tasks = [task for task in tasks for _ in range(2)]
    results = simulator.run_many(tasks)

    wrong = []
    for task, result in zip(tasks, results, strict=True):
        want = golden_tensors(task.program, task.inputs)
        found = find_divergences(task.program, want, result.tensors, result.exec_cycles)
        wrong += [f"{task.name}: {f}" for f in (result.fault, *map(str, found[:1])) if f]
    assert wrong == []


def test_parked_weights_match_golden(simulator, monkeypatch):
    park_everything(monkeypatch)
    tasks = []
    for seed in range(24):
        net, graph = random_net(seed, largest=14, channels=30)
        program = schedule(graph, replace(SMALL, feature_rows=(32768, 1200, 2500)[seed % 3]))
        settings = DdrSettings(stalls=(0.0, 0.3)[seed % 2], seed=seed)
        tasks.append(
            Task(
                program=replace(program, arch=SMALL),
                inputs={program.input.tensor: net.input()},
                name=f"parked {seed}",
                begin="go on",
                settings=settings,
                max_cycles=1_000_000,
            )
        )
    tasks = [task for task in tasks for _ in range(2)]
    results = simulator.run_many(tasks)

    assert sum(isinstance(c, Weights) and c.parked for t in tasks for c in t.program.commands) > 96
    for task, result in zip(tasks, results, strict=True):
        assert result.fault == "", task.name
        want = golden_tensors(task.program, task.inputs)
        assert find_divergences(task.program, want, result.tensors) == [], task.name


def test_layers_alone_match_golden(simulator, network):
    program, x = network
    golden = golden_tensors(program, {program.input.tensor: x})
    programs = [(s.nodes[0], single_step(program, s.index)) for s in program.steps]
    reports = simulate_layers(programs, golden, simulator)

    assert [r.match for r in reports] == [True] * len(programs)
    assert all(r.cycles > 0 for r in reports)


def test_a_wrong_program_is_found_and_shown(simulator, network, tmp_path):
    program, x = network
    broken = next(i for i, c in enumerate(program.commands) if c.opcode is Opcode.EXEC)

    def off_by_one(index, command):
        if index != broken:
            return command
        requant = replace(command.requant1, zero=command.requant1.zero ^ 1)
        return replace(command, requant1=requant)

    report = simulate_frame(with_commands(program, off_by_one), x, simulator, waves=tmp_path)

    assert not report.match
    first = report.divergences[0]
    assert (first.step, first.exec_number) == (0, 0)
    assert first.cycle == report.result.exec_cycles[0]
    assert report.waves == tmp_path / ("waves.fst" if has_fst() else "waves.vcd")
    assert report.waves.stat().st_size > 10_000


def test_a_bus_error_is_a_fault_of_its_frame(simulator, network):
    program, x = network
    inputs = {program.input.tensor: x}
    at = BASE + program.input.offset
    bad = DdrSettings(error_low=at, error_high=at + 16)
    broken, fine = simulator.run_many([
        Task(program=program, inputs=inputs, base=BASE, settings=bad),
        Task(program=program, inputs=inputs, base=BASE),
    ])

    assert broken.fault == (
        f"AXI error: a read was refused at address {at & 0xFFFFFFFF:#x} "
        "(master: load, cause: read_response)"
    )
    assert fine.fault == ""


def test_a_program_that_waits_for_ever_is_a_fault(simulator, network):
    program, x = network
    last = max(i for i, c in enumerate(program.commands) if c.opcode is Opcode.EXEC)

    def wait_for_nothing(index, command):
        if index != last:
            return command
        return replace(command, header=replace(command.header, wait_loads=60_000))

    task = Task(
        program=with_commands(program, wait_for_nothing),
        inputs={program.input.tensor: x},
        max_cycles=60_000,
    )
    (result,) = simulator.run_many([task])

    execs = sum(c.opcode is Opcode.EXEC for c in program.commands)
    assert result.fault == f"not done after 60000 cycles, {execs - 1} EXECs completed"


def test_other_hardware_is_noticed(network):
    program, x = network
    other = replace(SMALL, acc_depth=32)
    verilog = design_verilog(SMALL)
    simulator = VerilatedSimulator(other, verilog=verilog, speed=False)
    claimed = replace(program, arch=other)
    result = simulator.run(claimed, {program.input.tensor: np.zeros_like(x)})

    assert "the bitstream's configuration is" in result.fault
