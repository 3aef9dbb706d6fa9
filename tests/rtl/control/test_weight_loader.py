"""WeightLoader behind a DMA reader: each beat to its engine, full rate, tables by their banks."""

import random

import cocotb
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb.utils import get_sim_time

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4
from tests.helpers.axi_slave import AxiSlave
from tests.helpers.bench import part_test, settings, ticks
from tests.helpers.blocks import dma_read, weight_loader
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.simulate import simulate_all
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules

BASE = 0x0_FFFF_F000  # crosses 4 GiB
LATENCY = 30
OUTPUTS = ("table1", "table2", "params1", "params2", "taps", "weights")
INPUTS = (
    "command__valid", "parked__valid", "start", "execs_done", "axi__arready", "axi__rvalid",
    *(f"{name}__ready" for name in OUTPUTS),
)  # fmt: skip


class WeightPath(wiring.Component):
    """WeightLoader and its DmaRead."""

    def __init__(self, arch):
        self.arch = arch
        shapes = {
            "table1": layouts.table_write(),
            "table2": layouts.table_write(),
            "params1": layouts.channel_param(),
            "params2": layouts.channel_param(),
            "taps": layouts.tap(arch.lanes),
            "weights": layouts.weight_word(arch.lanes),
        }
        super().__init__({
            "command": In(stream.Signature(layouts.fields(isa.WEIGHTS))),
            "base": In(40),
            "start": In(1),
            "execs_done": In(16),
            "parked": In(stream.Signature(layouts.beat())),
            "idle": Out(1),
            "axi": Out(axi4.ReadSignature()),
            **{name: Out(stream.Signature(shape)) for name, shape in shapes.items()},
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.loader = loader = weight_loader(self.arch)
        m.submodules.dma = dma = dma_read(self.arch, queued=False)
        for name in ("command", "parked", *OUTPUTS):
            ours, theirs = flipped(getattr(self, name)), getattr(loader, name)
            connect(m, ours, theirs)
        connect(m, loader.request, dma.request)
        connect(m, dma.o, loader.i)
        connect(m, dma.axi, flipped(self.axi))
        m.d.comb += [
            dma.base.eq(self.base),
            dma.image_bytes.eq(~0),
            loader.start.eq(self.start),
            loader.execs_done.eq(self.execs_done),
            self.idle.eq(loader.idle),
        ]

        return m


def test_weight_loader(tmp_path):
    parts = {
        f"lanes{lanes}": (WeightPath(make_arch(lanes)), {"lanes": lanes}) for lanes in (4, 8, 16)
    }

    simulate_all(parts, __name__, tmp_path)


def make_arch(lanes):
    return ArchParams(lanes=lanes, pixels=8, chain_pixels=1, pe_mode="single")


@part_test(timeout_time=2, timeout_unit="ms")
async def moves_weights_at_a_beat_per_cycle(dut):
    """Many small steps with weights only between them: the worst case that must not leave gaps."""
    await start_clock(dut, zero=INPUTS)
    words = max(4, 64 // make_arch(settings()["lanes"]).weight_word_beats)
    steps = [
        {"groups": 4, "params1": 1, "params2": i % 2, "taps": 9 * (i % 2), "weight_words": words}
        for i in range(6)
    ]
    cycles, beats = await run(dut, steps)

    # Per step, the end mark costs a cycle; the first beat comes after the slave's latency.
    assert cycles <= beats + LATENCY + 24 + len(steps), (cycles, beats)


@part_test(timeout_time=2, timeout_unit="ms")
async def routes_everything_under_stalls(dut):
    await start_clock(dut, zero=INPUTS)
    rng = random.Random(1)
    for seed in range(3):
        steps = [random_step(rng) for _ in range(12)]
        await run(dut, steps, stall=0.4, seed=seed, execs=len(steps))


@part_test(timeout_time=2, timeout_unit="ms")
async def takes_parked_runs_among_others(dut):
    await start_clock(dut, zero=INPUTS)
    rng = random.Random(2)
    for seed in range(4):
        steps = [random_step(rng) | {"parked": rng.randrange(2)} for _ in range(12)]
        await run(dut, steps, stall=0.4 * (seed > 0), seed=seed, execs=len(steps))


@part_test(timeout_time=2, timeout_unit="ms")
async def moves_parked_weights_at_a_beat_per_cycle(dut):
    await start_clock(dut, zero=INPUTS)
    step = {"groups": 4, "params1": 1, "weight_words": 64, "parked": 1}
    cycles, beats = await run(dut, [step] * 4)

    assert cycles <= beats + 4 * make_arch(settings()["lanes"]).row_beats + 24, (cycles, beats)


@part_test(timeout_time=1, timeout_unit="ms")
async def holds_tables_until_their_bank_is_free(dut):
    """Step n's tables wait for n - 3 completed steps; what stands before them does not."""
    await start_clock(dut, zero=INPUTS)
    step = {"table1": 1, "params1": 1, "groups": 1, "weight_words": 1}
    written = []
    cocotb.start_soon(count_tables(dut, written))
    running = cocotb.start_soon(run(dut, [step] * 7, execs=0))
    for execs in range(4):
        await ticks(dut, 300)
        assert len(written) == 16 * (execs + 4)
        dut.execs_done.value = execs + 1
    await running

    assert len(written) == 16 * 7


@part_test(timeout_time=1, timeout_unit="ms")
async def counts_steps_anew_after_start(dut):
    await start_clock(dut, zero=INPUTS)
    step = {"table2": 1, "params2": 1, "groups": 1, "taps": 9}
    await run(dut, [step] * 4, execs=3)
    written = []
    cocotb.start_soon(count_tables(dut, written))
    running = cocotb.start_soon(run(dut, [step] * 5, execs=0))
    await ticks(dut, 300)
    assert len(written) == 64
    dut.execs_done.value = 1
    await running


def random_step(rng):
    """Any mixture of sections, at least one of them there."""
    lanes = settings()["lanes"]
    step = {
        "groups": rng.randrange(1, 5),
        "table1": rng.randrange(2),
        "table2": rng.randrange(2),
        "params1": rng.randrange(2),
        "params2": rng.randrange(2),
        "taps": rng.choice([0, 1, 9, 25]),
        "weight_words": rng.choice([0, 1, 2, rng.randrange(3, 200 // lanes)]),
    }
    if not any(step[name] for name in step if name != "groups"):
        step["params2"] = 1
    return step


def lay_out(steps, rng):
    """Commands, image, and what each output must give. Each step begins anywhere, after a gap."""
    arch = make_arch(settings()["lanes"])
    lanes = arch.lanes
    image, commands = bytearray(), []
    expected = {name: [] for name in OUTPUTS}
    for number, step in enumerate(steps):
        image += rng.randbytes(16 * rng.randrange(20))
        fields = {"table1": 0, "table2": 0, "params1": 0, "params2": 0, "taps": 0}
        fields |= {"weight_words": 0, **step, "table_bank": number % 4, "offset": len(image)}
        fields["tap_beats"] = -(-fields["taps"] * lanes // 16)
        for name in ("table1", "table2"):
            for index in range(16 * fields[name]):
                data = rng.randbytes(16)
                image += data
                word = int.from_bytes(data, "little")
                expected[name].append(number % 4 | index << 2 | word << 6)
        for _ in range(fields["groups"]):
            for name in ("params1", "params2"):
                for _ in range(lanes * fields[name]):
                    data = rng.randbytes(8)
                    image += data
                    expected[name].append(int.from_bytes(data, "little"))
            for _ in range(fields["taps"]):
                data = rng.randbytes(lanes)
                image += data
                expected["taps"].append(
                    sum((b | (b & 128) << 1) << 9 * lane for lane, b in enumerate(data))
                )
            image += rng.randbytes(-fields["taps"] * lanes % 16)
            for _ in range(fields["weight_words"]):
                data = rng.randbytes(arch.weight_word_bytes)
                image += data
                expected["weights"].append(int.from_bytes(data, "little"))
        fields["beats"] = (len(image) - fields["offset"]) // 16
        commands.append(fields)
    return commands, image, expected


def parked_beats(commands, image):
    """Beats of the parked runs, each in whole rows: garbage behind the last."""
    row_beats = make_arch(settings()["lanes"]).row_beats
    beats = []
    for c in commands:
        if c.get("parked"):
            run = image[c["offset"] :][: 16 * c["beats"]] + b"\xaa" * 16 * (-c["beats"] % row_beats)
            beats += [int.from_bytes(run[i : i + 16], "little") for i in range(0, len(run), 16)]
    return beats


async def run(dut, steps, *, stall=0.0, seed=0, execs=100):
    """Run WEIGHTS commands and check all outputs. Returns cycles until the last, and beats."""
    commands, image, expected = lay_out(steps, random.Random(seed))
    slave = AxiSlave(dut, "axi__", image, base=BASE, latency=LATENCY, stall=stall, seed=seed)
    source = StreamSource(dut, "command", stall=stall, seed=seed)
    parked = StreamSource(dut, "parked", stall=stall, seed=seed)
    dut.base.value = BASE
    dut.execs_done.value = execs
    dut.start.value = 1
    await ticks(dut, 1)
    dut.start.value = 0
    tasks = [cocotb.start_soon(slave.run())]
    tasks += [cocotb.start_soon(check_stream_rules(dut, name)) for name in OUTPUTS]
    began = get_sim_time("ns")
    cocotb.start_soon(source.send(*(isa.WEIGHTS.pack(c) for c in commands)))
    feeding = cocotb.start_soon(parked.send(*parked_beats(commands, image)))
    receivers = {
        name: cocotb.start_soon(StreamSink(dut, name, stall=stall, seed=seed).receive(len(values)))
        for name, values in expected.items()
    }
    received = {name: await receiver for name, receiver in receivers.items()}
    await feeding
    cycles = (get_sim_time("ns") - began) / CLOCK_NS
    await ticks(dut, 5)
    for task in tasks:
        task.cancel()
    for name in OUTPUTS:
        assert received[name] == expected[name], name
        assert not getattr(dut, f"{name}__valid").value, name
    assert dut.idle.value
    assert sum(beats for _, beats in slave.reads) == sum(
        c["beats"] for c in commands if not c.get("parked")
    )
    return cycles, sum(c["beats"] for c in commands)


async def count_tables(dut, written):
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        for name in ("table1", "table2"):
            stream = (getattr(dut, f"{name}__{part}").value for part in ("valid", "ready"))
            if all(stream):
                written.append(name)
