"""ArrayReader, FeatureMemory and WeightRing together: a convolution's operands, beat by beat."""

import random
from dataclasses import replace
from itertools import pairwise

import cocotb
import numpy as np
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from cocotb.triggers import FallingEdge, ReadOnly

from accelgen.arch import ArchParams, isa, timing
from accelgen.rtl import layouts
from accelgen.rtl.array.array_reader import _COPY_QUEUE
from tests.helpers.bench import part_test, settings
from tests.helpers.blocks import array_reader, feature_memory, weight_ring
from tests.helpers.clock import start_clock
from tests.helpers.rasters import Geometry, random_geometry, raster_fields, walk
from tests.helpers.simulate import simulate_archs
from tests.helpers.streams import StreamSource, check_stream_rules
from tests.helpers.words import join, split

CONFIGURATIONS = {
    "small": {"lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single", "feature_rows": 500},
    "wide": {"lanes": 8, "pixels": 8, "feature_rows": 512, "acc_depth": 16},
}
WEIGHT_WORDS = 64
STROBES = ("busy", "wait_weights", "wait_drain")
FRONT = isa.Format("front", "", tuple(f for f in isa.EXEC.fields if f.name in isa.FRONT))


class _Feed(wiring.Component):
    """What stands before the PE array."""

    def __init__(self, arch):
        self.arch = arch
        operands = layouts.array_operands(arch.lanes, arch.pixels)
        super().__init__({
            "step": In(layouts.front()),
            "start": In(1),
            "tag": In(layouts.TAG_BITS),
            "may_read": In(1),
            "held_tag": In(layouts.TAG_BITS),
            "load": In(stream.Signature(layouts.row_write(arch.lanes, arch.pixels))),
            "words": In(stream.Signature(layouts.weight_word(arch.lanes))),
            "o": Out(stream.Signature(operands, always_ready=True)),
            "copy": Out(stream.Signature(layouts.pixels(arch.lanes, arch.pixels))),
            "credit": In(1),
            "idle": Out(1),
            "past": Out(1),
            "begin": Out(1),
            "take": Out(1),
            **{name: Out(1) for name in STROBES},
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = feature_memory(self.arch)
        m.submodules.ring = ring = weight_ring(self.arch)
        m.submodules.reader = reader = array_reader(self.arch)
        connect(m, flipped(self.load), memory.load)
        connect(m, flipped(self.words), ring.i)
        connect(m, reader.run, memory.run)
        connect(m, reader.weights, ring.read)
        connect(m, reader.o, flipped(self.o))
        connect(m, reader.copy, flipped(self.copy))
        m.d.comb += [
            reader.step.eq(self.step),
            reader.start.eq(self.start),
            reader.tag.eq(self.tag),
            reader.may_read.eq(self.may_read),
            reader.held_tag.eq(self.held_tag),
            reader.credit.eq(self.credit),
            self.idle.eq(reader.idle),
            self.past.eq(reader.past),
            self.begin.eq(reader.weights.begin),
            self.take.eq(reader.weights.take),
            *(getattr(self, name).eq(getattr(reader, name)) for name in STROBES),
        ]
        return m


def test_array_reader(tmp_path):
    configurations = {
        name: {**configuration, "weight_words": WEIGHT_WORDS}
        for name, configuration in CONFIGURATIONS.items()
    }

    simulate_archs(configurations, _Feed, __name__, tmp_path)


# Simulator side.

CORNERS = [
    Geometry(height=7, width=8, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1), phases=True),
    Geometry(height=1, width=1),
    Geometry(height=5, width=3, joined=True),
    Geometry(height=7, width=7, kernel=(3, 3), pads=(1, 1, 1, 1), joined=True, pad_value=-7),
    Geometry(height=12, width=11, kernel=(3, 5), stride=(2, 3), pads=(1, 0, 2, 3), pad_value=99),
    Geometry(height=9, width=9, pads=(-2, -3, -1, -2)),
]


@part_test(timeout_time=1, timeout_unit="ms")
async def an_operand_per_cycle_when_nothing_waits(dut):
    bench = await Bench.on(dut)
    for geometry in CORNERS:
        await bench.convolve(geometry, groups=3, in_groups=2)

        first = timing.raster_setup(bench.arch.pixels)
        first += timing.array_read_latency(bench.arch.pixels)
        assert bench.cycles == list(range(first, first + len(bench.cycles)))
        assert bench.strobes == {"busy": len(bench.cycles), "wait_weights": 0, "wait_drain": 0}


@part_test(timeout_time=1, timeout_unit="ms")
async def the_same_operands_under_stalls(dut):
    bench = await Bench.on(dut, stall=0.5)
    for _ in range(12):
        await bench.convolve(
            random_geometry(bench.rng, kernels=(1, 2, 3)),
            groups=int(bench.rng.integers(1, 4)),
            in_groups=int(bench.rng.integers(1, 4)),
            in_step=int(bench.rng.integers(0, 3)),
            in_repeat=int(bench.rng.integers(1, 3)),
        )


@part_test(timeout_time=1, timeout_unit="ms")
async def a_block_used_once_may_exceed_the_ring(dut):
    bench = await Bench.on(dut, stall=0.3)

    await bench.convolve(
        Geometry(height=5, width=2, kernel=(5, 2), joined=True), groups=2, in_groups=9, in_step=1
    )

    assert len(bench.words[0]) > WEIGHT_WORDS


@part_test(timeout_time=1, timeout_unit="ms")
async def no_vector_starts_without_a_credit(dut):
    bench = await Bench.on(dut)
    bench.gives_credit = False

    await bench.start(Geometry(height=30, width=8, joined=True), groups=1, in_groups=1)
    for _ in range(200):
        await bench.cycle()

    assert len(bench.operands) == bench.arch.acc_depth
    assert bench.strobes["wait_drain"] > 100


@part_test(timeout_time=1, timeout_unit="ms")
async def reads_nothing_before_it_may(dut):
    bench = await Bench.on(dut)
    dut.may_read.value = 0
    geometry = Geometry(height=3, width=8, joined=True)

    await bench.start(geometry, groups=1, in_groups=1)
    for _ in range(60):
        await bench.cycle()
    assert not bench.operands
    assert not any(bench.strobes.values())
    dut.may_read.value = 1
    now = bench.now
    await bench.finish(3)

    # The walk was ready.
    assert bench.cycles[0] == now + 1 + timing.array_read_latency(bench.arch.pixels)


@part_test(timeout_time=1, timeout_unit="ms")
async def a_step_may_follow_while_the_one_before_is_on_its_way(dut):
    """The next is at ``step`` as soon as the reader is idle: nothing of it mixes with the first."""
    bench = await Bench.on(dut, stall=1e-9)  # not 0: does not wait for words before a step
    first = Geometry(height=4, width=8, kernel=(3, 3), pads=(1, 1, 1, 1), pad_value=11)
    second = replace(first, pad_value=-22)
    last = Geometry(height=2, width=8, joined=True)
    expected, tags = [], set()
    for number, geometry in enumerate((first, second, last)):
        await bench.start(geometry, groups=2, in_groups=1, keep_operands=bool(number))
        tags.add(bench.tag)
        beats = list(walk(geometry, bench.arch.pixels, **bench.loops))
        expected += bench.expected(geometry, beats)
        await bench.until_idle()
    await bench.finish(0)

    assert bench.operands == expected
    assert len(tags) == 3


@part_test(timeout_time=1, timeout_unit="ms")
async def the_next_walk_begins_while_this_one_is_read(dut):
    bench = await Bench.on(dut, stall=1e-9)
    geometry = Geometry(height=8, width=8, joined=True)
    expected = []
    for number in range(4):
        await bench.start(
            geometry, groups=2, in_groups=1, keep_operands=bool(number), placed=bool(number)
        )
        expected += bench.expected(geometry, walk(geometry, bench.arch.pixels, **bench.loops))
        await bench.until_idle()
    await bench.finish(0)

    assert bench.operands == expected
    gaps = [b - a - 1 for a, b in pairwise(bench.cycles) if b - a > 1]
    assert gaps == [timing.RASTER_SWITCH] * 3


@part_test(timeout_time=1, timeout_unit="ms")
async def padding_follows_its_step(dut):
    bench = await Bench.on(dut, stall=1e-9)
    geometry = Geometry(height=4, width=8, kernel=(3, 3), pads=(1, 1, 1, 1), pad_value=11)
    expected = []
    for number in range(3):
        geometry = replace(geometry, pad_value=11 - 30 * number)
        await bench.start(
            geometry, groups=1, in_groups=1, keep_operands=bool(number), placed=bool(number)
        )
        expected += bench.expected(geometry, walk(geometry, bench.arch.pixels, **bench.loops))
        await bench.until_idle()
    await bench.finish(0)

    assert bench.operands == expected


@part_test(timeout_time=1, timeout_unit="ms")
async def beats_that_wait_are_issued_when_their_turn_has_begun(dut):
    """All of the next step's are queued while the first one's wait for credits."""
    bench = await Bench.on(dut, stall=1e-9)
    bench.gives_credit = False
    height, width = 2 * (bench.arch.acc_depth + 6), 2 * bench.arch.pixels
    first = Geometry(height=height, width=width, stride=(2, 2), phases=True)
    short = Geometry(height=2, width=8, joined=True)
    expected = []
    for number, geometry in enumerate((first, short, first)):
        await bench.start(geometry, groups=1, in_groups=1, keep_operands=bool(number))
        expected += bench.expected(geometry, walk(geometry, bench.arch.pixels, **bench.loops))
        if number == 1:
            for _ in range(60):
                assert not await bench.cycle()  # no third step
            bench.gives_credit = True
        await bench.until_idle()
    await bench.finish(0)

    assert bench.operands == expected


@part_test(timeout_time=1, timeout_unit="ms")
async def what_may_be_read_may_be_read_to_its_end(dut):
    """The next step's walk is ready, and may not read, while beats of the first are left."""
    bench = await Bench.on(dut, stall=1e-9)
    bench.gives_credit = False
    geometry = Geometry(height=bench.arch.acc_depth + 6, width=bench.arch.pixels, joined=True)
    await bench.start(geometry, groups=1, in_groups=1)
    expected = bench.expected(geometry, walk(geometry, bench.arch.pixels, **bench.loops))
    await bench.until_idle()
    dut.held_tag.value = (bench.tag + 1) % 4
    dut.may_read.value = 0
    await bench.start(geometry, groups=1, in_groups=1, keep_operands=True)
    for _ in range(40):
        await bench.cycle()
        assert not dut.past.value
    assert len(bench.operands) == bench.arch.acc_depth < len(expected)

    bench.gives_credit = True
    for _ in range(60):
        await bench.cycle()
    assert bench.operands == expected
    assert dut.past.value

    # The next one's are not of the step that is asked about.
    expected += bench.expected(geometry, walk(geometry, bench.arch.pixels, **bench.loops))
    dut.may_read.value = 1
    while len(bench.operands) < len(expected):
        await bench.cycle()
        assert dut.past.value
    dut.held_tag.value = (bench.tag + 1) % 4
    await bench.finish(0)

    assert bench.operands == expected


@part_test(timeout_time=1, timeout_unit="ms")
async def copies_rows_at_full_rate(dut):
    bench = await Bench.on(dut)
    rows = await bench.copy_map(Geometry(height=9, width=16, joined=True), groups=3)

    assert bench.copied_cycles[-1] - bench.copied_cycles[0] == rows - 1
    assert bench.strobes["busy"] == 0


@part_test(timeout_time=1, timeout_unit="ms")
async def copies_rows_under_stalls(dut):
    bench = await Bench.on(dut, stall=0.6)
    cocotb.start_soon(check_stream_rules(dut, "copy"))
    for geometry in (
        Geometry(height=9, width=7, joined=True),
        Geometry(height=6, width=5, pads=(-1, -1, 0, -2)),
    ):
        await bench.copy_map(geometry, groups=2)


@part_test(timeout_time=1, timeout_unit="ms")
async def a_copy_takes_no_credits(dut):
    bench = await Bench.on(dut)
    rows = await bench.copy_map(Geometry(height=9, width=16, joined=True), groups=3)
    assert rows > bench.arch.acc_depth
    bench.gives_credit = False

    await bench.start(Geometry(height=30, width=8, joined=True), groups=1, in_groups=1)
    for _ in range(200):
        await bench.cycle()

    assert len(bench.operands) == bench.arch.acc_depth


class Bench:
    """Drives a _Feed cycle by cycle and keeps what leaves it."""

    @classmethod
    async def on(cls, dut, *, stall=0.0, seed=1):
        self = cls()
        self.dut, self.stall = dut, stall
        knobs = settings()
        self.arch = arch = ArchParams.from_dict(knobs)
        self.rng = np.random.default_rng(seed)
        self.random = random.Random(seed)
        self.queue = []  # weight words still to be sent
        self.sent = []  # of all time
        self.outstanding, self.gives_credit, self.quiet = 0, True, 0
        await start_clock(
            dut, zero=("step", "start", "load__valid", "words__valid", "copy__ready", "credit")
        )
        dut.may_read.value, self.tag = 1, 0
        shape = (arch.feature_rows, arch.pixels, arch.lanes)
        self.memory = self.rng.integers(-128, 128, shape)
        layout = [row | int(join(data, 8)) << 16 for row, data in enumerate(self.memory)]
        await StreamSource(dut, "load").send(*layout)
        return self

    def place(self, geometry, map_groups):
        """A map somewhere in the memory: row, stride."""
        unit = geometry.step  # maps in phases begin with even rows
        stride = int(geometry.rows(self.arch.pixels) + unit * self.rng.integers(0, 3))
        row = int(self.rng.integers(0, self.arch.feature_rows - stride * map_groups))
        return row // unit * unit, stride

    async def start(
        self,
        geometry,
        *,
        groups,
        in_groups,
        in_step=0,
        in_repeat=1,
        array=1,
        keep_operands=False,
        placed=False,
    ):
        arch = self.arch
        self.loops = {
            "groups": groups, "in_groups": in_groups, "in_step": in_step, "in_repeat": in_repeat,
        }  # fmt: skip
        map_groups = (groups - 1) // in_repeat * in_step + in_groups
        self.row, self.stride = self.place(geometry, map_groups)
        words = geometry.kernel[0] * geometry.kernel[1] * in_groups
        step = {
            "array": array, "weight_words": words, "in_row": self.row, "in_stride": self.stride,
            "in_raster": raster_fields(geometry, arch.pixels) | {"placed": placed}, **self.loops,
        }  # fmt: skip
        self.words = [
            [self.random.getrandbits(8 * arch.lanes**2) for _ in range(words)]
            for _ in range(groups if array else 0)
        ]
        self.queue += [w for block in self.words for w in block]
        if not self.stall:  # what fits is there before the step begins
            for _ in range(WEIGHT_WORDS):
                await self.cycle()
        if not keep_operands:
            self.operands, self.cycles, self.copied, self.copied_cycles = [], [], [], []
        self.strobes = dict.fromkeys(STROBES, 0)
        if not keep_operands:
            self.now = 0
        self.tag = (self.tag + 1) % 4
        self.dut.tag.value = self.tag
        self.dut.step.value = FRONT.pack(step)
        self.dut.start.value = 1
        await self.cycle()
        self.dut.start.value = 0

    async def until_idle(self):
        """To the cycle behind the one in which the reader can take a step."""
        while not await self.cycle():
            pass

    async def cycle(self):
        """One clock cycle: drive, look, wait. Returns whether the reader was idle."""
        dut = self.dut
        go = [self.random.random() >= self.stall for _ in range(3)]
        dut.words__valid.value = bool(self.queue and go[0])
        if self.queue:
            dut.words__payload.value = self.queue[0]
        gives = self.gives_credit and self.outstanding > 0 and go[1]
        dut.credit.value = gives
        self.outstanding -= gives
        dut.copy__ready.value = go[2]
        await ReadOnly()
        if dut.words__valid.value and dut.words__ready.value:
            self.queue.pop(0)
        if dut.o__valid.value:
            self.operands.append(int(dut.o__payload.value))
            self.cycles.append(self.now)
            top = dut.o__payload.value.range.left - self.arch.pixels - layouts.TAG_BITS
            last = self.operands[-1] >> top
            self.outstanding += last & 1
        if dut.copy__valid.value and dut.copy__ready.value:
            self.copied.append(int(dut.copy__payload.value))
            self.copied_cycles.append(self.now)
        for name in getattr(self, "strobes", ()):
            self.strobes[name] += int(getattr(dut, name).value)
        self.now = getattr(self, "now", 0) + 1
        idle = bool(dut.idle.value)
        # The ring's contract.
        self.begun = 0 if dut.begin.value else getattr(self, "begun", 3) + 1
        assert not dut.take.value or self.begun >= 3
        await FallingEdge(dut.clk)
        return idle

    async def finish(self, beats):
        deadline = self.now + 200 + 60 * beats
        while self.busy() or self.now < 3:
            await self.cycle()
            assert self.now < deadline, f"not idle after {self.now} cycles for {beats} beats"

    def busy(self):
        """What was issued, or copied, may still be on its way when the reader is idle."""
        self.quiet = self.quiet + 1 if self.dut.idle.value and not self.outstanding else 0
        return self.quiet < 12 + 8 * _COPY_QUEUE

    async def convolve(self, geometry, **loops):
        """Run a step and compare every operand with the definition."""
        await self.start(geometry, **loops)
        beats = list(walk(geometry, self.arch.pixels, **self.loops))
        await self.finish(len(beats))

        assert self.operands == self.expected(geometry, beats)
        assert not self.queue

    def expected(self, geometry, beats):
        """Operands of a step, by definition."""
        operands, in_vector = [], 0
        for beat in beats:
            in_vector = 0 if beat.first else in_vector + 1
            operands.append(self.operand(geometry, beat, self.words[beat.group][in_vector]))
        return operands

    def operand(self, geometry, beat, word):
        """Bits of layouts.array_operands: activations, pads, weights, first, last, keep, tag."""
        arch = self.arch
        stored = self.group_pixels(beat.input_group)
        none = np.zeros(arch.lanes, int)
        lanes = [
            none if p is None else stored[geometry.stored(p, arch.pixels)] for p in beat.pixels
        ]
        pads = [geometry.pad_value * (p is None) for p in beat.pixels]
        bits, at = join(lanes, 8), 8 * arch.lanes * arch.pixels
        for value, width in (
            (join(pads, 8), 8 * arch.pixels), (word, 8 * arch.lanes**2),
            (beat.first, 1), (beat.last, 1),
            (sum(k << n for n, k in enumerate(beat.keep)), arch.pixels),
            (self.tag, layouts.TAG_BITS),
        ):  # fmt: skip
            bits |= int(value) << at
            at += width
        return bits

    def group_pixels(self, group):
        return self.memory.reshape(-1, self.arch.lanes)[
            (self.row + group * self.stride) * self.arch.pixels :
        ]

    async def copy_map(self, geometry, *, groups):
        """Run a copy and compare the pixels each row has; returns the number of rows."""
        await self.start(geometry, groups=groups, in_groups=1, in_step=1, array=0)
        beats = list(walk(geometry, self.arch.pixels, **self.loops))
        await self.finish(len(beats))

        assert len(self.copied) == len(beats)
        for bits, beat in zip(self.copied, beats, strict=True):
            got = split(bits, 8, (self.arch.pixels, self.arch.lanes))
            stored = self.group_pixels(beat.group)
            for lane, pixel in enumerate(beat.pixels):
                if pixel is not None and beat.keep[lane]:
                    word = geometry.stored(pixel, self.arch.pixels)
                    np.testing.assert_array_equal(got[lane], stored[word])
        return len(beats)
