"""The adder matches QAdd's formula, pairs each pixel with its residual, and lets pixels pass."""

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge
from cocotb.utils import get_sim_time

from accelgen.arch import isa, timing
from accelgen.rtl.output.adder import QUEUE_DEPTH
from tests.helpers.bench import bench_arch, part_test
from tests.helpers.blocks import adder
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.pumped import Pumped
from tests.helpers.simulate import simulate_archs
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules
from tests.helpers.words import join, split

CONFIGURATIONS = {
    "w1": {"lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single"},
    "w2": {"lanes": 8, "pixels": 8, "chain_pixels": 2},
    "all": {"lanes": 4, "pixels": 4, "chain_pixels": 4},
    "double": {"lanes": 4, "pixels": 8, "chain_pixels": 4, "pe_mode": "double"},
}
CONFIGURATIONS |= {
    f"{name}_in_luts": {**CONFIGURATIONS[name], "adder_in": "lut"} for name in ("w2", "double")
}
PLAIN = {"shift": 8, "offset": 128, "zero": 0, "low": -128, "high": 127}


def engine_of(arch):
    return Pumped(adder(arch)) if arch.pumped else adder(arch)


def test_adder(tmp_path):
    simulate_archs(CONFIGURATIONS, engine_of, __name__, tmp_path)


@part_test(timeout_time=300, timeout_unit="us")
async def a_beat_per_cycle(dut):
    arch = bench_arch()
    await begin(dut)
    pixels = 10 * arch.pixels

    added = await run_step(dut, groups=3, pixels=pixels, multiplier_a=90, multiplier_b=170, **PLAIN)
    passed = await run_step(dut, groups=3, pixels=pixels, add=0)

    beats = 3 * pixels // arch.chain_pixels
    interval = timing.add_interval(arch.pumped)
    assert added == (beats - 1) * interval + 1 + timing.add_latency(arch.pumped)
    assert passed == beats + timing.PASS_LATENCY


@part_test(timeout_time=300, timeout_unit="us")
async def groups_of_any_size_step_after_step(dut):
    rng = np.random.default_rng(1)
    await begin(dut)
    cocotb.start_soon(check_stream_rules(dut, "o"))

    for n, pixels in enumerate((1, 2, 3, 5, 8, 9, 15, 16, 17, 33)):
        shift = int(rng.integers(1, 20))
        await run_step(
            dut, groups=1 + n % 3, pixels=pixels, stall=(0.0, 0.5)[n % 2], add=int(n % 4 != 3),
            multiplier_a=int(rng.integers(-1 << shift, 1 << shift) // 2 ** max(0, shift - 17)),
            multiplier_b=int(rng.integers(-1 << shift, 1 << shift) // 2 ** max(0, shift - 17)),
            offset=int(rng.integers(-100, 100) << shift), shift=shift,
            zero=int(rng.integers(-128, 128)), low=-128, high=127,
        )  # fmt: skip


@part_test(timeout_time=300, timeout_unit="us")
async def a_full_queue_lets_no_residual_in(dut):
    """The beat that finds the queue full is the last of its row."""
    beats = 3
    assert QUEUE_DEPTH % beats == beats - 1
    await begin(dut)

    await run_step(
        dut, groups=20, pixels=beats * bench_arch().chain_pixels, hold=200,
        multiplier_a=90, multiplier_b=170, **PLAIN,
    )  # fmt: skip


@part_test(timeout_time=300, timeout_unit="us")
async def a_step_that_passes_takes_no_residual(dut):
    await begin(dut)
    dut.residual__valid.value = 1
    passing = cocotb.start_soon(residual_is_left(dut))

    await run_step(dut, groups=2, pixels=5 * bench_arch().pixels, add=0)

    passing.cancel()
    dut.residual__valid.value = 0


async def residual_is_left(dut):
    while True:
        await FallingEdge(dut.clk)
        assert not dut.residual__ready.value


@part_test(timeout_time=300, timeout_unit="us")
async def extremes_saturate_at_both_ends(dut):
    await begin(dut)
    most = (1 << 17) - 1

    for a, b in [(most, most), (-most - 1, -most - 1), (most, -most - 1), (0, 0), (1, -1)]:
        for offset in (-(1 << 31), (1 << 31) - 1, 0):
            for shift in (1, 15, 16, 24, 31):
                await run_step(
                    dut, groups=1, pixels=8, multiplier_a=a, multiplier_b=b, offset=offset,
                    shift=shift, zero=(-128, 127)[shift % 2], low=-128, high=127,
                )  # fmt: skip
    for low, high in [(5, 60), (-60, -5), (-128, -128), (127, 127)]:
        await run_step(
            dut, groups=1, pixels=40, multiplier_a=200, multiplier_b=200, offset=128, shift=8,
            zero=3, low=low, high=high,
        )  # fmt: skip


async def begin(dut):
    zero = ["i__valid", "residual__valid", "o__ready", "start", "step"]
    await start_clock(dut, zero=zero)


async def run_step(dut, *, groups, pixels, add=1, stall=0.0, hold=0, **fields):
    """Returns cycles from the first beat offered to the last one delivered.

    Nothing is taken for the first ``hold`` of them.
    """
    arch = bench_arch()
    rng = np.random.default_rng(pixels)
    width = arch.chain_pixels
    beats, rows = -(-pixels // width), -(-pixels // arch.pixels)
    a = rng.choice([-128, -1, 0, 127, 77], (groups, beats * width, arch.lanes))
    b = rng.integers(-128, 128, (groups, rows * arch.pixels, arch.lanes))
    b[:, ::3] = rng.choice([-128, 127], b[:, ::3].shape)
    expected = a[:, :pixels]
    if add:
        sums = expected * fields["multiplier_a"] + b[:, :pixels] * fields["multiplier_b"]
        y = ((sums + fields["offset"]) >> fields["shift"]) + fields["zero"]
        expected = np.clip(y, fields["low"], fields["high"])
    step = {f"add_{name}": value for name, value in fields.items()}
    dut.step.value = isa.EXEC.pack({"add": add, "groups": groups, "out_pixels": pixels, **step})
    await FallingEdge(dut.clk)
    dut.start.value = 1
    await FallingEdge(dut.clk)
    dut.start.value = 0

    residual = [join(row, 8) for row in b.reshape(-1, arch.pixels, arch.lanes)]
    stimulus = [join(beat, 8) for beat in a.reshape(-1, width, arch.lanes)]
    began = get_sim_time("ns")
    if add:
        cocotb.start_soon(StreamSource(dut, "residual", stall=stall).send(*residual))
    cocotb.start_soon(StreamSource(dut, "i", stall=stall).send(*stimulus))
    for _ in range(hold):
        await FallingEdge(dut.clk)
    received = await StreamSink(dut, "o", stall=stall).receive(groups * beats)
    cycles = round((get_sim_time("ns") - began) / CLOCK_NS)

    for g in range(groups):
        group = received[g * beats : (g + 1) * beats]
        got = np.concatenate([split(beat, 8, (width, arch.lanes)) for beat in group])
        np.testing.assert_array_equal(got[:pixels], expected[g], f"group {g}, {fields}")
    # Every residual row was taken, also one that was not used up.
    assert not add or not dut.residual__valid.value
    return cycles
