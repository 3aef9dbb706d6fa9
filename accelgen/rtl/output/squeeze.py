"""Squeeze: the mean of each channel, taken while the pixels pass."""

from itertools import pairwise
from typing import Any

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from accelgen.arch import isa, limits
from accelgen.rtl import layouts
from accelgen.rtl.basics.beat_counter import BeatCounter
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.requantize.requantize_lane import RequantizeLane

__all__ = ["Squeeze"]

#: Of SQUEEZE_LIMIT pixels less their zero point: what a DSP48E2 takes.
SUM_BITS = 27
#: Of sums that are kept: SQUEEZE_PIXELS times a pixel.
KEPT_BITS = 24


class Squeeze(wiring.Component):
    """Passes pixels on; sums each channel over a group's pixels and requantizes the sums.

    ``clamp((((sum + squeeze_bias) * squeeze_multiplier + half) >> squeeze_shift) + squeeze_zero,
    -128, 127)``, C values in lane 0 of a row for feature row ``squeeze_row + g * squeeze_stride``.
    With ``squeeze_shift`` 0 the sums themselves, bits 8 k to 8 k + 7 of each in lane k, 0 to 3.
    Pixels pass in the same cycle (with ``step.write``; else they end here). One multiplier
    works through the C sums while the next group's pixels pass; a group waits with its last beat
    until the previous group's vector was taken, ``timing.squeeze_interval`` cycles at least.

    Every step leaves its sums behind, squeezed or not; with ``squeeze_resume`` a step's sums go on
    from those of the step before (group n from group n).

    Parameters
    ----------
    lanes, row, width : int
        Channels, pixels of a row and of a beat (P, W).

    Members
    -------
    step : In(fields of isa.EXEC)
        Static from ``start`` until the step's last pixel and vector have left.
    start : In(1)
        Pulse before a step's first beat.
    i : In(stream of pixels)
        ``ceil(out_pixels / W)`` beats per group.
    o : Out(stream of pixels)
        The same, if they are to be written.
    vector : Out(stream of row_write)
        One per group, if ``step.squeeze``.
    """

    def __init__(self, *, lanes: int, row: int, width: int):
        self.lanes = lanes
        self.row = row
        self.width = width
        beats = stream.Signature(layouts.pixels(lanes, width))
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "i": In(beats),
            "o": Out(beats),
            "vector": Out(stream.Signature(layouts.row_write(lanes, row))),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.counter = counter = BeatCounter(row=self.row, width=self.width)
        accept, closes, open_ = Signal(), Signal(), Signal()
        # From a group's last beat until its vector was taken.
        busy = Signal()
        m.d.comb += [
            counter.pixels.eq(self.step.out_pixels),
            counter.start.eq(self.start),
            counter.advance.eq(accept),
            open_.eq(~(self.step.squeeze & counter.group_ends & busy)),
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & open_ & self.step.write),
            self.i.ready.eq(open_ & (self.o.ready | ~self.step.write)),
            accept.eq(self.i.valid & self.i.ready),
            closes.eq(accept & counter.group_ends & self.step.squeeze),
        ]
        with m.If(self.vector.valid & self.vector.ready):
            m.d.sync += busy.eq(0)
        with m.If(closes):
            m.d.sync += busy.eq(1)

        sums, capture = self._sum(m, counter, accept, closes)
        self._requantize(m, sums, capture)

        row = Signal(16)
        m.d.comb += self.vector.p.row.eq(row)
        with m.If(self.vector.valid & self.vector.ready):
            m.d.sync += row.eq(row + self.step.squeeze_stride)
        with m.If(self.start):
            m.d.sync += row.eq(self.step.squeeze_row)

        return m

    def _sum(self, m, counter, accept, closes):
        """Sums per channel, and the cycle in which they are those of a whole group."""
        width = self.width
        first = Signal(init=1)
        with m.If(accept):
            m.d.sync += first.eq(counter.group_ends)
        with m.If(self.start):
            m.d.sync += first.eq(1)

        valid, begins = delay(m, accept, 2, reset=True), delay(m, first, 2)
        ends = delay(m, accept & counter.group_ends, 3, reset=True)
        sums = []
        before = Signal(data.ArrayLayout(signed(KEPT_BITS), self.lanes), reset_less=True)
        for c in range(self.lanes):
            # Cycle 1: without what is not of the group. Cycle 2: pixels. Cycle 3: beats.
            masked = [
                Signal(signed(8), name=f"masked{w}_{c}", reset_less=True) for w in range(width)
            ]
            beat = Signal.like(sum(masked), name=f"beat{c}", reset_less=True)
            total = Signal(signed(SUM_BITS), name=f"total{c}", reset_less=True)
            m.d.sync += [
                *(x.eq(Mux(counter.used[w], self.i.p[w][c], 0)) for w, x in enumerate(masked)),
                beat.eq(sum(masked)),
            ]
            with m.If(valid):
                m.d.sync += total.eq(Mux(begins, before[c], total) + beat)
            sums.append(total)
        self._keep(m, sums, ends, before, accept & counter.group_ends)
        return sums, delay(m, closes, 3, reset=True)

    def _keep(self, m, sums, end, before, group_ends):
        """Remember each group's ``sums`` when they are complete (``end``), and have those of the
        step before in ``before`` when a group's first beat is summed: two cycles after it came."""
        kept: Memory[Any, Any] = Memory(
            shape=before.shape(), depth=limits.SQUEEZE_GROUPS, init=[],
            attrs={"ram_style": "distributed"},
        )  # fmt: skip
        m.submodules.kept = kept
        write, read = kept.write_port(), kept.read_port(domain="comb")
        group = Signal(range(limits.SQUEEZE_GROUPS))
        m.d.comb += [
            write.en.eq(end),
            write.addr.eq(delay(m, group, 3)),
            write.data.eq(Cat(total[:KEPT_BITS] for total in sums)),
            read.addr.eq(delay(m, group, 1)),
        ]
        m.d.sync += before.eq(read.data)
        with m.If(~self.step.squeeze_resume):
            m.d.sync += before.eq(0)
        with m.If(group_ends):
            m.d.sync += group.eq(group + 1)
        with m.If(self.start):
            m.d.sync += group.eq(0)

    def _requantize(self, m, sums, capture):
        """The sums, one after another, into ``vector``."""
        lanes, step = self.lanes, self.step
        m.submodules.lane = lane = RequantizeLane(SUM_BITS)
        less_one = Signal.like(step.squeeze_shift)
        m.d.comb += [
            less_one.eq(step.squeeze_shift - 1),
            lane.param.bias.eq(step.squeeze_bias),
            lane.param.multiplier.eq(step.squeeze_multiplier),
            lane.param.shift.eq(less_one),
            lane.zero.eq(step.squeeze_zero),
            lane.low.eq(-128),
            lane.high.eq(127),
        ]

        # A round of C shifts leaves the sums in their places.
        queue = [Signal(signed(SUM_BITS), name=f"queue{c}", reset_less=True) for c in range(lanes)]
        turning = Signal(lanes)
        m.d.sync += turning.eq(Cat(capture, turning))
        m.d.comb += lane.acc.eq(queue[0])
        with m.If(turning.any()):
            m.d.sync += [to.eq(value) for to, value in pairwise([*queue, queue[0]])]
        with m.If(capture):
            m.d.sync += [to.eq(value) for to, value in zip(queue, sums, strict=True)]

        # Results come RequantizeLane.LATENCY cycles after their sums, which start to leave the
        # cycle after the capture; shifted in from above, the first one ends up lowest.
        results = [Signal(signed(8), name=f"result{c}", reset_less=True) for c in range(lanes)]
        coming = delay(m, capture, RequantizeLane.LATENCY, reset=True)
        shift_in = Signal(lanes)
        m.d.sync += shift_in.eq(Cat(coming, shift_in))
        with m.If(shift_in.any()):
            m.d.sync += [
                to.eq(value) for to, value in zip(results, [*results[1:], lane.result], strict=True)
            ]
        with m.If(self.vector.ready):
            m.d.sync += self.vector.valid.eq(0)
        with m.If(shift_in[-1]):
            m.d.sync += self.vector.valid.eq(1)
        plain = Signal()
        m.d.sync += plain.eq(step.squeeze_shift == 0)
        lowest = self.vector.p.data[0]
        for c, (result, total) in enumerate(zip(results, queue, strict=True)):
            m.d.comb += lowest[c].eq(Mux(plain, total[:8], result))
            m.d.comb += [
                self.vector.p.data[k][c].eq(total[8 * k : 8 * k + 8].as_signed())
                for k in range(1, min(limits.SUM_BYTES, self.row))
            ]
