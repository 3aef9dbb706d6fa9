"""DmaWrite: every beat to its place, at full rate, under stalls, past errors, by AXI's rules."""

import random

import cocotb
import pytest
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb.utils import get_sim_time

from accelgen.arch import ArchParams
from accelgen.rtl import layouts
from accelgen.rtl.memory.dma_write import DmaWrite
from tests.helpers.axi_slave import BEAT_BYTES, AxiSlave
from tests.helpers.bench import settings, ticks
from tests.helpers.bits import pack
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.simulate import simulate
from tests.helpers.streams import StreamSource

BASE = 0x12_3456_0000
LATENCY = 30
INPUTS = ("request__valid", "i__valid", "axi__awready", "axi__wready", "axi__bvalid")
MEMORY_BYTES = 1 << 15


@pytest.mark.parametrize("burst_beats", [4, 16])
def test_dma_write(burst_beats, tmp_path):
    arch = ArchParams(burst_beats=burst_beats, outstanding=128 // burst_beats)
    simulate(DmaWrite(arch), __name__, tmp_path, burst=burst_beats)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def sustains_a_beat_per_cycle_across_requests(dut):
    await start_clock(dut, zero=INPUTS)
    requests = [(BASE + 16 * 5, 100), (BASE + 4096 - 32, 200), (BASE, 16), (BASE + 0x4000, 64)]
    cycles, slave = await write(dut, requests)

    beats = sum(n for _, n in requests)
    # Set-up of the first burst, the last one's response, and the registers around it.
    assert cycles <= beats + LATENCY + 12, (cycles, beats)
    assert slave.most_writes > 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
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


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def sends_addresses_ahead_of_the_data(dut):
    await start_clock(dut, zero=INPUTS)
    _, slave = await write(dut, [(BASE, 500)], hold=100)

    assert slave.writes_before_release == 128 // settings()["burst"] + 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reports_the_address_of_an_error_and_goes_on(dut):
    await start_clock(dut, zero=INPUTS)
    size = settings()["burst"] * BEAT_BYTES
    bad = {BASE + 16, BASE + size}
    faults = []
    cocotb.start_soon(watch_faults(dut, faults))
    await write(dut, [(BASE + 16, 50), (BASE + 0x4000, 3)], bad=bad, stall=0.3)

    assert faults == sorted(bad)


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
    task = cocotb.start_soon(slave.run())
    layout = layouts.dma_request()
    payloads = [pack(layout, {"address": a, "beats": n}) for a, n in requests]
    began = get_sim_time("ns")
    cocotb.start_soon(requester.send(*payloads))
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
            faults.append(fault >> 1)
