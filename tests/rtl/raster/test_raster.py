"""Raster makes the beats of the definition, one per cycle."""

import numpy as np
import pytest

from accelgen.arch import timing
from accelgen.program.encode import field_values
from accelgen.program.raster import Walk, make_raster
from accelgen.rtl.raster.raster import Raster
from accelgen.simulation import functional_raster
from tests.helpers.rasters import Geometry, random_geometry, raster_fields, walk
from tests.helpers.testbench import run_testbenches

CORNERS = [
    Geometry(height=1, width=1),
    Geometry(height=1, width=1, kernel=(3, 3), pads=(1, 1, 1, 1)),
    Geometry(height=3, width=3, joined=True),
    Geometry(height=7, width=7, kernel=(3, 3), pads=(1, 1, 1, 1), joined=True, pad_value=-128),
    Geometry(height=7, width=7, kernel=(3, 3), pads=(1, 1, 1, 1)),
    Geometry(height=9, width=1, kernel=(2, 1), joined=True),
    Geometry(height=12, width=13, kernel=(7, 7), stride=(3, 2), pads=(3, 2, 1, 4)),
    Geometry(height=6, width=20, kernel=(3, 5), stride=(1, 3), dilation=(2, 2)),
    Geometry(height=9, width=9, pads=(-2, -3, -1, -2)),
    Geometry(height=8, width=8, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1), phases=True),
    Geometry(height=5, width=14, kernel=(5, 5), stride=(1, 2), pads=(2, 2, 2, 2), phases=True),
    Geometry(height=3, width=34, kernel=(1, 2), stride=(3, 2), dilation=(1, 3), phases=True),
]


def run_raster(dut, geometry, loops, *, stall, rng):
    """All beats as (row, bank, group_rows, inside, keep, flags), and the cycles they left in."""
    pixels = dut.pixels
    expected = len(list(walk(geometry, pixels, **loops)))
    beats, cycles = [], []
    # One pixel per row where the other has more, and the other way round.
    before = Geometry(height=2, width=1 + (geometry.width == 1), joined=True)

    async def bench(ctx):
        fields = raster_fields(geometry, pixels)
        ctx.set(dut.in_stride, 3)
        for name, value in loops.items():
            ctx.set(getattr(dut, name), value)
        # Another raster's settings stand there until the start.
        ctx.set(dut.raster, raster_fields(before, pixels))
        for _ in range(3):
            await ctx.tick()
        cycle = 0
        for repeat in range(2):
            ctx.set(dut.raster, fields | {"placed": repeat})
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            assert not ctx.get(dut.idle)
            cycle = 1
            while len(beats) < expected * (repeat + 1):
                ctx.set(dut.o.ready, rng.random() >= stall)
                if ctx.get(dut.o.valid & dut.o.ready):
                    p = ctx.get(dut.o.payload)
                    flags = (p.first, p.last, p.first_vector, p.last_vector, p.past_row, p.end)
                    beats.append((p.row, p.bank, p.group_rows, p.inside, p.keep, flags))
                    cycles.append(cycle)
                cycle += 1
                assert cycle < 100 + 40 * expected, "no beat left"
                await ctx.tick()
            # Where the lanes stand is known the second time.
            ctx.set(dut.o.ready, 1)
            for _ in range(5):
                assert not ctx.get(dut.o.valid)
                await ctx.tick()
            assert ctx.get(dut.idle)

    run_testbenches(dut, bench)
    return beats, cycles


def bits_of(flags):
    return sum(bool(f) << n for n, f in enumerate(flags))


def expected_beats(geometry, pixels, loops):
    beats = list(walk(geometry, pixels, **loops))
    return [
        (
            *divmod(geometry.stored(b.address, pixels), pixels),
            3 * b.input_group,
            bits_of(p is not None for p in b.pixels),
            bits_of(b.keep),
            (b.first, b.last, b.first_vector, b.last_vector, b.past_row, n == len(beats) - 1),
        )
        for n, b in enumerate(beats)
    ]


def assert_walk(geometry, pixels, loops, *, stall, seed=0):
    rng = np.random.default_rng(seed)
    beats, cycles = run_raster(Raster(pixels), geometry, loops, stall=stall, rng=rng)
    expected = expected_beats(geometry, pixels, loops)
    assert beats == expected * 2
    return cycles[: len(expected)], cycles[len(expected) :]


@pytest.mark.parametrize("in_step", [0, 5])
@pytest.mark.parametrize("pixels", [4, 8])
@pytest.mark.parametrize("geometry", CORNERS, ids=str)
def test_corner_geometries_at_full_rate(geometry, pixels, in_step):
    loops = {"groups": 3, "in_groups": 2, "in_step": in_step, "in_repeat": 2}

    for placed, cycles in enumerate(assert_walk(geometry, pixels, loops, stall=0.0)):
        first = timing.raster_setup(pixels, placed=bool(placed))
        # A raster of input groups further apart is ready when their distance is known.
        if in_step:
            first = max(first, 3 + timing.RASTER_LATENCY + in_step.bit_length())
        assert cycles == list(range(first, first + len(cycles)))


@pytest.mark.parametrize("seed", range(30))
def test_random_geometries_under_stalls(seed):
    rng = np.random.default_rng(seed)
    geometry = random_geometry(rng)
    loops = {
        "groups": int(rng.integers(1, 4)),
        "in_groups": int(rng.integers(1, 4)),
        "in_step": int(rng.integers(0, 4)),
        "in_repeat": int(rng.integers(1, 4)),
    }

    assert_walk(geometry, int(rng.choice([4, 8, 16])), loops, stall=0.4, seed=seed)


@pytest.mark.parametrize("seed", range(20))
def test_rows_of_about_the_lanes(seed):
    rng = np.random.default_rng(seed)
    geometry = random_geometry(rng, largest=5, widest=40, kernels=(1, 2, 3))
    loops = {"groups": 2, "in_groups": 1, "in_step": 0, "in_repeat": 1}

    assert_walk(geometry, 16, loops, stall=0.0, seed=seed)


@pytest.mark.parametrize(("run", "rows"), [(1, 21), (5, 4), (8, 3), (24, 3)])
def test_rows_that_overlap(run, rows):
    shape = Walk(height=1, width=1, out_h=rows, out_w=2 * run, run=run)
    fields = make_raster(shape, 8)
    walked = functional_raster.walk(fields, 8)
    dut, beats = Raster(8), []

    async def bench(ctx):
        ctx.set(dut.raster, field_values(fields))
        for member in (dut.groups, dut.in_groups, dut.in_repeat):
            ctx.set(member, 1)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.o.ready, 1)
        while not ctx.get(dut.idle):
            if ctx.get(dut.o.valid):
                p = ctx.get(dut.o.payload)
                beats.append((8 * p.row + p.bank, p.inside, p.keep))
            await ctx.tick()

    run_testbenches(dut, bench)
    assert beats == [
        (tap.address[v], bits_of(tap.inside[v]), bits_of(walked.keep[v]))
        for v in range(fields.vectors)
        for tap in walked.taps
    ]


@pytest.mark.parametrize("seed", range(30))
def test_lanes_inside_the_map_are_consecutive_in_memory(seed):
    geometry = random_geometry(np.random.default_rng(seed))

    for beat in walk(geometry, 8):
        for lane, pixel in enumerate(beat.pixels):
            expected = beat.address + lane * geometry.step
            assert pixel is None or pixel == expected or not beat.keep[lane]
