"""The requantizer matches golden.arith bit for bit, at full rate, under stalls, step after step."""

from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb.utils import get_sim_time

from accelgen.arch import isa, timing
from accelgen.golden.arith import requantize
from accelgen.rtl.requantize.activation_table import WORDS
from tests.helpers.bench import bench_arch, part_test
from tests.helpers.blocks import requantizer
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.pumped import BesideRequantizer
from tests.helpers.simulate import simulate_archs
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules
from tests.helpers.words import join, split

CONFIGURATIONS = {
    "w1": {"lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single", "acc_bits": 32},
    "w2": {"lanes": 8, "pixels": 8, "chain_pixels": 2, "acc_bits": 27},
    "w4": {"lanes": 4, "pixels": 4, "chain_pixels": 4, "acc_bits": 27},
    "w8": {"lanes": 4, "pixels": 8, "chain_pixels": 8, "acc_bits": 27},
    "double": {"lanes": 4, "pixels": 8, "chain_pixels": 4, "acc_bits": 27, "pe_mode": "double"},
}
MAX_MULTIPLIER = (1 << 17) - 1


def engine_of(arch):
    return BesideRequantizer(arch, requantizer(arch)) if arch.pumped else requantizer(arch)


def test_requantizer(tmp_path):
    simulate_archs(CONFIGURATIONS, engine_of, __name__, tmp_path)


@part_test(timeout_time=300, timeout_unit="us")
async def a_beat_per_cycle_also_between_groups(dut):
    arch = bench_arch()
    rng = np.random.default_rng(1)
    beats = 2 * arch.lanes + 3
    step = random_step(rng, groups=4, pixels=beats * arch.chain_pixels, dense=True)
    await begin(dut)

    cycles = await run_step(dut, step, wait=WORDS)

    queue = BesideRequantizer.LATENCY if arch.pumped else 0
    assert cycles == 4 * beats - 1 + timing.requantize_latency(arch.pumped) + queue


@part_test(timeout_time=300, timeout_unit="us")
async def a_group_with_holes_is_packed(dut):
    rng = np.random.default_rng(2)
    await begin(dut)

    for pixels in (1, 2, 3, 5, 8, 31):
        await run_step(dut, random_step(rng, groups=5, pixels=pixels))


@part_test(timeout_time=300, timeout_unit="us")
async def matches_under_stalls_step_after_step(dut):
    rng = np.random.default_rng(3)
    await begin(dut)
    cocotb.start_soon(check_stream_rules(dut, "o"))

    for n in range(12):
        step = random_step(rng, groups=int(rng.integers(1, 5)), pixels=int(rng.integers(1, 40)))
        await run_step(dut, step, stall=(0.0, 0.3, 0.7)[n % 3])


@part_test(timeout_time=300, timeout_unit="us")
async def a_table_that_comes_late_is_waited_for(dut):
    rng = np.random.default_rng(6)
    await begin(dut)

    for late in (1, 5, 40, 200, 3, 100):
        step = random_step(rng, groups=2, pixels=9)
        step.config["table"] = 1
        await run_step(dut, step, late=late)


@part_test(timeout_time=300, timeout_unit="us")
async def a_table_nobody_used_is_not_taken_for_the_next(dut):
    rng = np.random.default_rng(7)
    await begin(dut)

    for table, late in ((0, 0), (1, 60), (0, 0), (0, 0), (1, 60)):
        step = random_step(rng, groups=1, pixels=5)
        step.config["table"], step.bank = table, 0
        await run_step(dut, step, late=late)


@part_test(timeout_time=300, timeout_unit="us")
async def extremes_saturate_at_both_ends_or_wrap(dut):
    rng = np.random.default_rng(4)
    bits = bench_arch().acc_bits
    top = (1 << (bits - 1)) - 1
    accs = [-top - 1, -top, -129, -128, -2, -1, 0, 1, 2, 127, 128, 255, 256, 511, 512, top - 1, top]
    await begin(dut)

    limits = [(0, -128, 127), (-128, -128, 127), (127, -128, 127), (5, 5, 60)]
    for zero, low, high in [*limits, (0, 127, -128), (0, -128, 127), (-9, 60, 59)]:
        step = random_step(rng, groups=24, pixels=16, zero=zero, low=low, high=high)
        shape = step.shift.shape
        step.bias[:] = 0
        step.shift[:] = rng.choice([1, 2, 3, 16, 17, 18, 32, 33, 34, 46, 47], shape)
        step.multiplier[:] = rng.choice([0, 1, 2, MAX_MULTIPLIER - 1, MAX_MULTIPLIER], shape)
        for group in step.beats:
            for n, (acc, keep) in enumerate(group):
                group[n] = (rng.choice(accs, acc.shape), keep)
        await run_step(dut, step)


@part_test(timeout_time=300, timeout_unit="us")
async def every_shift_rounds_half_up(dut):
    rng = np.random.default_rng(5)
    lanes = bench_arch().lanes
    await begin(dut)
    groups = -(-47 // lanes)
    step = random_step(rng, groups=groups, pixels=40, zero=3)
    step.shift[:] = (np.arange(groups * lanes) % 47 + 1).reshape(groups, lanes)
    step.bias[:] = 0
    step.multiplier[:] = 1 << np.clip(step.shift - 4, 0, 16)
    for g, group in enumerate(step.beats):
        for n, (acc, keep) in enumerate(group):
            # Halves and their neighbours: odd multiples of half a step of the result, +- 1.
            half = np.maximum(1 << (step.shift[g] - 1), step.multiplier[g]) // step.multiplier[g]
            near = rng.integers(-40, 40, acc.shape) * half + rng.integers(-1, 2, acc.shape)
            limit = (1 << (bench_arch().acc_bits - 1)) - 1
            group[n] = (np.clip(near, -limit, limit), keep)

    await run_step(dut, step)


# Stimulus and reference.


@dataclass
class Step:
    """One step: parameters [group, lane], beats [group][n] of (acc [W, C], keep [W])."""

    config: dict
    bank: int
    table: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    beats: list

    def expected(self):
        """Pixels [group, pixel, lane] by the golden model."""
        groups = []
        for g, group in enumerate(self.beats):
            acc = np.concatenate([acc[keep] for acc, keep in group])
            y = requantize(
                acc, self.bias[g], self.multiplier[g], self.shift[g],
                self.config["zero"], self.config["low"], self.config["high"],
            ).astype(np.int64)  # fmt: skip
            groups.append(self.table[y + 128] if self.config["table"] else y)
        return np.array(groups)


def random_step(rng, *, groups, pixels, dense=False, zero=None, low=-128, high=127):
    """Random parameters; ``acc + bias`` fits; most results are not saturated."""
    arch = bench_arch()
    shape = (groups, arch.lanes)
    limit = 1 << (arch.acc_bits - 2)
    multiplier = rng.integers(1, MAX_MULTIPLIER + 1, shape)
    magnitude = rng.integers(4, arch.acc_bits - 1, shape)
    # Results of about 8 bits: magnitude + bits of the multiplier - 8.
    shift = np.clip(magnitude + np.log2(multiplier).astype(int) - rng.integers(5, 9, shape), 1, 47)
    step = Step(
        config={
            "zero": int(rng.integers(-128, 128)) if zero is None else zero,
            "low": low, "high": high, "table": int(rng.integers(2)), "pixels": pixels,
        },
        bank=int(rng.integers(4)),
        table=rng.integers(-128, 128, 256),
        bias=rng.integers(-limit, limit, shape) >> rng.integers(0, arch.acc_bits - 2, shape),
        multiplier=multiplier, shift=shift, beats=[],
    )  # fmt: skip
    for g in range(groups):
        step.beats.append([])
        todo = pixels
        while todo:
            width = arch.chain_pixels
            acc = rng.integers(-limit, limit, (width, arch.lanes))
            acc >>= np.maximum(0, arch.acc_bits - 2 - magnitude[g])
            keep = np.full(width, True) if dense else rng.random(width) < 0.6
            keep[rng.integers(width)] = True
            keep &= np.cumsum(keep) <= todo
            todo -= int(keep.sum())
            step.beats[-1].append((acc, keep))
    return step


# Bench.


async def begin(dut):
    await start_clock(
        dut, zero=["params__valid", "table__valid", "i__valid", "o__ready", "start", "config"]
    )


async def run_step(dut, step, *, stall=0.0, wait=0, late=0):
    """Run a step and compare. Returns cycles from the first beat taken to the last delivered.

    Beats come ``wait`` cycles after the start, the table before it, or ``late`` cycles behind.
    """
    arch = bench_arch()
    width, lanes = arch.chain_pixels, arch.lanes
    if not late:
        await write_table(dut, step.bank, step.table)
    dut.config.value = isa.REQUANT.pack(step.config)
    dut.table_bank.value = step.bank
    params = [
        int(b) & 0xFFFFFFFF | int(m) << 32 | int(s) << 49
        for b, m, s in zip(step.bias.flat, step.multiplier.flat, step.shift.flat, strict=True)
    ]
    cocotb.start_soon(StreamSource(dut, "params", stall=stall).send(*params))
    for _ in range(2 * lanes + 2):
        await FallingEdge(dut.clk)
    dut.start.value = 1
    await FallingEdge(dut.clk)
    dut.start.value = 0

    acc_bits = arch.acc_bits * lanes * width
    beats = [
        join(acc, arch.acc_bits) | join(keep, 1) << acc_bits | int(keep.sum()) << acc_bits + width
        for group in step.beats
        for acc, keep in group
    ]
    per_group = -(-step.config["pixels"] // width)
    for _ in range(wait):
        await FallingEdge(dut.clk)
    other = cocotb.start_soon(write_tables(dut, step, late))
    cocotb.start_soon(StreamSource(dut, "i", stall=stall).send(*beats))
    first = cocotb.start_soon(time_of(dut, "i"))
    received = await StreamSink(dut, "o", stall=stall).receive(per_group * len(step.beats))
    ended = get_sim_time("ns")
    await other

    for g, expected in enumerate(step.expected()):
        group = received[g * per_group : (g + 1) * per_group]
        got = np.concatenate([split(beat, 8, (width, lanes)) for beat in group])
        np.testing.assert_array_equal(got[: len(expected)], expected, f"group {g}")
    return round((ended - first.result()) / CLOCK_NS) - 1


async def time_of(dut, name):
    """Time of the first transfer of a stream."""
    while True:
        await ReadOnly()
        if getattr(dut, f"{name}__valid").value and getattr(dut, f"{name}__ready").value:
            return get_sim_time("ns")
        await FallingEdge(dut.clk)


async def write_tables(dut, step, late):
    """The step's table, if it is late, else another into another bank."""
    for _ in range(late):
        await FallingEdge(dut.clk)
    if late:
        await write_table(dut, step.bank, step.table)
    else:
        await write_table(dut, step.bank ^ 2, step.table[::-1])


async def write_table(dut, bank, table):
    beats = [
        bank | index << 2 | join(table[16 * index :][:16], 8) << 6
        for index in range(len(table) // 16)
    ]
    await StreamSource(dut, "table").send(*beats)
    dut.table__valid.value = 0
