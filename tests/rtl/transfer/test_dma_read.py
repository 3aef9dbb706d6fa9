"""DmaRead: every beat once, in order, at full rate, under stalls, none past an error, by AXI's
rules, and none from outside the image."""

import random
from itertools import product

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb.utils import get_sim_time

from accelgen.arch import ArchParams, overhead
from accelgen.arch.registers import CAUSES
from accelgen.rtl import layouts
from tests.helpers.axi_slave import BEAT_BYTES, AxiSlave, moments
from tests.helpers.bench import part_test, settings, ticks
from tests.helpers.bits import pack
from tests.helpers.blocks import dma_read
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.simulate import simulate_all
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules

BASE = 0x12_3456_0000
LATENCY = 30
INPUTS = ("request__valid", "o__ready", "axi__arready", "axi__rvalid", "stop")
IMAGE_BYTES = 1 << 15


def test_dma_read(tmp_path):
    parts = {}
    for burst, queued in product((4, 16), (True, False)):
        arch = ArchParams(burst_beats=burst, outstanding=128 // burst)
        name = f"bursts_of_{burst}" + "_queued" * queued
        parts[name] = dma_read(arch, queued=queued), {"burst": burst, "queued": queued}

    simulate_all(parts, __name__, tmp_path)


@part_test(timeout_time=1, timeout_unit="ms")
async def sustains_a_beat_per_cycle_across_requests(dut):
    await start_clock(dut, zero=INPUTS)
    requests = [(BASE + 16 * 5, 100), (BASE + 4096 - 32, 200), (BASE, 16), (BASE + 256, 64)] * 2
    cycles, slave = await read(dut, requests)

    beats = sum(n for _, n in requests)
    # Set-up of the first burst, the slave's latency, the registers and the queue behind it.
    assert cycles <= beats + LATENCY + 16, (cycles, beats)
    assert slave.most_reads <= 128 // settings()["burst"] + 2


@part_test(timeout_time=1, timeout_unit="ms")
async def gives_every_beat_under_stalls(dut):
    await start_clock(dut, zero=INPUTS)
    rng = random.Random(1)
    for seed in range(4):
        requests = random_requests(rng, 25)
        stall = 0.6 if settings()["queued"] else 0.0
        await read(
            dut, requests, stall=0.5, sink_stall=stall, latency=rng.randrange(1, 40), seed=seed
        )


@part_test(timeout_time=1, timeout_unit="ms")
async def gives_no_beat_that_came_with_an_error_and_none_behind(dut):
    await start_clock(dut, zero=INPUTS)
    bad = {BASE + 16 * 7, BASE + 16 * 39}
    faults = []
    cocotb.start_soon(watch_faults(dut, faults))
    received, expected = await collect(dut, [(BASE + 16, 50), (BASE, 3)], bad=bad, stall=0.3)

    # All before the first, and nothing behind it, though the slave has answered all of it.
    assert received == expected[:6]
    assert faults == [("read_response", at - BASE) for at in sorted(bad)]
    assert dut.idle.value


@part_test(timeout_time=1, timeout_unit="ms")
async def never_asks_for_more_than_it_has_room_for(dut):
    await start_clock(dut, zero=INPUTS)
    if not settings()["queued"]:
        return
    _, slave = await read(dut, [(BASE, 1000)], hold=400)

    assert slave.beats_before_release == 128


@part_test(timeout_time=1, timeout_unit="ms")
async def asks_for_the_next_burst_soon_after_one_has_come(dut):
    """What the estimator counts between two bursts where as many as may be are in flight."""
    await start_clock(dut, zero=INPUTS)
    if settings()["queued"]:  # its room binds sooner
        return
    seen = {}
    names = {"asked": ("arvalid", "arready"), "came": ("rvalid", "rlast")}
    ports = {name: [f"axi__{port}" for port in both] for name, both in names.items()}
    task = cocotb.start_soon(moments(dut, seen, **ports))
    _, slave = await read(dut, [(BASE, 1000)], latency=400)
    task.cancel()

    flying = slave.most_reads
    turns = [b - a for a, b in zip(seen["came"], seen["asked"][flying:], strict=False)]
    assert len(turns) > 5
    assert set(turns) == {overhead.READ_TURN_CYCLES}


async def read(
    dut, requests, *, stall=0.0, sink_stall=0.0, latency=LATENCY, seed=0, bad=(), hold=0
):
    """Run ``requests`` and check their beats. Returns cycles until the last, and the slave."""
    slave = begin(dut, latency=latency, stall=stall, seed=seed, bad=bad)
    source = StreamSource(dut, "request", stall=stall, seed=seed)
    sink = StreamSink(dut, "o", stall=sink_stall, seed=seed)
    tasks = [cocotb.start_soon(slave.run()), cocotb.start_soon(check_stream_rules(dut, "o"))]
    expected = beats_of(slave, requests)
    began = get_sim_time("ns")
    sender = cocotb.start_soon(source.send(*packed(requests)))
    await ticks(dut, hold)
    slave.beats_before_release = sum(n for _, n in slave.reads)
    received = await sink.receive(len(expected))
    cycles = (get_sim_time("ns") - began) / CLOCK_NS
    await ticks(dut, 5)
    assert not dut.o__valid.value
    assert sender.done()
    for task in tasks:
        task.cancel()

    assert received == expected
    return cycles, slave


def begin(dut, **options):
    """The slave, with an image of random bytes, and the settings that say where it is."""
    memory = bytearray(random.Random(options.get("seed", 0)).randbytes(IMAGE_BYTES))
    dut.base.value, dut.image_bytes.value = BASE, IMAGE_BYTES
    burst = settings()["burst"]
    return AxiSlave(dut, "axi__", memory, base=BASE, burst_beats=burst, **options)


def packed(requests):
    layout = layouts.dma_request()
    return [pack(layout, {"offset": a - BASE, "beats": n}) for a, n in requests]


def beats_of(slave, requests):
    """The beats in memory of ``requests``."""
    return [
        int.from_bytes(slave.memory[at : at + BEAT_BYTES], "little")
        for address, beats in requests
        for at in range(address - BASE, address - BASE + beats * BEAT_BYTES, BEAT_BYTES)
    ]


async def collect(dut, requests, *, stop_at=None, cycles=600, sink_stall=0.0, **options):
    """Run ``requests`` for so many cycles, with ``stop`` from cycle ``stop_at`` on. Returns what
    came out, and what should have without a fault."""
    slave = begin(dut, latency=LATENCY, **options)
    tasks = [cocotb.start_soon(slave.run())]
    sink = StreamSink(dut, "o", stall=sink_stall)
    received = []

    async def take():
        while True:
            received.extend(await sink.receive(1))
            sink.ready.value = 1

    tasks.append(cocotb.start_soon(take()))
    tasks.append(cocotb.start_soon(StreamSource(dut, "request").send(*packed(requests))))
    for cycle in range(cycles):
        if cycle == stop_at:
            dut.stop.value = 1
            asked = len(slave.reads) + int(dut.axi__arvalid.value)
        await ticks(dut, 1)
    for task in tasks:
        task.cancel()
    if stop_at is not None:
        # What was valid when stop came has been taken and answered, and nothing after it.
        assert len(slave.reads) == asked
    return received, beats_of(slave, [r for r in requests if r[0] - BASE < IMAGE_BYTES])


@part_test(timeout_time=3, timeout_unit="ms")
async def stops_when_told_and_answers_for_what_it_asked(dut):
    """Idle not before the last beat that was asked for has come, whenever the stop."""
    for stop_at in range(2, 120, 7):
        await start_clock(dut, zero=INPUTS)
        idle = cocotb.start_soon(idle_only_when_answered(dut))
        received, expected = await collect(
            dut, [(BASE, 1000)], stop_at=stop_at, stall=0.5, seed=stop_at
        )
        idle.cancel()
        assert dut.idle.value
        assert received == expected[: len(received)]
        assert len(received) < 1000


@part_test(timeout_time=2, timeout_unit="ms")
async def nothing_outside_the_image_is_asked_for(dut):
    """Up to its very last beat, and not one burst behind it; nor anything that comes later."""
    size = settings()["burst"] * BEAT_BYTES
    last = IMAGE_BYTES - size
    for offset, beats, inside in (
        (last, size // 16, True), (last + 16, size // 16 - 1, True), (last + 16, size // 16, False),
        (IMAGE_BYTES, 1, False), (1 << 31, 3, False), (0xFFFF_FFF0, 5, False), (last, 0, False),
    ):  # fmt: skip
        await start_clock(dut, zero=INPUTS)
        faults = []
        watching = cocotb.start_soon(watch_faults(dut, faults))
        # The slave fails the bench when an address is outside.
        await collect(dut, [(BASE + offset, beats), (BASE, 4)], cycles=150)
        watching.cancel()
        outside = IMAGE_BYTES if offset < IMAGE_BYTES else offset
        assert set(faults) == (set() if inside else {("outside", outside)})


async def idle_only_when_answered(dut):
    """``idle`` as a count of bursts says, once addresses have ended."""
    flying = 0
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        if dut.stop.value and (dut.axi__arvalid.value or flying):
            assert not dut.idle.value
        flying += bool(dut.axi__arvalid.value) and bool(dut.axi__arready.value)
        flying -= bool(dut.axi__rvalid.value) and bool(dut.axi__rlast.value)


def random_requests(rng, count):
    requests = []
    for _ in range(count):
        beats = rng.choice([1, 2, 3, 15, 16, 17, rng.randrange(1, 300)])
        requests.append((BASE + 16 * rng.randrange(2048 - beats + 1), beats))
    return requests


async def watch_faults(dut, faults):
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        fault = int(dut.fault.value)
        if fault & 1:
            names = {number: name for name, (number, _) in CAUSES.items()}
            faults.append((names[fault >> 1 & 7], fault >> 4))
