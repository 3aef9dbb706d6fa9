"""Woven rows go to every other column and line of a map, a write per cycle, and nowhere else."""

import random

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge
from cocotb.utils import get_sim_time

from accelgen.arch import isa
from accelgen.program.commands import Exec, record_fields
from accelgen.program.weave import weave_unit, woven, woven_words
from tests.helpers.bench import bench_arch, part_test
from tests.helpers.blocks import feature_writer
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.simulate import simulate_archs
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules

CONFIGURATIONS = {
    "c8p2": {"lanes": 8, "pixels": 2, "chain_pixels": 1},
    "c4p4": {"lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single"},
    "c8p8": {"lanes": 8, "pixels": 8, "chain_pixels": 2},
    "c4p16": {"lanes": 4, "pixels": 16, "chain_pixels": 2, "pe_mode": "single"},
    "c4p32": {"lanes": 4, "pixels": 32, "chain_pixels": 2, "pe_mode": "single"},
}


def test_weaver(tmp_path):
    simulate_archs(CONFIGURATIONS, feature_writer, __name__, tmp_path)


@part_test(timeout_time=2000, timeout_unit="us")
async def writes_every_other_pixel_and_no_other(dut):
    await begin(dut)
    cocotb.start_soon(check_stream_rules(dut, "o"))
    rng = random.Random(1)
    pixels = bench_arch().pixels
    for stall in (0.0, 0.5):
        for number in range(16):
            factor = rng.choice(((1, 2), (2, 2)))
            width = weave_unit(factor, pixels) * rng.randrange(1, 9)
            width = width if number % 4 else pixels * rng.randrange(1, 3)
            lines = rng.randrange(1, 5)
            place = rng.randrange(factor[0]), rng.randrange(2)
            await weave_one(dut, rng, factor, width, lines, place, stall)


@part_test(timeout_time=500, timeout_unit="us")
async def a_write_per_cycle(dut):
    await begin(dut)
    pixels = bench_arch().pixels

    cycles = await weave_one(dut, random.Random(2), (2, 2), 4 * pixels, 3, (1, 0), 0.0)

    # A cycle for each row, two for its writes; and the writer's.
    assert cycles == 2 * 3 * 2 * 3 + 1


async def begin(dut):
    streams = [f"{name}__valid" for name in ("i", "straight", "vector")]
    zero = [*streams, "from_straight", "o__ready", "start", "step"]
    await start_clock(dut, zero=zero)


async def weave_one(dut, rng, factor, width, lines, place, stall):
    """Returns cycles from the first row offered to the last write."""
    arch, groups = bench_arch(), 2
    pixels, bits = arch.pixels, 8 * arch.lanes
    made = lines * width // 2
    rows = -(-made // pixels)
    height = -(-lines * factor[0] * width // pixels)
    base = rng.randrange(3000)
    command = Exec(write=True, groups=groups, out_row=base, out_stride=height, out_pixels=made)
    command = woven(command, place, factor, width, pixels)
    values = [[rng.getrandbits(bits) for _ in range(rows * pixels)] for _ in range(groups)]
    at = woven_words(np.arange(made), command, pixels)
    expected = {
        (base + g * height) * pixels + int(word): values[g][n]
        for g in range(groups)
        for n, word in enumerate(at)
    }
    fields = record_fields(command)
    dut.step.value = isa.EXEC.pack({
        k: v for k, v in fields.items() if isinstance(v, int) and not k.startswith("wait")
    })  # fmt: skip
    dut.from_straight.value = 1
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.start.value = 1
    await FallingEdge(dut.clk)
    dut.start.value = 0
    data = [
        sum(value << bits * n for n, value in enumerate(group[r * pixels : (r + 1) * pixels]))
        for group in values
        for r in range(rows)
    ]
    began = get_sim_time("ns")
    cocotb.start_soon(StreamSource(dut, "straight", stall=stall).send(*data))
    count = groups * command.out_rows
    offered = await StreamSink(dut, "o", stall=stall).receive(count)
    cycles = round((get_sim_time("ns") - began) / CLOCK_NS)
    for _ in range(8):
        await FallingEdge(dut.clk)
    assert not dut.o__valid.value

    written = {}
    for offer in offered:
        for word, value in writes(offer, pixels, bits):
            assert word not in written
            written[word] = value
    # Past a group's last pixel a row that is not cut short has anything.
    ends = {(base + g * height) * pixels + factor[0] * lines * width for g in range(groups)}
    past = {
        w for w in written if any(end <= w < end + pixels for end in ends) and w not in expected
    }
    assert {w: v for w, v in written.items() if w not in past} == expected
    return cycles


def writes(offer, pixels, bits):
    """(word, value) of what a row_choice writes."""
    straight, mask = offer >> pixels * bits + 17, offer >> 2 * pixels * bits + 18
    row = offer & 0xFFFF
    return [
        (row * pixels + n, straight >> n * bits & (1 << bits) - 1)
        for n in range(pixels)
        if mask >> n & 1
    ]
