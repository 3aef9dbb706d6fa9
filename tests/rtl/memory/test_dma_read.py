"""DmaRead: every beat once, in order, at full rate, under stalls, past errors, by AXI's rules."""

import random

import cocotb
import pytest
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb.utils import get_sim_time

from accelgen.arch import ArchParams
from accelgen.rtl import layouts
from accelgen.rtl.memory.dma_read import DmaRead
from tests.helpers.axi_slave import BEAT_BYTES, AxiSlave
from tests.helpers.bench import settings, ticks
from tests.helpers.bits import pack
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.simulate import simulate
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules

BASE = 0x12_3456_0000
LATENCY = 30
INPUTS = ("request__valid", "o__ready", "axi__arready", "axi__rvalid")


@pytest.mark.parametrize("burst_beats", [4, 16])
@pytest.mark.parametrize("queued", [True, False])
def test_dma_read(burst_beats, queued, tmp_path):
    arch = ArchParams(burst_beats=burst_beats, outstanding=128 // burst_beats)
    simulate(DmaRead(arch, queued=queued), __name__, tmp_path, burst=burst_beats, queued=queued)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def sustains_a_beat_per_cycle_across_requests(dut):
    await start_clock(dut, zero=INPUTS)
    requests = [(BASE + 16 * 5, 100), (BASE + 4096 - 32, 200), (BASE, 16), (BASE + 256, 64)] * 2
    cycles, slave = await read(dut, requests)

    beats = sum(n for _, n in requests)
    # Set-up of the first burst, the slave's latency, the registers and the queue behind it.
    assert cycles <= beats + LATENCY + 16, (cycles, beats)
    assert slave.most_reads <= 128 // settings()["burst"] + 2


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def gives_every_beat_under_stalls(dut):
    await start_clock(dut, zero=INPUTS)
    rng = random.Random(1)
    for seed in range(4):
        requests = random_requests(rng, 25)
        stall = 0.6 if settings()["queued"] else 0.0
        await read(
            dut, requests, stall=0.5, sink_stall=stall, latency=rng.randrange(1, 40), seed=seed
        )


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reports_the_address_of_an_error_and_goes_on(dut):
    await start_clock(dut, zero=INPUTS)
    bad = {BASE + 16 * 7, BASE + 16 * 39}
    faults = []
    cocotb.start_soon(watch_faults(dut, faults))
    await read(dut, [(BASE + 16, 50), (BASE, 3)], bad=bad, stall=0.3)

    assert faults == sorted(bad)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def never_asks_for_more_than_it_has_room_for(dut):
    await start_clock(dut, zero=INPUTS)
    if not settings()["queued"]:
        return
    _, slave = await read(dut, [(BASE, 1000)], hold=400)

    assert slave.beats_before_release == 128


async def read(
    dut, requests, *, stall=0.0, sink_stall=0.0, latency=LATENCY, seed=0, bad=(), hold=0
):
    """Run ``requests`` and check their beats. Returns cycles until the last, and the slave."""
    memory = bytearray(random.Random(seed).randbytes(1 << 15))
    slave = AxiSlave(
        dut, "axi__", memory, base=BASE, latency=latency, stall=stall, seed=seed, bad=bad,
        burst_beats=settings()["burst"],
    )  # fmt: skip
    source = StreamSource(dut, "request", stall=stall, seed=seed)
    sink = StreamSink(dut, "o", stall=sink_stall, seed=seed)
    tasks = [cocotb.start_soon(slave.run()), cocotb.start_soon(check_stream_rules(dut, "o"))]
    layout = layouts.dma_request()
    payloads = [pack(layout, {"address": a, "beats": n}) for a, n in requests]
    expected = [
        int.from_bytes(memory[at : at + BEAT_BYTES], "little")
        for address, beats in requests
        for at in range(address - BASE, address - BASE + beats * BEAT_BYTES, BEAT_BYTES)
    ]
    began = get_sim_time("ns")
    sender = cocotb.start_soon(source.send(*payloads))
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
            faults.append(fault >> 1)
