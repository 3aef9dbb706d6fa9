"""Raster makes the beats of the definition, one per cycle."""

from itertools import product

import numpy as np
import pytest
from cocotb.triggers import FallingEdge

from accelgen.arch import isa, timing
from accelgen.program.encode import field_values
from accelgen.program.raster import Walk, make_raster
from accelgen.rtl import layouts
from accelgen.rtl.raster.raster import Raster
from accelgen.simulation import functional_raster
from tests.helpers.bench import part_test, settings, ticks
from tests.helpers.bits import pack
from tests.helpers.clock import start_clock
from tests.helpers.rasters import Geometry, random_geometry, raster_fields, walk
from tests.helpers.simulate import simulate_all

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
FIELDS = layouts.fields(isa.RASTER)
FLAGS = ("first", "last", "first_vector", "last_vector", "past_row", "end")


def test_raster(tmp_path):
    parts = {f"lanes{pixels}": (Raster(pixels), {"pixels": pixels}) for pixels in (4, 8, 16)}

    simulate_all(parts, __name__, tmp_path)


@pytest.mark.parametrize("seed", range(30))
def test_lanes_inside_the_map_are_consecutive_in_memory(seed):
    geometry = random_geometry(np.random.default_rng(seed))

    for beat in walk(geometry, 8):
        for lane, pixel in enumerate(beat.pixels):
            expected = beat.address + lane * geometry.step
            assert pixel is None or pixel == expected or not beat.keep[lane]


# Simulator side.


@part_test(timeout_time=2, timeout_unit="ms")
async def corner_geometries_at_full_rate(dut):
    pixels = settings()["pixels"]
    for geometry, in_step in product(CORNERS, (0, 5)):
        loops = {"groups": 3, "in_groups": 2, "in_step": in_step, "in_repeat": 2}
        for placed, cycles in enumerate(await walks(dut, geometry, loops, stall=0.0)):
            first = timing.raster_setup(pixels, placed=bool(placed))
            # A raster of input groups further apart is ready when their distance is known.
            if in_step:
                first = max(first, 3 + timing.RASTER_LATENCY + in_step.bit_length())
            assert cycles == list(range(first, first + len(cycles))), (geometry, in_step)


@part_test(timeout_time=2, timeout_unit="ms")
async def random_geometries_under_stalls(dut):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        geometry = random_geometry(rng)
        loops = {
            "groups": int(rng.integers(1, 4)),
            "in_groups": int(rng.integers(1, 4)),
            "in_step": int(rng.integers(0, 4)),
            "in_repeat": int(rng.integers(1, 4)),
        }
        if int(rng.choice([4, 8, 16])) == settings()["pixels"]:
            await walks(dut, geometry, loops, stall=0.4, seed=seed)


@part_test(timeout_time=2, timeout_unit="ms")
async def rows_of_about_the_lanes(dut):
    if settings()["pixels"] != 16:
        return
    for seed in range(20):
        rng = np.random.default_rng(seed)
        geometry = random_geometry(rng, largest=5, widest=40, kernels=(1, 2, 3))
        loops = {"groups": 2, "in_groups": 1, "in_step": 0, "in_repeat": 1}
        await walks(dut, geometry, loops, stall=0.0, seed=seed)


@part_test(timeout_time=2, timeout_unit="ms")
async def rows_that_overlap(dut):
    if settings()["pixels"] != 8:
        return
    for run, rows in [(1, 21), (5, 4), (8, 3), (24, 3)]:
        shape = Walk(height=1, width=1, out_h=rows, out_w=2 * run, run=run)
        fields = make_raster(shape, 8)
        walked = functional_raster.walk(fields, 8)
        await begin(dut, {"groups": 1, "in_groups": 1, "in_step": 0, "in_repeat": 1})
        dut.raster.value = pack(FIELDS, field_values(fields))
        await start(dut)
        dut.o__ready.value = 1
        beats = []
        while not int(dut.idle.value):
            if int(dut.o__valid.value):
                row, bank, _, inside, keep, _ = unpacked(int(dut.o__payload.value), 8)
                beats.append((8 * row + bank, inside, keep))
            await FallingEdge(dut.clk)

        assert beats == [
            (tap.address[v], bits_of(tap.inside[v]), bits_of(walked.keep[v]))
            for v in range(fields.vectors)
            for tap in walked.taps
        ], (run, rows)


async def walks(dut, geometry, loops, *, stall, seed=0):
    """The walk twice, compared; where the lanes stand is known the second time. Returns the cycles
    in which the beats of each left."""
    pixels = settings()["pixels"]
    rng = np.random.default_rng(seed)
    expected = expected_beats(geometry, pixels, loops)
    fields = raster_fields(geometry, pixels)
    # One pixel per row where the other has more, and the other way round.
    before = Geometry(height=2, width=1 + (geometry.width == 1), joined=True)
    await begin(dut, loops)
    # Another raster's settings stand there until the start.
    dut.raster.value = pack(FIELDS, raster_fields(before, pixels))
    await ticks(dut, 3)
    both = []
    for placed in (0, 1):
        beats, cycles, cycle = [], [], 1
        dut.raster.value = pack(FIELDS, fields | {"placed": placed})
        await start(dut)
        assert not int(dut.idle.value)
        while len(beats) < len(expected):
            ready = rng.random() >= stall
            dut.o__ready.value = ready
            if ready and int(dut.o__valid.value):
                beats.append(int(dut.o__payload.value))
                cycles.append(cycle)
            cycle += 1
            assert cycle < 100 + 40 * len(expected), f"no beat left: {geometry}"
            await FallingEdge(dut.clk)
        assert [unpacked(beat, pixels) for beat in beats] == expected, (geometry, loops)
        both.append(cycles)
        dut.o__ready.value = 1
        for _ in range(5):
            assert not int(dut.o__valid.value), (geometry, loops)
            await FallingEdge(dut.clk)
        assert int(dut.idle.value)
    return both


async def begin(dut, loops):
    await start_clock(dut, zero=("start", "raster", "o__ready"))
    dut.in_stride.value = 3
    for name, value in loops.items():
        getattr(dut, name).value = value


async def start(dut):
    dut.start.value = 1
    await FallingEdge(dut.clk)
    dut.start.value = 0


def unpacked(beat, pixels):
    """A beat as ``expected_beats`` writes it."""
    fields = dict(layouts.raster_beat(pixels, pixels))
    values = {
        name: beat >> field.offset & ((1 << field.width) - 1) for name, field in fields.items()
    }
    row = values["row"] - (values["row"] >> fields["row"].width - 1 << fields["row"].width)
    flags = tuple(values[name] for name in FLAGS)
    return (row, *(values[name] for name in ("bank", "group_rows", "inside", "keep")), flags)


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
