"""The accumulator queue delivers every kept lane in order, without bubbles, and its credits."""

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, ReadOnly

from accelgen.rtl.requantize.acc_queue import AccQueue
from tests.helpers.bench import bench_arch, part_test
from tests.helpers.blocks import acc_queue
from tests.helpers.clock import start_clock
from tests.helpers.pumped import BesideQueue
from tests.helpers.simulate import simulate_archs
from tests.helpers.streams import check_stream_rules
from tests.helpers.words import join, split

CONFIGURATIONS = {
    "w1": {
        "lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single", "acc_bits": 32,
        "acc_depth": 8,
    },
    "w2": {"lanes": 8, "pixels": 8, "chain_pixels": 2, "acc_bits": 27},
    "double": {
        "lanes": 4, "pixels": 16, "chain_pixels": 4, "pe_mode": "double", "acc_bits": 27,
    },
    "double2": {
        "lanes": 4, "pixels": 16, "chain_pixels": 8, "pe_mode": "double", "acc_bits": 27,
        "acc_depth": 32,
    },
    "all": {"lanes": 4, "pixels": 4, "chain_pixels": 4, "acc_bits": 27, "acc_depth": 8},
    "drain": {"lanes": 4, "pixels": 8, "chain_pixels": 1, "drain_pixels": 4, "pe_mode": "single"},
    "drain_double": {
        "lanes": 4, "pixels": 16, "chain_pixels": 4, "drain_pixels": 8, "pe_mode": "double",
        "acc_bits": 27,
    },
}  # fmt: skip


def engine_of(arch):
    return BesideQueue(arch, acc_queue(arch)) if arch.pumped else acc_queue(arch)


def test_acc_queue(tmp_path):
    simulate_archs(CONFIGURATIONS, engine_of, __name__, tmp_path)


@part_test(timeout_time=300, timeout_unit="us")
async def a_beat_per_cycle_when_all_lanes_are_kept(dut):
    arch = bench_arch()
    beats = arch.pixels // arch.chain_pixels
    keeps = [(1 << arch.pixels) - 1] * 50

    cycles = await run_vectors(dut, keeps)

    # Latency of the first beat, one cycle per beat, and nothing else.
    assert cycles == latency_of(arch) + 50 * beats


@part_test(timeout_time=300, timeout_unit="us")
async def beats_without_kept_lanes_cost_nothing(dut):
    arch = bench_arch()
    one = [1 << (n % arch.pixels) for n in range(50)]

    cycles = await run_vectors(dut, one)

    assert cycles == latency_of(arch) + 50


@part_test(timeout_time=300, timeout_unit="us")
async def vectors_without_kept_lanes_give_their_credit_back(dut):
    arch = bench_arch()
    keeps = [0] * 40 + [1] + [0] * 3 * arch.acc_depth + [1 << (arch.pixels - 1)]

    await run_vectors(dut, keeps)


@part_test(timeout_time=300, timeout_unit="us")
async def wide_beats_hold_more_lanes(dut):
    arch = bench_arch()
    width = arch.array_width
    rng = np.random.default_rng(6)
    cocotb.start_soon(check_stream_rules(dut, "o"))

    cycles = await run_vectors(dut, [(1 << arch.pixels) - 1] * 50, width=width)
    one = await run_vectors(dut, [1 << (n % arch.pixels) for n in range(50)], width=width)
    keeps = rng.integers(1 << arch.pixels, size=150).tolist()
    await run_vectors(dut, keeps, width=width, gap=0.3, stall=0.5)

    assert cycles == latency_of(arch) + 50 * arch.pixels // width
    assert one == latency_of(arch) + 50


@part_test(timeout_time=300, timeout_unit="us")
async def delivers_in_order_under_stalls(dut):
    arch = bench_arch()
    rng = np.random.default_rng(4)
    keeps = rng.integers(1 << arch.pixels, size=150).tolist()
    cocotb.start_soon(check_stream_rules(dut, "o"))

    await run_vectors(dut, keeps, gap=0.3, stall=0.5)


def latency_of(arch):
    return AccQueue.LATENCY + (BesideQueue.LATENCY if arch.pumped else 0)


@part_test(timeout_time=300, timeout_unit="us")
async def the_next_steps_vectors_are_held_and_those_before_are_dropped(dut):
    arch = bench_arch()
    full, count = (1 << arch.pixels) - 1, arch.acc_depth
    # Steps 0 and 1: pixels, then vectors without any, which may be left when step 2 begins.
    steps = [(full, 0), (full, 0), (0, 0), (full, 1), (0, 1), (full, 2)]
    vectors = [(0xA0 + n, keep, tag) for n, (keep, tag) in enumerate(steps)]
    await start_clock(dut, zero=["i__valid"])
    dut.wide.value, dut.o__ready.value = 0, 1
    beats = arch.pixels // arch.chain_pixels
    seen, credits = 0, 0

    async def cycles(number):
        nonlocal seen, credits
        for _ in range(number):
            await ReadOnly()
            seen += int(dut.o__valid.value)
            credits += int(dut.credit.value)
            await FallingEdge(dut.clk)

    dut.held.value = 1
    total = arch.acc_bits * arch.lanes * arch.pixels
    assert len(vectors) <= count
    for acc, keep, tag in vectors:
        dut.i__valid.value = 1
        dut.i__payload.value = acc | (keep | tag << arch.pixels) << total
        await cycles(1)
    dut.i__valid.value = 0
    await cycles(8 * beats + 40)
    assert (seen, credits) == (2 * beats, 3)  # step 1 is held, and what stands behind it
    dut.held.value = 2
    await cycles(8 * beats + 40)
    assert (seen, credits) == (3 * beats, 5)
    dut.held.value = 3
    await cycles(8 * beats + 40)
    assert (seen, credits) == (4 * beats, 6)


async def run_vectors(dut, keeps, *, width=None, gap=0.0, stall=0.0):
    """Send vectors as credits allow, take beats, compare. Returns cycles up to the last beat."""
    arch = bench_arch()
    rng = np.random.default_rng(5)
    lanes, bits = arch.lanes, arch.acc_bits
    width, most = width or arch.chain_pixels, arch.array_width
    vectors = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (len(keeps), arch.pixels, lanes))
    expected = [
        (vector[at : at + width], kept)
        for vector, keep in zip(vectors, keeps, strict=True)
        for at in range(0, arch.pixels, width)
        if (kept := keep >> at & ((1 << width) - 1))
    ]
    await start_clock(dut, zero=["i__valid", "o__ready"])
    dut.held.value = 3  # all are of step 0
    dut.wide.value = width > arch.chain_pixels

    credits, sent, got, cycle, ended = arch.acc_depth, 0, [], 0, 0
    while len(got) < len(expected) or credits < arch.acc_depth:
        send = sent < len(keeps) and credits > 0 and rng.random() >= gap
        dut.i__valid.value = send
        if send:
            total = bits * lanes * arch.pixels
            dut.i__payload.value = join(vectors[sent], bits) | keeps[sent] << total
            sent, credits = sent + 1, credits - 1
        dut.o__ready.value = bool(rng.random() >= stall)
        await ReadOnly()
        cycle += 1
        if dut.o__valid.value and dut.o__ready.value:
            got.append(int(dut.o__payload.value))
            ended = cycle
        credits += int(dut.credit.value)
        assert credits <= arch.acc_depth
        assert cycle < 20 * len(keeps) * arch.pixels, "stuck"
        await FallingEdge(dut.clk)

    for payload, (acc, keep) in zip(got, expected, strict=True):
        np.testing.assert_array_equal(split(payload, bits, acc.shape), acc)
        assert payload >> (bits * lanes * most) == keep | keep.bit_count() << most
    return ended
