"""LoadUnit behind a DMA reader: every row to its place, commands back to back, at full rate."""

import random

import cocotb
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb.utils import get_sim_time

from accelgen.arch import ArchParams, isa, overhead
from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4
from tests.helpers.axi_slave import AxiSlave, moments
from tests.helpers.bench import part_test, settings, ticks
from tests.helpers.blocks import dma_read, load_unit
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.simulate import simulate_all
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules

BASE = 0x0_FFFF_0000  # rows on both sides of 4 GiB
MEMORY_BYTES = 1 << 17
LATENCY = 30
INPUTS = ("command__valid", "o__ready", "axi__arready", "axi__rvalid")


class LoadPath(wiring.Component):
    """LoadUnit and its DmaRead."""

    def __init__(self, arch):
        self.arch = arch
        super().__init__({
            "command": In(stream.Signature(layouts.fields(isa.LOAD))),
            "base": In(40),
            "o": Out(stream.Signature(layouts.row_write(arch.lanes, arch.pixels))),
            "done": Out(1),
            "idle": Out(1),
            "axi": Out(axi4.ReadSignature()),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.unit = unit = load_unit(self.arch)
        m.submodules.dma = dma = dma_read(self.arch)
        connect(m, flipped(self.command), unit.command)
        connect(m, unit.request, dma.request)
        connect(m, dma.o, unit.i)
        connect(m, unit.o, flipped(self.o))
        connect(m, dma.axi, flipped(self.axi))
        m.d.comb += [
            dma.base.eq(self.base),
            dma.image_bytes.eq(~0),
            self.done.eq(unit.done),
            self.idle.eq(unit.idle),
        ]

        return m


def make_arch(lanes, pixels):
    return ArchParams(
        lanes=lanes, pixels=pixels, chain_pixels=1, pe_mode="single", feature_rows=4096
    )


def test_load_unit(tmp_path):
    parts = {
        f"lanes{lanes}": (LoadPath(make_arch(lanes, pixels)), {"lanes": lanes, "pixels": pixels})
        for lanes, pixels in ((4, 4), (8, 8))
    }

    simulate_all(parts, __name__, tmp_path)


@part_test(timeout_time=1, timeout_unit="ms")
async def sustains_a_beat_per_cycle(dut):
    await start_clock(dut, zero=INPUTS)
    row_bytes = settings()["lanes"] * settings()["pixels"]
    commands = [command(row_bytes, 256 * i, groups=3, rows=50) for i in range(4)]
    cycles = await load(dut, commands)

    beats = 4 * 3 * 50 * row_bytes // 16
    # A first burst that is short, and a cycle or two between commands.
    assert cycles <= beats + LATENCY + 40, (cycles, beats)


@part_test(timeout_time=2, timeout_unit="ms")
async def places_every_row_under_stalls(dut):
    await start_clock(dut, zero=INPUTS)
    row_bytes = settings()["lanes"] * settings()["pixels"]
    rng = random.Random(1)
    for seed in range(3):
        commands = []
        for _ in range(12):
            groups, rows = rng.choice([(1, 1), (5, 1), (1, 33), (3, 7), (4, rng.randrange(1, 20))])
            offset = 16 * rng.randrange((MEMORY_BYTES - groups * rows * row_bytes * 2) // 16)
            commands.append(command(row_bytes, offset, groups=groups, rows=rows, rng=rng))
        await load(dut, commands, stall=0.4, seed=seed)


@part_test(timeout_time=1, timeout_unit="ms")
async def asks_for_its_first_burst_soon(dut):
    await start_clock(dut, zero=INPUTS)
    row_bytes = settings()["lanes"] * settings()["pixels"]
    seen = {}
    ports = {"given": ["command__valid"], "asked": ["axi__arvalid"]}
    task = cocotb.start_soon(moments(dut, seen, **ports))
    await ticks(dut, 2)
    await load(dut, [command(row_bytes, 256, groups=1, rows=1)])
    task.cancel()

    assert seen["asked"][0] - seen["given"][0] == overhead.LOAD_HEAD_CYCLES


def command(row_bytes, offset, *, groups, rows, rng=None):
    """Gaps between groups, in DDR and in feature rows, when there is ``rng``."""
    gap, row = (rng.randrange(rows + 1), rng.randrange(3000)) if rng else (0, 0)
    return {
        "offset": offset,
        "stride": (rows + gap) * row_bytes,
        "row": row,
        "row_stride": rows + gap,
        "groups": groups,
        "rows": rows,
    }


async def load(dut, commands, *, stall=0.0, seed=0):
    """Run ``commands`` and check all rows. Returns cycles until the last done."""
    row_bytes = settings()["lanes"] * settings()["pixels"]
    memory = random.Random(seed).randbytes(MEMORY_BYTES)
    expected, ends = [], []
    for c in commands:
        for group in range(c["groups"]):
            for r in range(c["rows"]):
                at = c["offset"] + group * c["stride"] + r * row_bytes
                data = int.from_bytes(memory[at : at + row_bytes], "little")
                expected.append((c["row"] + group * c["row_stride"] + r) | data << 16)
        ends.append(len(expected))
    slave = AxiSlave(dut, "axi__", memory, base=BASE, latency=LATENCY, stall=stall, seed=seed)
    source = StreamSource(dut, "command", stall=stall, seed=seed)
    sink = StreamSink(dut, "o", stall=stall, seed=seed)
    dut.base.value = BASE
    tasks = [cocotb.start_soon(slave.run()), cocotb.start_soon(check_stream_rules(dut, "o"))]
    assert dut.idle.value
    began = get_sim_time("ns")
    cocotb.start_soon(source.send(*(isa.LOAD.pack(c) for c in commands)))
    receiver = cocotb.start_soon(sink.receive(len(expected)))
    dones = taken = 0
    while dones < len(commands):
        await FallingEdge(dut.clk)
        await ReadOnly()
        # A command is done in the cycle after its last row was taken, neither before nor later.
        assert bool(dut.done.value) == (taken == ends[dones])
        dones += bool(dut.done.value)
        assert not dut.idle.value or taken == 0
        taken += bool(dut.o__valid.value) and bool(dut.o__ready.value)
    cycles = (get_sim_time("ns") - began) / CLOCK_NS
    await ticks(dut, 3)
    assert dut.idle.value
    for task in tasks:
        task.cancel()

    assert await receiver == expected
    return cycles
