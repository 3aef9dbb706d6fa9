"""The row cutter hands out a group's beats and no others, and keeps up with a beat per cycle."""

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge
from cocotb.utils import get_sim_time

from tests.helpers.bench import bench_arch, part_test
from tests.helpers.blocks import row_cutter
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.simulate import simulate_archs
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules
from tests.helpers.words import join, split

CONFIGURATIONS = {
    "w1": {"lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single"},
    "w2": {"lanes": 8, "pixels": 8, "chain_pixels": 2},
    "all": {"lanes": 4, "pixels": 4, "chain_pixels": 4},
}


def test_row_cutter(tmp_path):
    simulate_archs(CONFIGURATIONS, row_cutter, __name__, tmp_path)


@part_test(timeout_time=300, timeout_unit="us")
async def a_beat_per_cycle(dut):
    arch = bench_arch()
    await begin(dut)

    cycles = await run_step(dut, groups=5, pixels=10 * arch.pixels)

    assert cycles == 50 * arch.pixels // arch.chain_pixels


@part_test(timeout_time=300, timeout_unit="us")
async def groups_of_any_size_step_after_step(dut):
    await begin(dut)
    cocotb.start_soon(check_stream_rules(dut, "o"))

    for n, pixels in enumerate((1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33)):
        await run_step(dut, groups=1 + n % 4, pixels=pixels, stall=(0.0, 0.5)[n % 2])


async def begin(dut):
    await start_clock(dut, zero=["i__valid", "o__ready", "start", "pixels"])


async def run_step(dut, *, groups, pixels, stall=0.0):
    """Returns cycles from the first row offered to the last beat delivered."""
    arch = bench_arch()
    rng = np.random.default_rng(pixels)
    width = arch.chain_pixels
    rows, beats = -(-pixels // arch.pixels), -(-pixels // width)
    data = rng.integers(-128, 128, (groups, rows, arch.pixels, arch.lanes))
    dut.pixels.value = pixels
    await FallingEdge(dut.clk)
    dut.start.value = 1
    await FallingEdge(dut.clk)
    dut.start.value = 0

    stimulus = [join(row, 8) for row in data.reshape(-1, arch.pixels, arch.lanes)]
    began = get_sim_time("ns")
    cocotb.start_soon(StreamSource(dut, "i", stall=stall).send(*stimulus))
    received = await StreamSink(dut, "o", stall=stall).receive(groups * beats)
    cycles = round((get_sim_time("ns") - began) / CLOCK_NS)

    for g, group in enumerate(data.reshape(groups, -1, arch.lanes)):
        got = [
            split(beat, 8, (width, arch.lanes)) for beat in received[g * beats : (g + 1) * beats]
        ]
        np.testing.assert_array_equal(np.concatenate(got)[:pixels], group[:pixels])
    # Every row was taken.
    await FallingEdge(dut.clk)
    assert not dut.i__valid.value
    return cycles
