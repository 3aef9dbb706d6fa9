"""The squeeze sums exactly the group's pixels, and requantizes as golden.arith does or leaves the
sums."""

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, Timer, with_timeout
from cocotb.utils import get_sim_time

from accelgen.arch import isa, limits, timing
from accelgen.golden.arith import requantize
from tests.helpers.bench import bench_arch, part_test
from tests.helpers.blocks import squeeze
from tests.helpers.clock import CLOCK_NS, start_clock
from tests.helpers.simulate import simulate_archs
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules
from tests.helpers.words import join, split

CONFIGURATIONS = {
    "w1": {"lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single"},
    "w2": {"lanes": 8, "pixels": 8, "chain_pixels": 2},
    "all": {"lanes": 4, "pixels": 4, "chain_pixels": 4},
}
MAX_MULTIPLIER = (1 << 17) - 1


def test_squeeze(tmp_path):
    simulate_archs(CONFIGURATIONS, squeeze, __name__, tmp_path)


@part_test(timeout_time=300, timeout_unit="us")
async def pixels_pass_in_the_same_cycle(dut):
    arch = bench_arch()
    await begin(dut)
    pixels = 10 * arch.pixels * arch.chain_pixels

    for squeezed in (0, 1):
        cycles = await run_step(dut, groups=3, pixels=pixels, squeeze=squeezed)

        assert cycles == 3 * pixels // arch.chain_pixels


@part_test(timeout_time=300, timeout_unit="us")
async def groups_of_any_size_step_after_step(dut):
    rng = np.random.default_rng(1)
    await begin(dut)
    cocotb.start_soon(check_stream_rules(dut, "o"))
    cocotb.start_soon(check_stream_rules(dut, "vector"))

    for n, pixels in enumerate((1, 2, 3, 5, 8, 9, 15, 16, 17, 33, 49)):
        shift = int(rng.integers(17, 25))
        await run_step(
            dut, groups=1 + n % 4, pixels=pixels, stall=(0.0, 0.5, 0.8)[n % 3],
            write=int(n % 3 != 1), squeeze=int(n % 5 != 3), shift=shift,
            multiplier=(1 << shift) // pixels & MAX_MULTIPLIER, zero=int(rng.integers(-128, 128)),
            bias=-pixels * int(rng.integers(-128, 128)),
        )  # fmt: skip


@part_test(timeout_time=300, timeout_unit="us")
async def a_group_takes_as_long_as_its_vector_at_least(dut):
    await begin(dut)

    cycles = await run_step(dut, groups=5, pixels=1)

    assert cycles == 1 + 4 * timing.squeeze_interval(bench_arch().lanes)


@part_test(timeout_time=300, timeout_unit="us")
async def extremes(dut):
    await begin(dut)

    for value in (-128, 127):
        for shift in (1, 2, 17, 33, 47):
            for multiplier in (0, 1, MAX_MULTIPLIER):
                for bias in (0, (1 << 25) - 1, -(1 << 25)):
                    await run_step(
                        dut, groups=1, pixels=17, value=value, shift=shift, bias=bias,
                        multiplier=multiplier, zero=(-128, 127)[shift % 2],
                    )  # fmt: skip


@part_test(timeout_time=300, timeout_unit="us")
async def sums_leave_byte_by_byte(dut):
    """Between steps that round, under stalls, at the ends, and the sum of several bands."""
    rng = np.random.default_rng(3)
    await begin(dut)
    cocotb.start_soon(check_stream_rules(dut, "vector"))

    for n, pixels in enumerate((1, 2, 7, 16, 33, 49, 300)):
        for shift in (0, 17):
            await run_step(
                dut, groups=1 + n % 4, pixels=pixels, stall=(0.0, 0.5, 0.8)[n % 3], shift=shift,
                write=int(n % 3 != 1), bias=int(rng.integers(-9, 9)),
            )  # fmt: skip
    for value in (-128, 127):
        await run_step(dut, groups=2, pixels=520, value=value, shift=0)
    sums = await run_step(dut, groups=3, pixels=40, squeeze=0, resume=0)
    await run_step(dut, groups=3, pixels=25, shift=0, resume=sums)


@part_test(timeout_time=300, timeout_unit="us")
async def sums_go_on_from_band_to_band(dut):
    rng = np.random.default_rng(2)
    await begin(dut)

    for groups, bands in ((1, 2), (3, 4), (32, 3)):
        sums = 0
        for band in range(bands):
            sums = await run_step(
                dut, groups=groups, pixels=int(rng.integers(1, 40)), bias=-7, shift=18,
                stall=(0.0, 0.5)[band % 2], squeeze=int(band == bands - 1), resume=sums,
            )  # fmt: skip
        await run_step(dut, groups=groups, pixels=9)


@part_test(timeout_time=2, timeout_unit="ms")
async def kept_sums_reach_their_extremes(dut):
    """All the pixels that fit."""
    await begin(dut)

    for value in (-128, 127):
        sums = 0
        for band in range(24):
            pixels = 2731 if band else 2
            sums = await run_step(
                dut, groups=1, pixels=pixels, value=value, squeeze=int(band == 23), shift=25,
                multiplier=1 << 8, resume=sums, held=0 < band < 23,
            )  # fmt: skip


async def begin(dut):
    zero = ["i__valid", "o__ready", "vector__ready", "start", "step"]
    await start_clock(dut, zero=zero)


async def run_step(
    dut, *, groups, pixels, write=1, squeeze=1, stall=0.0, value=None, bias=0, multiplier=1 << 12,
    shift=18, zero=0, resume=None, held=False,
):  # fmt: skip
    """Returns cycles from the first beat offered to the last one that passed; with ``resume``, sums
    that the step goes on from (0: it begins), the sums. With ``held``, equal beats are offered
    without looking at what passes."""
    arch = bench_arch()
    rng = np.random.default_rng(pixels)
    width = arch.chain_pixels
    beats = -(-pixels // width)
    row, stride = int(rng.integers(30000)), int(rng.integers(1, 500))
    x = rng.integers(-128, 128, (groups, beats * width, arch.lanes))
    if value is not None:
        x[:] = value
    sums = x[:, :pixels].sum(1) + (0 if resume is None else resume)
    if shift:
        vectors = requantize(sums, bias, multiplier, shift, zero)[:, None]
    else:
        vectors = np.stack([sums >> 8 * k for k in range(limits.SUM_BYTES)], 1).astype(np.int8)
    dut.step.value = isa.EXEC.pack({
        "groups": groups, "out_pixels": pixels, "write": write, "squeeze": squeeze,
        "squeeze_resume": int(np.ndim(resume) > 0), "squeeze_bias": bias,
        "squeeze_row": row, "squeeze_stride": stride,
        "squeeze_multiplier": multiplier, "squeeze_shift": shift, "squeeze_zero": zero,
    })  # fmt: skip
    await FallingEdge(dut.clk)
    dut.start.value = 1
    await FallingEdge(dut.clk)
    dut.start.value = 0

    stimulus = [join(beat, 8) for beat in x.reshape(-1, width, arch.lanes)]
    if held:
        await hold(dut, stimulus)
        return sums
    began = get_sim_time("ns")
    sent = cocotb.start_soon(StreamSource(dut, "i", stall=stall).send(*stimulus))
    sink = StreamSink(dut, "vector", stall=stall)
    squeezed = cocotb.start_soon(sink.receive(groups * squeeze))
    passed = await StreamSink(dut, "o", stall=stall).receive(groups * beats * write)
    cycles = round((get_sim_time("ns") - began) / CLOCK_NS)
    await sent
    squeezed = await with_timeout(squeezed, 10, "us")
    for _ in range(3):  # the step is static until its last row is written
        await FallingEdge(dut.clk)

    assert passed == stimulus * write
    for g, number in enumerate(squeezed):
        assert number & 0xFFFF == row + g * stride
        data = split(number >> 16, 8, (arch.pixels, arch.lanes))
        np.testing.assert_array_equal(data[: len(vectors[g])], vectors[g], f"group {g}")
        assert not data[limits.SUM_BYTES :].any()
    return cycles if resume is None else sums


async def hold(dut, stimulus):
    """Offer equal beats for as many cycles as they need, in few events; what was not taken is not
    in the sums."""
    assert len(set(stimulus)) == 1
    dut.i__payload.value, dut.i__valid.value, dut.o__ready.value = stimulus[0], 1, 1
    await Timer((len(stimulus) - 1) * CLOCK_NS + 1, "ns")
    await FallingEdge(dut.clk)
    dut.i__valid.value, dut.o__ready.value = 0, 0
    for _ in range(3):
        await FallingEdge(dut.clk)
