"""The feature writer addresses every row, lets vectors in between, and is done once, at the end."""

import random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb.utils import get_sim_time

from accelgen.arch import isa, limits
from accelgen.rtl.output.feature_writer import FeatureWriter
from tests.helpers.bench import bench_arch, part_test
from tests.helpers.blocks import feature_writer
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.simulate import simulate_archs
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules

CONFIGURATIONS = {
    "c4": {"lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single"},
    "c8": {"lanes": 8, "pixels": 8, "chain_pixels": 2},
}


def test_feature_writer(tmp_path):
    simulate_archs(CONFIGURATIONS, feature_writer, __name__, tmp_path)


@part_test(timeout_time=300, timeout_unit="us")
async def a_row_per_cycle(dut):
    await begin(dut)

    cycles = await run_step(dut, write=1, groups=5, rows=8)

    assert cycles == 5 * 8 + FeatureWriter.LATENCY


@part_test(timeout_time=300, timeout_unit="us")
async def rows_and_vectors_step_after_step(dut):
    await begin(dut)
    cocotb.start_soon(check_stream_rules(dut, "o"))

    for stall in (0.0, 0.5, 0.9):
        for write, squeeze in ((1, 0), (0, 1), (1, 1), (0, 0)):
            for straight in (0, 1 - squeeze):
                settings = {"write": write, "squeeze": squeeze, "straight": straight}
                await run_step(dut, **settings, groups=1, rows=1, stall=stall)
                await run_step(dut, **settings, groups=4, rows=3, stall=stall)


@part_test(timeout_time=300, timeout_unit="us")
async def takes_nothing_that_is_not_of_this_step(dut):
    await begin(dut)

    await run_step(dut, write=1, groups=2, rows=2)
    dut.i__valid.value = 1
    dut.straight__valid.value = 1
    dut.vector__valid.value = 1
    dut.o__ready.value = 1
    for _ in range(5):
        await ReadOnly()
        assert not dut.i__ready.value
        assert not dut.straight__ready.value
        assert not dut.vector__ready.value
        assert not dut.o__valid.value
        await FallingEdge(dut.clk)


async def begin(dut):
    zero = [
        "i__valid",
        "straight__valid",
        "from_straight",
        "vector__valid",
        "o__ready",
        "start",
        "step",
    ]
    await start_clock(dut, zero=zero)


async def run_step(dut, *, write, squeeze=0, straight=0, groups, rows, stall=0.0):
    """Returns cycles from the first row offered to the last write."""
    rng = random.Random(f"{write}/{squeeze}/{groups}/{rows}/{stall}")
    base, stride = rng.randrange(30000), rng.randrange(rows, 500)
    bits = 8 * bench_arch().row_bytes
    data = [rng.getrandbits(bits) for _ in range(write * groups * rows)]
    vectors = [rng.getrandbits(bits + 16) for _ in range(squeeze * groups)]
    expected = [
        base + g * stride + r | data[g * rows + r] << 16
        for g in range(write * groups)
        for r in range(rows)
    ]
    dut.step.value = isa.EXEC.pack({
        "write": write, "squeeze": squeeze, "groups": groups, "out_row": base,
        "out_stride": stride, "out_rows": rows,
    })  # fmt: skip
    dut.from_straight.value = straight
    await FallingEdge(dut.clk)
    dut.start.value = 1
    await FallingEdge(dut.clk)
    dut.start.value = 0

    times = []
    watch = cocotb.start_soon(watch_done(dut, times))
    began = get_sim_time("ns")
    cocotb.start_soon(StreamSource(dut, "straight" if straight else "i", stall=stall).send(*data))
    cocotb.start_soon(StreamSource(dut, "vector", stall=stall).send(*vectors))
    offered = await StreamSink(dut, "o", stall=stall).receive(len(expected) + len(vectors))
    written = [chosen(bits_of_offer) for bits_of_offer in offered]
    ended = get_sim_time("ns")
    for _ in range(8):
        await FallingEdge(dut.clk)
    watch.cancel()

    # Rows in order, vectors in order, in any interleaving. Of vectors lanes 0 to 3 are something.
    pixels = min(limits.SUM_BYTES, bench_arch().pixels)
    mask = (1 << 16 + 8 * pixels * bench_arch().lanes) - 1
    vectors = [v & mask for v in vectors]
    assert [w for w in written if w & mask not in vectors] == expected
    assert [w & mask for w in written if w & mask in vectors] == vectors
    assert len(times) == 1
    assert times[0] >= ended or not written
    return round((ended - began) / CLOCK_NS)


def chosen(offer):
    """Bits of layouts.row_write of those of a row_choice."""
    bits = 8 * bench_arch().row_bytes
    write, straight = offer & (1 << bits + 17) - 1, offer >> bits + 17 & (1 << bits) - 1
    from_straight, mask = offer >> 2 * bits + 17 & 1, offer >> 2 * bits + 18
    assert mask == (1 << bench_arch().pixels) - 1
    return straight << 16 | write & 0xFFFF if from_straight else write


async def watch_done(dut, times):
    """Note the times of the falling edges at which ``done`` is high."""
    while True:
        if dut.done.value:
            times.append(get_sim_time("ns"))
        await FallingEdge(dut.clk)
