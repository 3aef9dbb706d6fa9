"""WindowReader and WindowRing together: the window engine's operands, beat by beat."""

import random

import numpy as np
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from cocotb.triggers import FallingEdge, ReadOnly

from accelgen.arch import isa, timing
from accelgen.arch.isa import WindowOp
from accelgen.rtl import layouts
from tests.helpers.bench import bench_arch, part_test
from tests.helpers.blocks import window_reader, window_ring
from tests.helpers.clock import start_clock
from tests.helpers.rasters import Geometry, as_written, pairs, random_geometry, raster_fields, walk
from tests.helpers.simulate import simulate_archs
from tests.helpers.words import join, split

CONFIGURATIONS = {
    "small": {"lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single"},
    "wide": {"lanes": 8, "pixels": 8},
    # Runs of two of the ring's rows.
    "twice": {"lanes": 4, "pixels": 4, "window_pixels": 8, "chain_pixels": 1, "pe_mode": "single"},
    "pairs": {"lanes": 4, "pixels": 4, "window_taps": 2, "chain_pixels": 1, "pe_mode": "single"},
    "wide_pairs": {"lanes": 8, "pixels": 8, "window_taps": 2},
}
KNOBS = {"ring_rows": 16, "tap_words": 64}
STROBES = ("busy", "wait_pixels", "wait_weights", "wait_drain")


class _Feed(wiring.Component):
    """What stands before the window engine."""

    def __init__(self, arch):
        self.arch = arch
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "rows": In(stream.Signature(layouts.pixels(arch.lanes, arch.pixels))),
            "taps": In(stream.Signature(layouts.tap(arch.lanes))),
            "vector": In(stream.Signature(layouts.pixel(arch.lanes))),
            "o": Out(
                stream.Signature(
                    layouts.window_operands(arch.lanes, arch.window_width, taps=arch.window_taps),
                    always_ready=True,
                )
            ),
            "credit": In(1),
            "idle": Out(1),
            **{name: Out(1) for name in STROBES},
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.ring = ring = window_ring(self.arch)
        m.submodules.reader = reader = window_reader(self.arch)
        connect(m, flipped(self.rows), ring.i)
        connect(m, flipped(self.taps), reader.taps)
        connect(m, flipped(self.vector), reader.vector)
        connect(m, reader.run, ring.run)
        if self.arch.window_taps > 1:
            connect(m, reader.second, ring.second)
        connect(m, reader.o, flipped(self.o))
        m.d.comb += [
            ring.step.eq(self.step),
            ring.start.eq(self.start),
            reader.step.eq(self.step),
            reader.start.eq(self.start),
            reader.written.eq(ring.written),
            ring.free_to.eq(reader.free_to),
            reader.credit.eq(self.credit),
            self.idle.eq(reader.idle & ring.idle),
            *(getattr(self, name).eq(getattr(reader, name)) for name in STROBES),
        ]
        return m


def test_window_reader(tmp_path):
    configurations = {name: {**own, **KNOBS} for name, own in CONFIGURATIONS.items()}

    simulate_archs(configurations, _Feed, __name__, tmp_path)


# Simulator side.

FULL_RATE = [
    Geometry(height=1, width=1),
    Geometry(height=16, width=8, joined=True),
    Geometry(height=5, width=16),
    Geometry(height=7, width=7, kernel=(3, 3), pads=(1, 1, 1, 1), joined=True, pad_value=-128),
    Geometry(height=7, width=8, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1), pad_value=3),
]
CORNERS = [
    *FULL_RATE,
    Geometry(height=9, width=9, kernel=(5, 5), pads=(2, 2, 2, 2), joined=True),
    # Rows and columns that nobody reads: cropped, or behind the last stride.
    Geometry(height=14, width=11, pads=(-3, -2, -5, -4)),
    Geometry(height=15, width=8, stride=(5, 7)),
    # In phases.
    Geometry(height=7, width=8, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1), phases=True),
    Geometry(height=5, width=10, kernel=(5, 5), stride=(2, 2), pads=(2, 1, 2, 2), phases=True),
    Geometry(height=9, width=6, stride=(1, 2), pads=(-1, -3, -1, -1), phases=True),
    # Padding beyond the kernel's reach: positions right of the map.
    Geometry(height=6, width=3, kernel=(1, 1), pads=(2, 5, 4, 9), pad_value=-1),
    Geometry(height=4, width=2, kernel=(3, 2), dilation=(1, 3), pads=(5, 6, 4, 7), pad_value=-1),
]


@part_test()
async def an_operand_per_cycle_when_nothing_waits(dut):
    bench = await Bench.on(dut)
    if bench.lanes > bench.arch.pixels:
        return  # a tap per run is faster than the rows that come
    for geometry in FULL_RATE:
        await bench.run_step(geometry, groups=4)

        first = timing.raster_setup(bench.arch.window_width) + timing.WINDOW_PREPARE
        first += timing.window_read_latency(bench.arch.window_width)
        assert bench.cycles == list(range(first, first + len(bench.cycles)))
        assert bench.strobes == dict.fromkeys(STROBES, 0) | {"busy": len(bench.cycles)}


@part_test()
async def the_same_operands_under_stalls(dut):
    for stall in (0.2, 0.6):
        bench = await Bench.on(dut, stall=stall)
        for geometry in filter(bench.may_run, CORNERS):
            await bench.run_step(geometry, groups=3)


@part_test()
async def rows_are_not_overwritten_before_they_are_read(dut):
    # More rows than the ring has, and a writer that is always at its limit.
    bench = await Bench.on(dut)
    for geometry in filter(bench.may_run, CORNERS):
        rows = geometry.rows(bench.arch.pixels)
        await bench.run_step(geometry, groups=2 + 2 * bench.arch.ring_rows // rows)


@part_test()
async def random_geometries(dut):
    bench = await Bench.on(dut, stall=0.3, seed=2)
    for _ in range(30):
        await bench.run_step(bench.some_geometry(), groups=int(bench.rng.integers(1, 4)))


@part_test()
async def maxima_need_no_taps(dut):
    bench = await Bench.on(dut, stall=0.3, seed=3)
    for _ in range(5):
        await bench.run_step(bench.some_geometry(), groups=3, op=WindowOp.MAX)

    assert bench.strobes["wait_weights"] == 0


@part_test()
async def scales_by_a_vector(dut):
    bench = await Bench.on(dut, stall=0.3, seed=4)
    for side in (1, 3, 7):
        await bench.run_step(
            Geometry(height=side, width=side, joined=True, pad_value=-128),
            groups=4,
            op=WindowOp.SCALE,
            vector_zero=127,
        )


@part_test()
async def scales_at_full_rate(dut):
    bench = await Bench.on(dut)
    await bench.run_step(
        Geometry(height=7, width=7, joined=True, pad_value=5), groups=5, op=WindowOp.SCALE
    )

    rows_per_run = bench.lanes // bench.arch.pixels
    if rows_per_run == 1:
        assert bench.cycles[-1] - bench.cycles[0] == len(bench.cycles) - 1


@part_test()
async def no_vector_starts_without_a_credit(dut):
    bench = await Bench.on(dut)
    bench.gives_credit = False

    await bench.start(Geometry(height=30, width=8, joined=True), groups=1)
    for _ in range(200):
        await bench.cycle()

    assert len(bench.operands) == bench.arch.acc_depth
    assert bench.strobes["wait_drain"] > 100


@part_test()
async def waits_for_the_row_it_reads_and_no_longer(dut):
    bench = await Bench.on(dut)
    if bench.lanes > bench.arch.pixels:
        return  # a run begins with one row and ends in another
    geometry = Geometry(height=8, width=bench.arch.pixels, kernel=(3, 1), pads=(1, 0, 1, 0))
    bench.rows_allowed = 0
    await bench.start(geometry, groups=1)

    for rows in range(9):
        bench.rows_allowed = min(rows, 1)
        for _ in range(60):
            await bench.cycle()
        # Output row y needs map rows y - 1 to y + 1: the row above the map needs none.
        taps = 1 if rows == 0 else 24 if rows == 8 else 3 * rows - 1
        assert len(bench.operands) == taps
    assert bench.strobes["wait_pixels"] > 200


@part_test()
async def in_phases_waits_for_both_rows_of_a_pair(dut):
    bench = await Bench.on(dut)
    if bench.lanes > bench.arch.pixels:
        return
    # Each row of the map is a pair; an output row reads its even pixels, the first row alone.
    width = 2 * bench.arch.pixels
    geometry = Geometry(height=4, width=width, stride=(1, 2), phases=True)
    bench.rows_allowed = 0
    await bench.start(geometry, groups=1)

    for rows in range(9):
        bench.rows_allowed = min(rows, 1)
        for _ in range(60):
            await bench.cycle()
        assert len(bench.operands) == rows // 2


class Bench:
    """Drives a _Feed cycle by cycle and keeps what leaves it."""

    @classmethod
    async def on(cls, dut, *, stall=0.0, seed=1):
        self = cls()
        self.dut, self.stall = dut, stall
        self.arch = bench_arch()
        self.lanes = self.arch.window_width
        self.rng = np.random.default_rng(seed)
        self.random = random.Random(seed)
        self.sources = {"rows": [], "taps": [], "vector": []}
        self.outstanding, self.gives_credit, self.rows_allowed = 0, True, None
        self.operands, self.cycles, self.strobes, self.now = [], [], dict.fromkeys(STROBES, 0), 0
        await start_clock(
            dut,
            zero=("step", "start", "rows__valid", "taps__valid", "vector__valid", "credit"),
        )
        return self

    def may_run(self, geometry):
        """Runs of several rows are never in phases."""
        return not geometry.phases or self.lanes == self.arch.pixels

    def some_geometry(self):
        """One whose window fits the ring."""
        while True:
            geometry = random_geometry(self.rng)
            if self.may_run(geometry) and self.rows_needed(geometry) <= self.arch.ring_rows:
                return geometry

    def rows_needed(self, geometry):
        """Rows the ring must hold at once: from the first a vector keeps to the last it waits
        for."""
        step, row = geometry.step, self.arch.pixels * geometry.step
        rows = geometry.rows(self.arch.pixels)
        free = need = 0
        for beat in walk(geometry, self.lanes):
            if beat.first and not beat.past_row:
                free = max(free, min(beat.address // row * step, rows))
            last = min(((beat.address + (self.lanes - 1) * step) // row + 1) * step, rows)
            need = max(need, last - free)
        return need

    async def start(self, geometry, *, groups, op=WindowOp.MAC, vector_zero=-3):
        arch, rng = self.arch, self.rng
        self.op, self.vector_zero = op, vector_zero
        rows = geometry.rows(arch.pixels)
        taps = geometry.kernel[0] * geometry.kernel[1] if op == WindowOp.MAC else 0
        self.map = rng.integers(-128, 128, (groups, rows * arch.pixels, arch.lanes))
        self.tap_words = rng.integers(-128, 128, (groups, taps, arch.lanes))
        vectors = groups if op == WindowOp.SCALE else 0
        self.vector = rng.integers(-128, 128, (vectors, arch.pixels, arch.lanes))
        step = {
            "array": geometry.phases, "window": 1, "window_op": op, "groups": groups,
            "ring_rows": rows,
            "vector_zero": vector_zero, "ring_raster": raster_fields(geometry, self.lanes),
        }  # fmt: skip
        stored = self.stored(self.tap_words, geometry.kernel) if taps else self.tap_words
        self.sources["taps"] += [join(t, 9) for group in stored for t in group]
        self.sources["vector"] += [join(v[0], 8) for v in self.vector]
        if not self.stall:  # what fits is there before the step begins
            for _ in range(self.arch.tap_words):
                await self.cycle()
        # Nothing is offered in the cycle between: what a buffer takes of it would come twice.
        for name in self.sources:
            getattr(self.dut, f"{name}__valid").value = 0
        self.operands, self.cycles = [], []
        self.strobes = dict.fromkeys(STROBES, 0)
        shape = rows, arch.pixels, arch.lanes
        written = [group.reshape(shape) for group in self.map]
        if geometry.phases:
            written = [as_written(group) for group in written]
        self.sources["rows"] += [join(row, 8) for group in written for row in group]
        self.dut.step.value = isa.EXEC.pack(step)
        await FallingEdge(self.dut.clk)
        self.now = 0
        self.dut.start.value = 1
        await self.cycle()
        self.dut.start.value = 0

    async def cycle(self):
        """One clock cycle: drive, look, wait."""
        dut = self.dut
        for name, waiting in self.sources.items():
            allowed = name != "rows" or self.rows_allowed is None or self.rows_allowed > 0
            go = waiting and allowed and self.random.random() >= self.stall
            getattr(dut, f"{name}__valid").value = bool(go)
            if go:
                getattr(dut, f"{name}__payload").value = waiting[0]
        gives = self.gives_credit and self.outstanding > 0 and self.random.random() >= self.stall
        dut.credit.value = gives
        self.outstanding -= gives
        await ReadOnly()
        for name, waiting in self.sources.items():
            if getattr(dut, f"{name}__valid").value and getattr(dut, f"{name}__ready").value:
                waiting.pop(0)
                if name == "rows" and self.rows_allowed is not None:
                    self.rows_allowed -= 1
        if dut.o__valid.value:
            self.operands.append(int(dut.o__payload.value))
            self.cycles.append(self.now)
            self.outstanding += self.operands[-1] >> (self.tap_bits + 1) & 1
        for name in STROBES:
            self.strobes[name] += int(getattr(dut, name).value)
        self.now += 1
        await FallingEdge(dut.clk)

    async def run_step(self, geometry, **options):
        """Run a step and compare every operand with the definition."""
        assert self.rows_needed(geometry) <= self.arch.ring_rows
        await self.start(geometry, **options)
        beats = list(walk(geometry, self.lanes, groups=options["groups"]))
        beats = pairs(beats, self.arch.window_taps, geometry)
        deadline = 400 + 60 * (len(beats) + len(self.sources["rows"]))
        while not self.dut.idle.value or self.outstanding or self.now < 3:
            await self.cycle()
            assert self.now < deadline, f"{len(self.operands)} of {len(beats)} beats, {geometry}"

        assert len(self.operands) == len(beats)
        for got, (beat, second) in zip(self.operands, beats, strict=True):
            last = beat if second is None else second
            marks = [beat.first, last.last or beat.last, *beat.keep]
            assert [got >> (self.tap_bits + n) & 1 for n in range(len(marks))] == marks
            self.compare(got, geometry, beat)
            if self.arch.window_taps > 1:
                other = got >> (self.tap_bits + len(marks))
                self.compare(other, geometry, second)
        assert not any(self.sources.values())

    @property
    def tap_bits(self):
        """Of activations, offsets and weights in layouts.window_operands."""
        return self.lanes * (8 * self.arch.lanes + 9) + 9 * self.arch.lanes

    def stored(self, taps, kernel):
        """Taps (groups, taps, lanes) as they come: what is in no pair has zeros beside it."""
        count = self.arch.stored_taps(kernel)
        every = count // taps.shape[1]
        stored = np.zeros((len(taps), count, self.arch.lanes), int)
        stored[:, : every * taps.shape[1] : every] = taps
        return stored

    def compare(self, bits, geometry, beat):
        """Against the bits of a tap; of none, padding and weights of 0."""
        arch = self.arch
        activations = split(bits, 8, (self.lanes, arch.lanes))
        bits >>= activations.size * 8
        activations = activations + split(bits, 9, (self.lanes, 1))
        bits >>= self.lanes * 9
        weights = split(bits, 9, (arch.lanes,))
        pad = np.full(arch.lanes, geometry.pad_value)
        if beat is None:
            unseen = 0 if self.op == WindowOp.SCALE else geometry.pad_value
            assert (activations == unseen).all()
            if self.op != WindowOp.MAX:
                assert not weights.any()
            return
        words = [None if p is None else geometry.stored(p, arch.pixels) for p in beat.pixels]
        seen = np.array([pad if w is None else self.map[beat.group, w] for w in words])
        if self.op == WindowOp.SCALE:
            seen = seen - geometry.pad_value
        np.testing.assert_array_equal(activations, seen)
        if self.op == WindowOp.MAC:
            np.testing.assert_array_equal(weights, self.tap_words[beat.group, beat.tap])
        elif self.op == WindowOp.SCALE:
            np.testing.assert_array_equal(weights, self.vector[beat.group, 0] - self.vector_zero)
