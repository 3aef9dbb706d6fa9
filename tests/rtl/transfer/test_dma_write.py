"""DmaWrite: every beat to its place, at full rate, under stalls, by AXI's rules, none outside the
image, and no byte after a stop."""

import random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb.utils import get_sim_time

from accelgen.arch import ArchParams, overhead
from accelgen.arch.registers import CAUSES
from accelgen.rtl import layouts
from tests.helpers.axi_slave import BEAT_BYTES, AxiSlave, moments
from tests.helpers.bench import part_test, settings, ticks
from tests.helpers.bits import pack
from tests.helpers.blocks import dma_write
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.simulate import simulate_all
from tests.helpers.streams import StreamSource

BASE = 0x12_3456_0000
LATENCY = 30
INPUTS = ("request__valid", "i__valid", "axi__awready", "axi__wready", "axi__bvalid",
          "stop")  # fmt: skip
MEMORY_BYTES = 1 << 15


def test_dma_write(tmp_path):
    parts = {}
    for burst in (4, 16):
        arch = ArchParams(burst_beats=burst, outstanding=128 // burst)
        parts[f"bursts_of_{burst}"] = dma_write(arch), {"burst": burst}

    simulate_all(parts, __name__, tmp_path)


@part_test(timeout_time=1, timeout_unit="ms")
async def sustains_a_beat_per_cycle_across_requests(dut):
    await start_clock(dut, zero=INPUTS)
    requests = [(BASE + 16 * 5, 100), (BASE + 4096 - 32, 200), (BASE, 16), (BASE + 0x4000, 64)]
    cycles, slave = await write(dut, requests)

    beats = sum(n for _, n in requests)
    # Set-up of the first burst, the last one's response, and the registers around it.
    assert cycles <= beats + LATENCY + 12, (cycles, beats)
    assert slave.most_writes > 1


@part_test(timeout_time=1, timeout_unit="ms")
async def writes_every_beat_under_stalls(dut):
    await start_clock(dut, zero=INPUTS)
    rng = random.Random(2)
    for seed in range(4):
        requests, at = [], 0
        while at < MEMORY_BYTES // 16 - 300:
            at += rng.randrange(20)
            beats = rng.choice([1, 2, 3, 15, 16, 17, rng.randrange(1, 250)])
            requests.append((BASE + 16 * at, beats))
            at += beats
        latency = rng.randrange(1, 40)
        await write(dut, requests, stall=0.5, latency=latency, seed=seed, write_first=seed == 3)


@part_test(timeout_time=1, timeout_unit="ms")
async def sends_addresses_ahead_of_the_data(dut):
    await start_clock(dut, zero=INPUTS)
    _, slave = await write(dut, [(BASE, 500)], hold=100)

    assert slave.writes_before_release == 128 // settings()["burst"] + 1


@part_test(timeout_time=1, timeout_unit="ms")
async def reports_where_a_burst_with_an_error_begins(dut):
    await start_clock(dut, zero=INPUTS)
    size = settings()["burst"] * BEAT_BYTES
    bad = {BASE + 16, BASE + size}
    faults = []
    cocotb.start_soon(watch_faults(dut, faults))
    await write(dut, [(BASE + 16, 50), (BASE + 0x4000, 3)], bad=bad, stall=0.3)

    assert faults == [("write_response", at - BASE) for at in sorted(bad)]


@part_test(timeout_time=3, timeout_unit="ms")
async def stops_when_told_and_writes_not_a_byte_more(dut):
    """Bursts announced are completed with all strobes low, also when no data comes any more."""
    for stop_at in range(1, 90, 4):
        await start_clock(dut, zero=INPUTS)
        slave, sent = await stopped(dut, stop_at, data=stop_at % 3)
        assert dut.idle.value
        assert slave.responses == len(slave.writes) > 0
        assert sum(beats for _, beats in slave.writes) == sent + slave.dropped
        assert slave.memory[: 16 * sent] == b"\xab" * (16 * sent)
        assert not any(slave.memory[16 * sent :])


@part_test(timeout_time=1, timeout_unit="ms")
async def nothing_outside_the_image_is_announced(dut):
    size = settings()["burst"] * BEAT_BYTES
    for offset, beats, inside in (
        (MEMORY_BYTES - size, size // 16, True), (MEMORY_BYTES - size, size // 16 + 1, False),
        (MEMORY_BYTES, 1, False), (0xFFFF_FFF0, 5, False),
    ):  # fmt: skip
        await start_clock(dut, zero=INPUTS)
        faults = []
        watching = cocotb.start_soon(watch_faults(dut, faults))
        slave = AxiSlave(dut, "axi__", bytearray(MEMORY_BYTES), base=BASE)
        dut.base.value, dut.image_bytes.value = BASE, MEMORY_BYTES
        task = cocotb.start_soon(slave.run())
        cocotb.start_soon(StreamSource(dut, "request").send(*packed([(BASE + offset, beats)])))
        dut.i__valid.value = 1
        await ticks(dut, 100)
        task.cancel()
        watching.cancel()
        outside = max(offset, MEMORY_BYTES)
        assert set(faults) == (set() if inside else {("outside", outside)})


@part_test(timeout_time=1, timeout_unit="ms")
async def announces_the_next_burst_soon_after_one_is_answered(dut):
    """What the estimator counts between two bursts where as many as may be are unanswered."""
    await start_clock(dut, zero=INPUTS)
    seen = {}
    names = {"asked": ("awvalid", "awready"), "answered": ("bvalid",)}
    ports = {name: [f"axi__{port}" for port in some] for name, some in names.items()}
    task = cocotb.start_soon(moments(dut, seen, **ports))
    _, slave = await write(dut, [(BASE, 1000)], latency=400)
    task.cancel()

    flying = slave.most_writes
    turns = [b - a for a, b in zip(seen["answered"], seen["asked"][flying:], strict=False)]
    assert len(turns) > 5
    assert set(turns) == {overhead.WRITE_TURN_CYCLES}


async def stopped(dut, stop_at, *, data):
    """Writes of 0xab with a stop; ``data`` 0: none ever comes. Returns slave, beats taken."""
    slave = AxiSlave(
        dut, "axi__", bytearray(MEMORY_BYTES), base=BASE, latency=LATENCY, stall=0.4, seed=stop_at,
        burst_beats=settings()["burst"],
    )  # fmt: skip
    dut.base.value, dut.image_bytes.value = BASE, MEMORY_BYTES
    taken = []
    tasks = [cocotb.start_soon(slave.run()), cocotb.start_soon(count_beats(dut, taken))]
    tasks.append(cocotb.start_soon(StreamSource(dut, "request").send(*packed([(BASE, 1000)]))))
    dut.i__payload.value = int.from_bytes(b"\xab" * 16, "little")
    dut.i__valid.value = bool(data)
    while not (slave.writes and stop_at <= slave.cycle):
        await ticks(dut, 1)
    dut.stop.value = 1
    slave.may_drop = True
    # A beat that is valid keeps its strobes.
    await ReadOnly()
    announced = len(slave.writes) + int(dut.axi__awvalid.value)
    for _ in range(400):
        await ticks(dut, 1)
        await ReadOnly()
        if dut.axi__awvalid.value or slave.responses < len(slave.writes):
            assert not dut.idle.value
    await ticks(dut, 1)
    assert len(slave.writes) == announced
    for task in tasks:
        task.cancel()
    return slave, len(taken)


async def count_beats(dut, taken):
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        if dut.i__valid.value and dut.i__ready.value:
            taken.append(1)


def packed(requests):
    layout = layouts.dma_request()
    return [pack(layout, {"offset": a - BASE, "beats": n}) for a, n in requests]


async def write(dut, requests, *, stall=0.0, latency=LATENCY, seed=0, bad=(), hold=0, **slave):
    """Run ``requests`` and check the memory. Returns cycles until the last done, and the slave."""
    rng = random.Random(seed)
    memory = bytearray(rng.randbytes(MEMORY_BYTES))
    expected = bytearray(memory)
    slave = AxiSlave(
        dut, "axi__", memory, base=BASE, latency=latency, stall=stall, seed=seed, bad=bad,
        burst_beats=settings()["burst"], **slave,
    )  # fmt: skip
    beats = []
    for address, count in requests:
        data = rng.randbytes(count * BEAT_BYTES)
        expected[address - BASE : address - BASE + len(data)] = data
        beats += [
            int.from_bytes(data[at : at + BEAT_BYTES], "little")
            for at in range(0, len(data), BEAT_BYTES)
        ]
    requester = StreamSource(dut, "request", stall=stall, seed=seed)
    source = StreamSource(dut, "i", stall=stall, seed=seed)
    dut.base.value, dut.image_bytes.value = BASE, MEMORY_BYTES
    task = cocotb.start_soon(slave.run())
    began = get_sim_time("ns")
    cocotb.start_soon(requester.send(*packed(requests)))
    await ticks(dut, hold)
    slave.writes_before_release = len(slave.writes)
    cocotb.start_soon(source.send(*beats))
    ends = []
    for address, count in requests:
        ends.append((ends[-1] if ends else 0) + 1 + (address + 16 * count - 1) // slave.burst_bytes
                    - address // slave.burst_bytes)  # fmt: skip
    done = 0
    while done < len(requests):
        await FallingEdge(dut.clk)
        await ReadOnly()
        if dut.done.value:
            # Not before the response of the request's last burst.
            assert slave.responses >= ends[done]
            done += 1
    cycles = (get_sim_time("ns") - began) / CLOCK_NS
    await ticks(dut, 5)
    assert not dut.done.value
    task.cancel()

    assert memory == expected
    return cycles, slave


async def watch_faults(dut, faults):
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        fault = int(dut.fault.value)
        if fault & 1:
            names = {number: name for name, (number, _) in CAUSES.items()}
            faults.append((names[fault >> 1 & 7], fault >> 4))
