"""StoreUnit before a DMA writer: every row to its place, done after the last response."""

import random

import cocotb
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb.utils import get_sim_time

from accelgen.arch import ArchParams, isa, timing
from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4
from tests.helpers.axi_slave import AxiSlave
from tests.helpers.bench import part_test, settings, ticks
from tests.helpers.blocks import dma_write, store_unit
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.simulate import simulate_all
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules

BASE = 0x0_FFFF_0000  # rows on both sides of 4 GiB
MEMORY_BYTES = 1 << 17
ROWS = 4096
LATENCY = 30
INPUTS = (
    "command__valid", "row_request__ready", "row_data__valid", "axi__awready", "axi__wready",
    "axi__bvalid", "parked__ready",
)  # fmt: skip


class StorePath(wiring.Component):
    """StoreUnit and its DmaWrite."""

    def __init__(self, arch):
        self.arch = arch
        rows = layouts.pixels(arch.lanes, arch.pixels)
        super().__init__({
            "command": In(stream.Signature(layouts.fields(isa.STORE))),
            "base": In(40),
            "row_request": Out(stream.Signature(16)),
            "row_data": In(stream.Signature(rows, always_ready=True)),
            "parked": Out(stream.Signature(layouts.beat())),
            "done": Out(1),
            "idle": Out(1),
            "axi": Out(axi4.WriteSignature()),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.unit = unit = store_unit(self.arch)
        m.submodules.dma = dma = dma_write(self.arch)
        connect(m, flipped(self.command), unit.command)
        connect(m, unit.row_request, flipped(self.row_request))
        m.d.comb += [
            unit.row_data.valid.eq(self.row_data.valid),
            unit.row_data.payload.eq(self.row_data.payload),
        ]
        connect(m, unit.request, dma.request)
        connect(m, unit.o, dma.i)
        connect(m, unit.parked, flipped(self.parked))
        connect(m, dma.axi, flipped(self.axi))
        m.d.comb += [
            dma.base.eq(self.base),
            dma.image_bytes.eq(~0),
            unit.written.eq(dma.done),
            self.done.eq(unit.done),
            self.idle.eq(unit.idle),
        ]

        return m


def test_store_unit(tmp_path):
    parts = {}
    for lanes, pixels in ((4, 4), (8, 8)):
        arch = ArchParams(
            lanes=lanes, pixels=pixels, chain_pixels=1, pe_mode="single", feature_rows=ROWS
        )
        parts[f"lanes{lanes}"] = StorePath(arch), {"lanes": lanes, "pixels": pixels}

    simulate_all(parts, __name__, tmp_path)


@part_test(timeout_time=1, timeout_unit="ms")
async def sustains_a_beat_per_cycle(dut):
    await start_clock(dut, zero=INPUTS)
    row_bytes = settings()["lanes"] * settings()["pixels"]
    size = 150 * row_bytes
    commands = [command(row_bytes, size * i, groups=3, rows=50) for i in range(4)]
    cycles = await store(dut, commands)

    beats = 4 * size // 16
    # The last response, and a few cycles between commands: the reader begins anew.
    assert cycles <= beats + LATENCY + 4 * 16, (cycles, beats)


@part_test(timeout_time=2, timeout_unit="ms")
async def places_every_row_under_stalls(dut):
    await start_clock(dut, zero=INPUTS)
    row_bytes = settings()["lanes"] * settings()["pixels"]
    rng = random.Random(1)
    for seed in range(3):
        commands, at = [], 16 * rng.randrange(20)
        for _ in range(12):
            groups, rows = rng.choice([(1, 1), (5, 1), (1, 33), (3, 7), (4, rng.randrange(1, 20))])
            commands.append(command(row_bytes, at, groups=groups, rows=rows, rng=rng))
            at += groups * commands[-1]["stride"] + 16 * rng.randrange(20)
        await store(dut, commands, stall=0.4, seed=seed)


@part_test(timeout_time=2, timeout_unit="ms")
async def gives_parked_weights_to_the_loader(dut):
    """Among transfers to DDR: every beat to its side, completions in order."""
    await start_clock(dut, zero=INPUTS)
    row_bytes = settings()["lanes"] * settings()["pixels"]
    rng = random.Random(2)
    for seed in range(3):
        commands, at = [], 0
        for _ in range(16):
            rows = rng.choice([1, 2, 7, rng.randrange(1, 40)])
            commands.append(command(row_bytes, at, groups=1, rows=rows, rng=rng))
            commands[-1]["weights"] = rng.randrange(2)
            at += commands[-1]["stride"] + 16 * rng.randrange(20)
        await store(dut, commands, stall=0.4 * (seed > 0), seed=seed)


@part_test(timeout_time=1, timeout_unit="ms")
async def sustains_a_beat_per_cycle_of_weights(dut):
    await start_clock(dut, zero=INPUTS)
    row_bytes = settings()["lanes"] * settings()["pixels"]
    commands = [command(row_bytes, 0, groups=1, rows=100) | {"weights": 1} for i in range(4)]
    cycles = await store(dut, commands)

    beats = 4 * 100 * row_bytes // 16
    assert cycles <= beats + 4 * 20, (cycles, beats)


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


async def store(dut, commands, *, stall=0.0, seed=0):
    """Run ``commands`` and check the memory. Returns cycles until the last done."""
    row_bytes = settings()["lanes"] * settings()["pixels"]
    rng = random.Random(seed)
    features = [rng.randbytes(row_bytes) for _ in range(ROWS)]
    memory = bytearray(rng.randbytes(MEMORY_BYTES))
    expected, ends, weights = bytearray(memory), [], []
    for c in commands:
        bursts = 0
        for group in range(c["groups"]):
            row, at = c["row"] + group * c["row_stride"], c["offset"] + group * c["stride"]
            data = b"".join(features[row : row + c["rows"]])
            if c.get("weights"):
                starts = range(0, len(data), 16)
                weights += [int.from_bytes(data[i : i + 16], "little") for i in starts]
                continue
            expected[at : at + len(data)] = data
            bursts += (at + len(data) - 1) // 256 - at // 256 + 1
        ends.append((ends[-1] if ends else 0) + bursts)
    slave = AxiSlave(dut, "axi__", memory, base=BASE, latency=LATENCY, stall=stall, seed=seed)
    source = StreamSource(dut, "command", stall=stall, seed=seed)
    dut.base.value = BASE
    tasks = [
        cocotb.start_soon(slave.run()),
        cocotb.start_soon(serve_rows(dut, features, random.Random(seed), stall)),
        cocotb.start_soon(check_stream_rules(dut, "row_request")),
    ]
    sink = StreamSink(dut, "parked", stall=stall, seed=seed)
    receiver = cocotb.start_soon(sink.receive(len(weights)))
    assert dut.idle.value
    began = get_sim_time("ns")
    cocotb.start_soon(source.send(*(isa.STORE.pack(c) for c in commands)))
    for end in ends:
        while not dut.done.value:
            await FallingEdge(dut.clk)
            await ReadOnly()
        assert end <= slave.responses < end + 4  # a register or two after its last response
        assert not dut.idle.value
        await FallingEdge(dut.clk)
    cycles = (get_sim_time("ns") - began) / CLOCK_NS
    await ticks(dut, 3)
    assert dut.idle.value
    assert not dut.done.value
    for task in tasks:
        task.cancel()

    assert await receiver == weights
    assert memory == expected
    return cycles


async def serve_rows(dut, features, rng, stall):
    """The feature memory's side: requests may wait, answers come at a fixed latency."""
    due = [None] * timing.FEATURE_READ_LATENCY
    while True:
        await FallingEdge(dut.clk)
        row = due.pop(0)
        dut.row_data__valid.value = row is not None
        if row is not None:
            dut.row_data__payload.value = int.from_bytes(features[row], "little")
        dut.row_request__ready.value = rng.random() >= stall
        await ReadOnly()
        asked = dut.row_request__valid.value and dut.row_request__ready.value
        due.append(int(dut.row_request__payload.value) if asked else None)
