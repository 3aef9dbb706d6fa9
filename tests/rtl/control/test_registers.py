"""Registers over AXI4-Lite: every register, every counter, the step log, the interrupt."""

import itertools
import random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from accelgen.arch import ArchParams
from accelgen.arch.registers import (
    CAUSES,
    CONTROL,
    IDENTITY,
    LOG_BASE,
    LOG_WORDS,
    MASTER_BIT,
    MASTERS,
    REGISTERS,
    STATUS,
    offset_of,
)
from accelgen.rtl.control.registers import COUNTERS, Registers
from tests.helpers.bench import ticks
from tests.helpers.clock import start_clock
from tests.helpers.simulate import simulate

ARCH = ArchParams()
INPUTS = ("done", "events", "ending", "finished", "aborted", "cause", "master", "error_address")
CHANNELS = {"aw": "write", "w": "write", "b": "write", "ar": "read", "r": "read"}


def test_registers(tmp_path):
    simulate(Registers(ARCH.crc), __name__, tmp_path)


class Host:
    """The driver's side: registers by name."""

    def __init__(self, dut, *, stall=0.0, seed=0):
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "axil_"), dut.clk, dut.rst)
        rng = random.Random(seed)
        for channel, side in CHANNELS.items():
            interface = getattr(self.master, f"{side}_if")
            generator = (rng.random() < stall for _ in iter(int, 1))
            getattr(interface, f"{channel}_channel").set_pause_generator(generator)

    async def read(self, name):
        return await self.master.read_dword(offset_of(name))

    async def write(self, name, value):
        await self.master.write_dword(offset_of(name), value)

    async def control(self, *bits):
        await self.write("control", sum(1 << CONTROL[bit] for bit in bits))

    async def status(self):
        status = await self.read("status")
        return {name for name, bit in STATUS.items() if status >> bit & 1}


async def begin(dut, **options):
    host = Host(dut, **options)
    await start_clock(dut, zero=INPUTS)
    await ticks(dut, 3)
    return host


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def constants_and_settings(dut):
    host = await begin(dut)

    assert await host.read("id") == IDENTITY
    assert await host.read("config") == ARCH.crc
    await host.write("base_low", 0xDEADB000)
    await host.write("base_high", 0x12345678)
    await host.write("program_offset", 0xCAFE00)
    assert dut.base.value == 0x78DEADB000  # 40 bits
    assert dut.program_offset.value == 0xCAFE00
    assert await host.read("base_low") == 0xDEADB000
    assert await host.read("base_high") == 0x78
    assert await host.read("program_offset") == 0xCAFE00
    for name in ("id", "config", "cycles", "error_address"):
        before = await host.read(name)
        await host.write(name, 0xFFFFFFFF)
        assert await host.read(name) == before
    assert await host.master.read_dword(4 * len(REGISTERS)) == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def byte_strobes_are_obeyed(dut):
    host = await begin(dut)
    await host.write("base_low", 0x11223344)
    await host.master.write(offset_of("base_low") + 1, b"\xaa\xbb")
    assert await host.read("base_low") == 0x11BBA000
    # The start bit is in a byte that is not written.
    starts = cocotb.start_soon(count(dut, dut.start))
    await host.master.write(offset_of("control") + 1, b"\xff")
    await ticks(dut, 5)
    starts.cancel()
    assert await host.status() == set()


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def random_traffic_under_stalls(dut):
    """The master lets address and data of a write come in either order."""
    host = await begin(dut, stall=0.6)
    rng = random.Random(1)
    units = {"base_low": 4096, "image_bytes": 4096, "program_offset": 256, "program_bytes": 256}
    model = dict.fromkeys(units, 0)
    for _ in range(200):
        name = rng.choice(list(model))
        if rng.randrange(2):
            value = rng.getrandbits(32)
            model[name] = value - value % units[name]
            await host.write(name, value)
        else:
            assert await host.read(name) == model[name]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reads_and_writes_at_once(dut):
    host = await begin(dut, stall=0.3)
    writes = [cocotb.start_soon(host.write("base_low", i << 12)) for i in range(1, 20)]
    reads = [cocotb.start_soon(host.read("base_low")) for _ in range(20)]
    values = [await task for task in reads]
    for task in writes:
        await task
    assert values == sorted(values)
    assert await host.read("base_low") == 19 << 12


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_program_runs_once_and_interrupts(dut):
    host = await begin(dut)
    starts = []
    cocotb.start_soon(count(dut, dut.start, starts))
    await host.control("start", "irq_enable")
    assert await host.read("control") == 1 << CONTROL["irq_enable"]
    assert await host.status() == {"busy"}
    await host.control("start", "irq_enable")  # ignored: busy
    await host.control("reset", "irq_enable")  # ignored: busy
    await ticks(dut, 50)
    assert len(starts) == 1
    assert not dut.irq.value
    await pulse(dut, dut.done)
    await ticks(dut, 2)
    assert dut.irq.value
    assert await host.status() == {"done"}
    cycles = await host.read("cycles")
    await ticks(dut, 20)
    assert await host.read("cycles") == cycles
    await host.write("status", 1 << STATUS["done"])
    await ticks(dut, 2)
    assert not dut.irq.value
    assert await host.status() == set()
    await host.control("start")  # and irq_enable goes
    await ticks(dut, 5)
    assert len(starts) == 2
    assert await host.read("cycles") < cycles
    await pulse(dut, dut.done)
    await ticks(dut, 5)
    assert not dut.irq.value
    assert await host.status() == {"done"}
    await host.control("start")
    assert await host.status() == {"busy"}


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def cycles_run_from_start_to_done(dut):
    host = await begin(dut)
    await host.control("start")
    await ticks(dut, 100)
    starts = []
    cocotb.start_soon(count(dut, dut.start, starts))
    await pulse(dut, dut.done)
    await host.control("start")
    while not starts:
        await FallingEdge(dut.clk)
    await ticks(dut, 122)  # start was in the cycle before; done comes in the 123rd after it
    await pulse(dut, dut.done)

    assert await host.read("cycles") == 123


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def counters_count_their_event_and_clear_at_start(dut):
    host = await begin(dut)
    await host.control("start")
    await ticks(dut, 1)
    for i, _ in enumerate(COUNTERS):
        dut.events.value = 1 << i
        await ticks(dut, i + 1)
    dut.events.value = (1 << len(COUNTERS)) - 1
    await ticks(dut, 2)
    dut.events.value = 0
    await ticks(dut, 2)
    assert [await host.read(name) for name in COUNTERS] == [i + 3 for i in range(len(COUNTERS))]
    await pulse(dut, dut.done)
    await host.control("start")
    assert [await host.read(name) for name in COUNTERS] == [0] * len(COUNTERS)
    await ticks(dut, 1)
    dut.events.value = 1
    await ticks(dut, 3)
    dut.events.value = 0
    await pulse(dut, dut.done)
    await host.control("reset")
    assert [await host.read(name) for name in COUNTERS] == [0] * len(COUNTERS)
    assert await host.status() == set()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_fault_ends_the_program_without_a_done(dut):
    host = await begin(dut)
    await host.control("start", "irq_enable")
    # A done of the very cycle in which the fault shows does not count, nor one that comes later.
    await FallingEdge(dut.clk)
    dut.ending.value = dut.done.value = 1
    dut.cause.value, dut.master.value = CAUSES["outside"][0], MASTERS["store"]
    dut.error_address.value = 0x80000010
    await ticks(dut, 1)
    dut.done.value = 0
    await ticks(dut, 5)
    await pulse(dut, dut.done)
    assert await host.status() == {"busy"}
    assert not dut.irq.value
    await finish(dut, aborted=False)
    assert dut.irq.value
    assert await host.status() == {"error"}
    assert await host.read("cause") == CAUSES["outside"][0] | MASTERS["store"] << MASTER_BIT
    assert await host.read("error_address") == 0x80000010


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_fault_after_done_is_not_lost(dut):
    host = await begin(dut)
    await host.control("start", "irq_enable")
    await pulse(dut, dut.done)
    dut.ending.value = 1
    await ticks(dut, 2)
    assert await host.status() == {"busy"}
    await finish(dut, aborted=False)
    assert await host.status() == {"error"}


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def ones_clear_the_bits_they_stand_for(dut):
    host = await begin(dut)
    clears = []
    cocotb.start_soon(count(dut, dut.clear, clears))
    await host.control("irq_enable")
    for aborted in (False, True):
        dut.ending.value = 1
        await ticks(dut, 3)
        await finish(dut, aborted=aborted)
    await host.control("start", "irq_enable")
    await pulse(dut, dut.done)
    await ticks(dut, 2)
    left = ["done", "error", "aborted"]
    assert await host.status() == set(left)
    await host.write("status", 0)
    await host.write("status", 1 << STATUS["busy"])
    assert await host.status() == set(left)
    assert clears == []
    while left:
        assert dut.irq.value
        await host.write("status", 1 << STATUS[left.pop(0)])
        await ticks(dut, 2)
        assert await host.status() == set(left)
    assert not dut.irq.value
    assert len(clears) == 2
    await host.control("start")
    await pulse(dut, dut.done)
    await host.write("status", 1 << STATUS["done"])
    assert await host.status() == set()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def start_clears_done_alone(dut):
    host = await begin(dut)
    dut.ending.value = 1
    await ticks(dut, 3)
    await finish(dut, aborted=False)
    await host.control("start")
    await pulse(dut, dut.done)
    assert await host.status() == {"done", "error"}
    await host.control("start")
    assert await host.status() == {"busy", "error"}
    await pulse(dut, dut.done)
    await host.control("reset")
    assert await host.status() == set()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_abort_is_told_and_wins_over_a_start(dut):
    host = await begin(dut)
    aborts = []
    cocotb.start_soon(count(dut, dut.abort, aborts))
    starts = cocotb.start_soon(count(dut, dut.start))
    await host.control("start", "abort")
    await ticks(dut, 4)
    starts.cancel()
    assert len(aborts) == 1
    await host.control("start")
    await host.control("abort")
    assert len(aborts) == 2
    dut.ending.value = 1
    # Nothing that addresses the image changes, and nothing starts or is cleared, until the end.
    await host.control("start", "reset")
    for name in ("base_low", "base_high", "image_bytes", "program_offset", "program_bytes"):
        await host.write(name, 0xFFFFFFFF)
        assert await host.read(name) == 0
    await finish(dut, aborted=True)
    assert await host.status() == {"aborted"}
    await host.write("image_bytes", 0xFFFFFFFF)
    assert await host.read("image_bytes") == 0xFFFFF000


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def the_log_holds_the_cycle_of_each_step_and_wraps(dut):
    host = await begin(dut)
    execs = 1 << COUNTERS.index("execs")
    for steps in (5, LOG_WORDS + 3):
        await host.control("start")
        await ticks(dut, 1)
        gaps = [random.Random(i).randrange(1, 9) for i in range(steps)]
        for gap in gaps:
            await ticks(dut, gap - 1)
            dut.events.value = execs
            await ticks(dut, 1)
            dut.events.value = 0
        await pulse(dut, dut.done)
        total = await host.read("cycles")
        log = [await host.master.read_dword(LOG_BASE + 4 * i) for i in range(min(steps, 20))]
        if steps > LOG_WORDS:
            last = log[steps - LOG_WORDS - 1]
            assert last == total - 2  # done came two cycles after it
            # Words 0 to 2 were written again; word 3 is from the first round.
            assert log[0] > log[3]
            log = log[3:]
            gaps = gaps[3:]
        differences = [b - a for a, b in itertools.pairwise(log)]
        assert differences == gaps[1 : len(log)]


async def pulse(dut, signal):
    await FallingEdge(dut.clk)
    signal.value = 1
    await FallingEdge(dut.clk)
    signal.value = 0


async def finish(dut, *, aborted):
    """What AbortControl does at the end."""
    await FallingEdge(dut.clk)
    dut.aborted.value = aborted
    await pulse(dut, dut.finished)
    dut.ending.value = 0
    await ticks(dut, 2)


async def count(dut, signal, seen=None):
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        if signal.value:
            assert seen is not None, "unexpected pulse"
            seen.append(1)
