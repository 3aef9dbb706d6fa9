"""The row assembler starts a fresh row per group and keeps up with a beat per cycle."""

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge
from cocotb.utils import get_sim_time

from accelgen.rtl.output.row_assembler import RowAssembler
from tests.helpers.bench import bench_arch, part_test
from tests.helpers.blocks import row_assembler
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.simulate import simulate_archs
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules
from tests.helpers.words import join, split

CONFIGURATIONS = {
    "w1": {"lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single"},
    "w2": {"lanes": 8, "pixels": 8, "chain_pixels": 2},
    "all": {"lanes": 4, "pixels": 4, "chain_pixels": 4},
}


def test_row_assembler(tmp_path):
    simulate_archs(CONFIGURATIONS, row_assembler, __name__, tmp_path)


@part_test(timeout_time=300, timeout_unit="us")
async def a_beat_per_cycle(dut):
    arch = bench_arch()
    await begin(dut)

    cycles = await run_step(dut, groups=5, pixels=10 * arch.pixels)

    assert cycles == 50 * arch.pixels // arch.chain_pixels + RowAssembler.LATENCY


@part_test(timeout_time=300, timeout_unit="us")
async def groups_of_any_size_step_after_step(dut):
    await begin(dut)
    cocotb.start_soon(check_stream_rules(dut, "o"))

    for n, pixels in enumerate((1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33)):
        await run_step(dut, groups=1 + n % 4, pixels=pixels, stall=(0.0, 0.5)[n % 2])


@part_test(timeout_time=300, timeout_unit="us")
async def pairs_of_rows_in_phases(dut):
    arch = bench_arch()
    await begin(dut)
    cocotb.start_soon(check_stream_rules(dut, "o"))

    cycles = await run_step(dut, groups=3, pixels=8 * arch.pixels, phases=1)
    assert cycles == 24 * arch.pixels // arch.chain_pixels + RowAssembler.LATENCY
    for n, pixels in enumerate((1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33)):
        await run_step(dut, groups=1 + n % 4, pixels=pixels, stall=(0.0, 0.5)[n % 2], phases=1)
        await run_step(dut, groups=1, pixels=pixels)


async def begin(dut):
    await start_clock(dut, zero=["i__valid", "o__ready", "start", "pixels", "phases"])


async def run_step(dut, *, groups, pixels, stall=0.0, phases=0):
    """Returns cycles from the first beat offered to the last row delivered."""
    arch = bench_arch()
    rng = np.random.default_rng(pixels)
    width = arch.chain_pixels
    data = rng.integers(-128, 128, (groups, -(-pixels // width) * width, arch.lanes))
    dut.pixels.value = pixels
    dut.phases.value = phases
    await FallingEdge(dut.clk)
    dut.start.value = 1
    await FallingEdge(dut.clk)
    dut.start.value = 0

    beats = [join(beat, 8) for beat in data.reshape(-1, width, arch.lanes)]
    rows = -(-pixels // (arch.pixels << phases)) << phases
    began = get_sim_time("ns")
    cocotb.start_soon(StreamSource(dut, "i", stall=stall).send(*beats))
    received = await StreamSink(dut, "o", stall=stall).receive(groups * rows)
    cycles = round((get_sim_time("ns") - began) / CLOCK_NS)

    for g in range(groups):
        group = received[g * rows : (g + 1) * rows]
        got = np.stack([split(row, 8, (arch.pixels, arch.lanes)) for row in group])
        if phases:
            got = pixels_of_phases(got)
        got = got.reshape(-1, arch.lanes)
        np.testing.assert_array_equal(got[:pixels], data[g, :pixels])
    return cycles


def pixels_of_phases(written):
    """What rows (row, bank, lane) hold, when their upper halves go to the other row of the pair:
    the even pixels of a pair are in its first row, the odd ones in its second, halves swapped."""
    half = written.shape[1] // 2
    memory = written.copy()
    memory[0::2, half:], memory[1::2, half:] = written[1::2, half:], written[0::2, half:]
    memory[1::2] = np.roll(memory[1::2], half, axis=1)
    return np.stack([memory[0::2], memory[1::2]], axis=2)
