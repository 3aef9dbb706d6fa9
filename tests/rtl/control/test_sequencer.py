"""Sequencer and weight loader on one bus: programs from start to done, in order, by their waits;
wrong ones end in a fault, and nothing of what is wrong is executed."""

import random

import cocotb
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from cocotb.triggers import FallingEdge, ReadOnly

from accelgen.arch import isa, limits
from accelgen.arch.isa import Opcode, command_beats
from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4
from accelgen.rtl.control.sequencer import Sequencer
from accelgen.rtl.control.step_control import StepPort
from accelgen.rtl.transfer.read_arbiter import ReadArbiter
from tests.helpers.arches import BENCH as ARCH
from tests.helpers.axi_slave import AxiSlave
from tests.helpers.bench import ticks
from tests.helpers.blocks import dma_read, weight_loader
from tests.helpers.clock import start_clock
from tests.helpers.simulate import simulate

BASE = 0x12_3456_0000
PROGRAM = 0x8000  # program_offset; weights lie below
TRAP = isa.EXEC.pack({"header": {"opcode": Opcode.EXEC}}).to_bytes(144, "little")
INPUTS = (
    "start", "load__ready", "store__ready", "load_done", "store_done", "steps__done", "units_idle",
    "weights__ready", "axi__arready", "axi__rvalid",
)  # fmt: skip


class ControlPath(wiring.Component):
    """All that shares the weight and program master. Parameters are taken at once."""

    def __init__(self, arch):
        self.arch = arch
        super().__init__({
            "start": In(1),
            "base": In(40),
            "program_offset": In(32),
            "program_bytes": In(32),
            "load": Out(stream.Signature(layouts.fields(isa.LOAD))),
            "store": Out(stream.Signature(layouts.fields(isa.STORE))),
            "load_done": In(1),
            "store_done": In(1),
            "units_idle": In(1),
            "steps": Out(StepPort()),
            "weights": Out(stream.Signature(layouts.weight_word(arch.lanes))),
            "busy": Out(1),
            "done": Out(1),
            "fault": Out(1),
            "exec_wait": Out(1),
            "fetch_wait": Out(1),
            "axi": Out(axi4.ReadSignature()),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.sequencer = sequencer = Sequencer()
        m.submodules.loader = loader = weight_loader(self.arch)
        m.submodules.arbiter = arbiter = ReadArbiter()
        m.submodules.dma = dma = dma_read(self.arch, queued=False)
        connect(m, sequencer.request, arbiter.request0)
        connect(m, loader.request, arbiter.request1)
        connect(m, arbiter.request, dma.request)
        connect(m, dma.o, arbiter.i)
        connect(m, arbiter.o0, sequencer.i)
        connect(m, arbiter.o1, loader.i)
        connect(m, dma.axi, flipped(self.axi))
        connect(m, sequencer.weights, loader.command)
        connect(m, sequencer.load, flipped(self.load))
        connect(m, sequencer.store, flipped(self.store))
        connect(m, loader.weights, flipped(self.weights))
        for name in ("table1", "table2", "params1", "params2", "taps"):
            m.d.comb += getattr(loader, name).ready.eq(1)
        connect(m, sequencer.steps, flipped(self.steps))
        settings = ("start", "program_offset", "program_bytes", "load_done", "store_done")
        for name in settings:
            m.d.comb += getattr(sequencer, name).eq(getattr(self, name))
        for name in ("busy", "done", "fault", "exec_wait", "fetch_wait"):
            m.d.comb += getattr(self, name).eq(getattr(sequencer, name))
        m.d.comb += [
            dma.base.eq(self.base),
            dma.image_bytes.eq(~0),
            loader.start.eq(self.start),
            loader.execs_done.eq(sequencer.execs_done),
            sequencer.units_idle.eq(loader.idle & self.units_idle),
        ]

        return m


def test_sequencer(tmp_path):
    simulate(ControlPath(ARCH), __name__, tmp_path)


class Units:
    """Stand-ins for the datapath, the load unit and the store unit: check, wait, report."""

    def __init__(self, dut, commands, *, pace, seed=0):
        self.dut, self.pace = dut, pace
        self.random = random.Random(seed)
        self.queues = {code: [c for op, c in commands if op == code] for code in isa.FORMATS}
        self.completed = {Opcode.LOAD: 0, Opcode.EXEC: 0, Opcode.STORE: 0}
        self.busy = {Opcode.LOAD: False, Opcode.EXEC: False, Opcode.STORE: False}
        self.gaps = []  # cycles from a step's end to the next one's start
        self.words = []

    def start(self):
        dut = self.dut
        self.tasks = [
            cocotb.start_soon(self._transfer(Opcode.LOAD, dut.load__valid, dut.load__ready,
                                             dut.load__payload, dut.load_done)),
            cocotb.start_soon(self._transfer(Opcode.STORE, dut.store__valid, dut.store__ready,
                                             dut.store__payload, dut.store_done)),
            cocotb.start_soon(self._steps()),
        ]  # fmt: skip
        return self

    def check(self, code, bits):
        """The next of its unit, complete, and not before its waits are over."""
        fmt = isa.FORMATS[code]
        fields = self.queues[code].pop(0)
        assert bits == fmt.pack(fields), (code, fmt.unpack(bits), fields)
        header = fields["header"]
        assert self.completed[Opcode.LOAD] >= header.get("wait_loads", 0), (code, header)
        assert self.completed[Opcode.EXEC] >= header.get("wait_execs", 0), (code, header)
        assert self.completed[Opcode.STORE] >= header.get("wait_stores", 0), (code, header)

    async def finish(self, code, strobe):
        await ticks(self.dut, self.random.randrange(self.pace))
        # Counted from here: no command that waits for it may have come before.
        self.completed[code] += 1
        strobe.value = 1
        await ticks(self.dut, 1)
        strobe.value = 0
        self._report(code, busy=False)

    def _report(self, code, *, busy):
        self.busy[code] = busy
        self.dut.units_idle.value = not (self.busy[Opcode.LOAD] or self.busy[Opcode.STORE])

    async def _transfer(self, code, valid, ready, payload, done):
        self._report(code, busy=False)
        while True:
            ready.value = 1
            await ReadOnly()
            taken, bits = bool(valid.value), int(payload.value)
            await FallingEdge(self.dut.clk)
            if taken:
                ready.value = 0
                self.check(code, bits)
                self._report(code, busy=True)
                await self.finish(code, done)

    async def _steps(self):
        """A step with weights takes them first, as the array would."""
        dut, waited = self.dut, 0
        while True:
            await ReadOnly()
            if dut.steps__start.value:
                self.check(Opcode.EXEC, int(dut.steps__step.value))
                self.gaps.append(waited)
                step = int(dut.steps__step.value)
                for _ in range(isa.EXEC.unpack(step)["weight_words"]):
                    await self._take_weight()
                await FallingEdge(dut.clk)
                await self.finish(Opcode.EXEC, dut.steps__done)
                assert int(dut.steps__step.value) == step
                waited = 0
            else:
                await FallingEdge(dut.clk)
                waited += 1

    async def _take_weight(self):
        dut = self.dut
        await FallingEdge(dut.clk)
        dut.weights__ready.value = 1
        await ReadOnly()
        while not dut.weights__valid.value:
            await FallingEdge(dut.clk)
            await ReadOnly()
        self.words.append(int(dut.weights__payload.value))
        await FallingEdge(dut.clk)
        dut.weights__ready.value = 0
        await ReadOnly()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def runs_random_programs(dut):
    await start_clock(dut, zero=INPUTS)
    for seed in range(4):
        rng = random.Random(seed)
        await run(dut, random_program(rng, 40), pace=30, stall=0.3 * (seed % 2), seed=seed)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def weights_that_wait_for_their_step_do_not_block_its_fetch(dut):
    """More weights than all buffers hold come before the commands that lead to their use."""
    await start_clock(dut, zero=INPUTS)
    words = 700
    commands = [(Opcode.WEIGHTS, weights(0, words))]
    commands += [(Opcode.LOAD, {"header": {"opcode": 3, "tag": i}, "rows": i}) for i in range(12)]
    commands += [(Opcode.EXEC, {"header": {"opcode": 1, "wait_loads": 12}, "weight_words": words})]
    units, image = await run(dut, commands, pace=40)

    expected = [int.from_bytes(image[16 * i : 16 * i + 16], "little") for i in range(words)]
    assert units.words == expected


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def steps_follow_each_other_closely(dut):
    await start_clock(dut, zero=INPUTS)
    commands = [(Opcode.EXEC, {"header": {"opcode": 1, "tag": i}}) for i in range(30)]
    units, _ = await run(dut, commands, pace=60)

    # Between done and start: latch, settle.
    assert units.gaps[2:] == [2] * 28


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def says_why_no_step_runs(dut):
    await start_clock(dut, zero=INPUTS)
    counts = {"exec_wait": 0, "fetch_wait": 0}
    cocotb.start_soon(count_strobes(dut, counts))
    commands = [(Opcode.LOAD, {"header": {"opcode": 3}}),
                (Opcode.EXEC, {"header": {"opcode": 1, "wait_loads": 1}})]  # fmt: skip
    await run(dut, commands, pace=1, load_pace=200)

    # The EXEC is there some cycles of fetch after the LOAD that takes 200.
    assert 180 <= counts["exec_wait"] <= 195
    # The fetch of the first two commands.
    assert 30 <= counts["fetch_wait"] <= 80


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def commands_are_not_fetched_while_a_step_waits_for_data(dut):
    await start_clock(dut, zero=INPUTS)
    commands = [(Opcode.LOAD, {"header": {"opcode": 3}}),
                (Opcode.EXEC, {"header": {"opcode": 1, "wait_loads": 1}})]  # fmt: skip
    commands += [(Opcode.EXEC, {"header": {"opcode": 1, "tag": i}}) for i in range(12)]
    watching = cocotb.start_soon(bursts_until(dut, dut.steps__start))
    await run(dut, commands, pace=1, load_pace=300)

    # Those of the start, of eight that the program takes.
    assert await watching == limits.FETCH_AHEAD


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def commands_are_not_fetched_while_steps_enough_wait(dut):
    await start_clock(dut, zero=INPUTS)
    commands = [(Opcode.EXEC, {"header": {"opcode": 1, "tag": i}}) for i in range(12)]
    watching = cocotb.start_soon(bursts_until(dut, dut.steps__done))
    await run(dut, commands, pace=1, load_pace=300)

    # Of seven: the first has been dispatched before two EXECs wait.
    assert await watching == limits.FETCH_AHEAD + 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_empty_program_ends(dut):
    await start_clock(dut, zero=INPUTS)
    await run(dut, [], pace=1)
    await run(dut, [], pace=1)


def weights(offset, words):
    return {
        "header": {"opcode": Opcode.WEIGHTS}, "offset": offset, "beats": words, "groups": 1,
        "weight_words": words,
    }  # fmt: skip


def random_program(rng, count):
    """Commands that wait for random numbers of those before them."""
    done = {Opcode.LOAD: 0, Opcode.EXEC: 0, Opcode.STORE: 0}
    commands = []
    offset = 0

    def header(code):
        waits = {"loads": Opcode.LOAD, "execs": Opcode.EXEC, "stores": Opcode.STORE}
        limits = {f"wait_{name}": done[unit] for name, unit in waits.items()}
        return {
            "opcode": code,
            "tag": rng.randrange(4096),
            **{
                name: rng.choice([0, limit, rng.randrange(limit + 1)])
                for name, limit in limits.items()
            },
        }

    for _ in range(count):
        code = rng.choice([Opcode.LOAD, Opcode.STORE, Opcode.EXEC, Opcode.EXEC])
        fmt = isa.FORMATS[code]
        fields = fmt.unpack(rng.getrandbits(fmt.width))
        fields["header"] = header(code)
        if code == Opcode.EXEC:
            words = fields["weight_words"] = rng.randrange(1, 40)
            commands.append((Opcode.WEIGHTS, weights(offset, words)))
            offset += 16 * words
        commands.append((code, fields))
        done[code] += 1
    return commands


async def run(dut, commands, *, pace, stall=0.0, seed=0, load_pace=None):
    """Run ``commands`` and END; check that done comes once, when all has completed."""
    image = bytearray(random.Random(seed).randbytes(PROGRAM))
    for code, fields in commands:
        image += isa.FORMATS[code].pack(fields).to_bytes(16 * command_beats(code), "little")
    image += Opcode.END.to_bytes(16, "little")
    # What stands behind END must not matter: commands that would do harm. Nothing behind the
    # program is read at all: the slave has no more.
    image += TRAP * 8
    del image[PROGRAM + (len(image) - PROGRAM) // isa.FETCH_BYTES * isa.FETCH_BYTES :]
    slave = AxiSlave(dut, "axi__", image, base=BASE, latency=20, stall=stall, seed=seed)
    units = Units(dut, commands, pace=pace, seed=seed).start()
    if load_pace:
        units.random = random.Random()
        units.random.randrange = lambda n: load_pace
    units.tasks.append(cocotb.start_soon(slave.run()))
    await start(dut, len(image) - PROGRAM)
    await ReadOnly()
    assert dut.busy.value
    while not dut.done.value:
        await FallingEdge(dut.clk)
        await ReadOnly()
    left = {code: queue for code, queue in units.queues.items() if code != Opcode.WEIGHTS}
    assert not any(left.values()), left
    assert not any(units.busy.values())
    assert units.completed == {
        code: sum(op == code for op, _ in commands) for code in units.completed
    }
    await FallingEdge(dut.clk)
    for _ in range(100):
        await ReadOnly()
        assert not dut.done.value
        assert not dut.fault.value
        assert not dut.busy.value
        assert not dut.steps__start.value
        await FallingEdge(dut.clk)
    for task in units.tasks:
        task.cancel()
    return units, image


async def start(dut, program_bytes):
    dut.base.value, dut.program_offset.value = BASE, PROGRAM
    dut.program_bytes.value = program_bytes
    await FallingEdge(dut.clk)
    assert not dut.busy.value
    dut.start.value = 1
    await ticks(dut, 1)
    dut.start.value = 0


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def a_program_that_is_wrong_ends_in_a_fault(dut):
    """Cut anywhere, or with an opcode that does not exist: what came before is executed, what is
    wrong and what follows is not."""
    loads = [{"header": {"opcode": Opcode.LOAD, "tag": i}, "rows": i} for i in range(60)]
    whole = b"".join(isa.LOAD.pack(f).to_bytes(32, "little") for f in loads)
    step = isa.EXEC.pack({"header": {"opcode": Opcode.EXEC}}).to_bytes(144, "little")
    end = Opcode.END.to_bytes(16, "little")
    wrong = {
        "no end": (whole[: 256 * 4], 32),
        "cut in a command": (whole[: 256 - 64] + step[:64], 6),
        "cut before its last beat": (whole[:128] + step[:-16], 4),
        "empty": (b"", 0),
        "zeros": (whole[: 32 * 5], 5),
        **{
            f"opcode {code}": (whole[: 32 * 7] + bytes([code]) + bytes(15) + whole + end, 7)
            for code in range(16)
            if code not in [*Opcode]
        },
    }
    for name, (program, good) in wrong.items():
        await start_clock(dut, zero=INPUTS)
        image = bytearray(PROGRAM) + program
        size = (len(program) + 255) // 256 * 256
        slave = AxiSlave(dut, "axi__", image.ljust(PROGRAM + size, b"\0"), base=BASE, latency=20)
        units = Units(dut, [(Opcode.LOAD, f) for f in loads], pace=5).start()
        task = cocotb.start_soon(slave.run())
        await start(dut, size)
        for _ in range(700):
            await FallingEdge(dut.clk)
            await ReadOnly()
            assert not dut.done.value, name
            assert not dut.steps__start.value, name
        assert dut.fault.value, name
        assert units.completed[Opcode.LOAD] == good, name
        await FallingEdge(dut.clk)
        for running in (*units.tasks, task):
            running.cancel()


async def bursts_until(dut, strobe):
    """Bursts requested before ``strobe``."""
    bursts = 0
    while not strobe.value:
        await FallingEdge(dut.clk)
        await ReadOnly()
        bursts += int(dut.axi__arvalid.value and dut.axi__arready.value)
    return bursts


async def count_strobes(dut, counts):
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        for name in counts:
            counts[name] += bool(getattr(dut, name).value)
