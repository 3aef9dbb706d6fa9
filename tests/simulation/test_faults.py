"""After any fault the next frame is bit-exact, without a reset of the hardware between."""

import random
from dataclasses import replace

import pytest

from accelgen.program import Weights
from accelgen.schedule import schedule
from accelgen.simulation.bench import DdrSettings, Disturbance
from accelgen.simulation.check import golden_tensors
from accelgen.simulation.compare import find_divergences
from accelgen.simulation.verilated import Task, VerilatedSimulator
from tests.helpers.arches import DOUBLE, SMALL
from tests.helpers.int8_nets import Int8Net

pytestmark = pytest.mark.slow

#: The base address uses bits above 32.
BASE = 0x8_0000_1000
ABORTS = 200  # of all networks and configurations
CORRUPTED = 120


def residual(arch):
    """Every unit has work: convolutions, a depthwise one, squeeze-and-excite, add, a pool."""
    net = Int8Net((8, 7, 6), seed=4)
    wide = net.conv(net.x, 8, kernel=(3, 3), pads=(1, 1, 1, 1))
    deep = net.squeeze_excite(net.table(net.depthwise(net.table(net.conv(wide, 12)))), 5)
    joined = net.add(net.conv(deep, 8), wide)
    return schedule(net.graph(net.fc(net.max_pool(joined), 10)), arch), net.input()


def banded(arch):
    """Larger than the feature memory is said to be: maps go to DDR and come back all the time."""
    net = Int8Net((12, 10, 3), seed=5)
    x = net.conv(net.x, 12, kernel=(3, 3), pads=(1, 1, 1, 1))
    x = net.conv(net.depthwise(x), 12)
    rows = replace(arch, feature_rows=80 * 4 // arch.pixels)
    program = schedule(net.graph(net.conv(x, 6)), rows)
    return replace(program, arch=arch), net.input()


NETWORKS = {"residual": residual, "banded": banded}


def is_other_program(task):
    return bool(task.patches) or task.program_bytes is not None


def is_harmless(task):
    befallen = task.settings.error_high or task.disturbance.abort_at is not None
    return not (befallen or is_other_program(task))


class Bench:
    """One configuration's simulator and networks, and frames on it that must be right."""

    def __init__(self, arch):
        self.simulator = VerilatedSimulator(arch, speed=False)
        self.frames = {}
        for name, make in NETWORKS.items():
            program, x = make(arch)
            task = Task(
                program=program, inputs={program.input.tensor: x}, name=name, base=BASE,
                max_cycles=100_000, begin="go on",
            )  # fmt: skip
            self.frames[name] = task, golden_tensors(program, task.inputs)

    def good(self, name, **changes):
        return replace(self.frames[name][0], **changes)

    def run(self, tasks):
        """Results of ``tasks``, without a reset but the first's. The rules of AXI and the image's
        window were kept, and every frame that nothing befell is right."""
        results = self.simulator.run_many(tasks)
        for number, (task, result) in enumerate(zip(tasks, results, strict=True)):
            assert "breaches" not in result.fault, (number, result.fault)
            if is_harmless(task):
                assert result.fault == "", (number, result.fault)
                want = self.frames[task.name][1]
                found = find_divergences(task.program, want, result.tensors, result.exec_cycles)
                assert found == [], (number, str(found[0]))
        return results


@pytest.fixture(scope="module")
def small():
    return Bench(SMALL)


@pytest.fixture(scope="module")
def double():
    return Bench(DOUBLE)


def places(program):
    """Bytes of the image in the middle of what each phase moves: port, master, offset."""
    weights = next(c.offset for c in reversed(program.commands) if isinstance(c, Weights))
    commands = program.program_offset + program.program_bytes // 2
    return {
        "commands": ("w", "program", commands // 16 * 16),
        "weights": ("w", "program", weights),
        "input": ("fr", "load", program.input.offset + 32),
        "output": ("fw", "store", program.outputs[0].offset),
    }


@pytest.mark.parametrize("phase", ["commands", "weights", "input", "output"])
@pytest.mark.parametrize("decode", [False, True], ids=["SLVERR", "DECERR"])
@pytest.mark.parametrize("name", NETWORKS)
def test_after_a_bus_error(small, name, phase, decode):
    good = small.good(name)
    port, master, offset = places(good.program)[phase]
    at = BASE + offset
    bad = DdrSettings(
        error_low=at, error_high=at + 16, error_ports=(port,), error_decode=decode, stalls=0.2
    )
    _, broken, _, again, _ = small.run([
        good,
        replace(good, settings=bad),
        good,
        replace(good, settings=bad),
        good,
    ])

    for result in (broken, again):
        cause, of, address = result.cause
        assert result.fault
        assert (cause, of) == ("write_response" if port == "fw" else "read_response", master)
        # Of a write the burst's address is told.
        assert 0 <= (at & 0xFFFF_FFFF) - address < (256 if port == "fw" else 1)


def test_no_response_is_looked_at_but_of_the_port_it_came_on(small):
    """The errors of the test above are there for the port they name only."""
    good = small.good("residual")
    at = BASE + places(good.program)["output"][2]
    (result,) = small.run([replace(good, settings=DdrSettings(
        error_low=at, error_high=at + 16, error_ports=("w", "fr"))
    )])  # fmt: skip

    assert result.fault == ""


@pytest.mark.parametrize("arch", ["small", "double"])
@pytest.mark.parametrize("name", NETWORKS)
def test_after_an_abort_at_any_cycle(request, arch, name):
    bench = request.getfixturevalue(arch)
    good = bench.good(name)
    (first,) = bench.run([good])
    rng = random.Random(f"{arch} {name}")
    tasks = []
    for number in range(ABORTS // 2 * (3 if arch == "small" else 1) // 4):
        abort = Disturbance(abort_at=rng.randrange(20, first.cycles))
        settings = DdrSettings(stalls=(0.0, 0.4)[number % 2], seed=number)
        # Of another picture: a core that just went on would give that one's answer, and sooner.
        other = {tensor: ~x for tensor, x in good.inputs.items()}
        tasks += [replace(good, inputs=other, disturbance=abort, settings=settings), good]
    results = bench.run(tasks)

    assert all(abs(r.cycles - first.cycles) < 0.1 * first.cycles for r in results[1::2])

    assert {r.cause[0] for r in results[1::2]} == {"none"}
    gave_up = [r for r in results[::2] if r.fault]
    assert all(r.fault.startswith("given up after") for r in gave_up)
    # Writing the start and the wait for the interrupt take some cycles: few came too late.
    assert len(gave_up) > 0.9 * len(results) / 2


def test_after_a_bus_that_stood_still(small):
    for name in NETWORKS:
        good = small.good(name, max_cycles=200_000)
        _, frozen, _, aborted, _ = small.run([
            good,
            replace(good, disturbance=Disturbance(freeze_at=700)),
            good,
            replace(good, disturbance=Disturbance(abort_at=900, freeze_at=700, freeze_cycles=3000)),
            good,
        ])  # fmt: skip

        assert frozen.fault == ""
        assert frozen.cycles > 100_000
        assert aborted.fault.startswith("given up after")


def corrupted(task, rng):
    """The task with some bits of its program turned, or with less of it."""
    program = task.program
    first, size = program.program_offset, program.program_bytes
    image = bytearray(program.image)
    kind = rng.choice(["bits", "bits", "header", "cut", "short", "zeros"])
    if kind == "short":
        return replace(task, program_bytes=rng.randrange(size // 256) * 256)
    if kind in ("cut", "zeros"):
        at = first + 16 * rng.randrange(size // 16)
        tail = bytes(first + size - at) if kind == "zeros" else rng.randbytes(first + size - at)
        return replace(task, patches={at: tail})
    for _ in range(rng.randrange(1, 4)):
        at = first + rng.randrange(size)
        if kind == "header":
            at -= at % 16
        image[at] ^= 1 << rng.randrange(8)
    return replace(task, patches={first: bytes(image[first:])})


@pytest.mark.parametrize("name", NETWORKS)
def test_after_a_corrupted_program(small, name):
    good = small.good(name)
    (first,) = small.run([good])
    rng = random.Random(name)
    tasks = []
    for _ in range(CORRUPTED // 2):
        # Some of these come to their end, having left weights in queues: load() clears them.
        tasks += [corrupted(replace(good, max_cycles=2 * first.cycles), rng)]
        tasks += [replace(good, begin="load")]
    results = small.run(tasks)

    causes = {r.cause[0] for r in results[::2]}
    assert causes >= {"command", "outside"}
    # Some never end, and are given up.
    assert any(r.fault.startswith("not done") for r in results[::2])
