"""Feature writer: gives the rows of a step their addresses, and tells when the step is done."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from accelgen.arch import isa, limits
from accelgen.arch.limits import piece_pixels
from accelgen.rtl import layouts
from accelgen.rtl.output.weaver import Weaver

__all__ = ["FeatureWriter"]


class FeatureWriter(wiring.Component):
    """Row r of group g goes to feature row ``out_row + g * out_stride + r``, r < ``out_rows``.

    Of a ``woven`` step ``out_rows`` counts writes, ``weaver.py`` makes them, and ``mask`` says
    which banks they are for: pieces of rows, or rows, follow each other, over every other line
    where ``woven_line`` says how long lines are.

    Rows are expected when ``step.write`` is set, one squeezed vector per group when
    ``step.squeeze`` is; vectors come with their address and may come before or after their
    group's rows. One row or vector per cycle, ``LATENCY`` cycles later; vectors go first.

    Parameters
    ----------
    lanes, row : int
        Channels, pixels of a row (P).

    Members
    -------
    step : In(fields of isa.EXEC)
        Static from ``start`` until ``done``.
    start : In(1)
        Pulse before a step's first row.
    i : In(stream of row)
        Rows of the output map out of the chain.
    straight : In(stream of row)
        The same, of steps that leave it out; not when ``step.squeeze``.
    from_straight : In(1)
        Rows are at ``straight``. Static like ``step``.
    vector : In(stream of row_write)
        Squeezed vectors; lanes 0 to 3 are looked at, the others are written with anything.
    o : Out(stream of row_choice)
        To the feature memory, which has a choice between rows anyway: a LUT per bit for both.
        Comes out of registers.
    done : Out(1)
        Pulse: ``o`` was taken for the last time in this step.
    """

    LATENCY = 1

    def __init__(self, *, lanes: int, row: int):
        self.lanes = lanes
        self.row = row
        rows = stream.Signature(layouts.pixels(lanes, row))
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "i": In(rows),
            "straight": In(rows),
            "from_straight": In(1),
            "vector": In(stream.Signature(layouts.row_write(lanes, row))),
            "o": Out(stream.Signature(layouts.row_choice(lanes, row))),
            "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        address = Signal(16, reset_less=True)
        phases = Signal(reset_less=True)
        mask = Signal(self.row, reset_less=True)
        advance, take_row, take_vector = Signal(), Signal(), Signal()
        ready, use_vector, straight = Signal(), Signal(), Signal()
        m.d.sync += straight.eq(self.from_straight)
        row, wanted, banks, woven = self._addresses(m, take_row)
        vectors = Signal.like(self.step.groups)
        want_vectors = Signal()  # vectors != 0
        m.d.comb += [
            self.o.p.write.row.eq(address),
            self.o.p.write.phases.eq(phases),
            self.o.p.from_straight.eq(straight),
            self.o.p.mask.eq(mask),
            advance.eq(~self.o.valid | self.o.ready),
            self.vector.ready.eq(advance & want_vectors),
            use_vector.eq(self.vector.valid & want_vectors),
            ready.eq(advance & wanted & ~use_vector),
            self.i.ready.eq(ready & ~straight),
            # No vector is squeezed of what comes straight.
            woven.ready.eq(advance & wanted & straight),
            take_vector.eq(self.vector.valid & self.vector.ready),
            take_row.eq(Mux(straight, woven.valid & woven.ready, self.i.valid & ready)),
        ]
        with m.If(advance):
            m.d.sync += self.o.valid.eq(take_row | take_vector)
            m.d.sync += [address.eq(row), phases.eq(self.step.out_phases), mask.eq(banks)]
            with m.If(use_vector):
                m.d.sync += [address.eq(self.vector.p.row), phases.eq(0), mask.eq(~0)]
        rows = Signal.like(self.i.payload, name="rows", reset_less=True)
        straights = Signal.like(self.straight.payload, name="straights", reset_less=True)
        with m.If(advance):
            m.d.sync += [rows.eq(self.i.payload), straights.eq(woven.payload)]
            with m.If(use_vector):
                m.d.sync += [
                    rows[lane].eq(self.vector.p.data[lane])
                    for lane in range(min(limits.SUM_BYTES, self.row))
                ]
        m.d.comb += [self.o.p.write.data.eq(rows), self.o.p.straight.eq(straights)]

        with m.If(take_vector):
            m.d.sync += [vectors.eq(vectors - 1), want_vectors.eq(vectors != 1)]
        running = Signal()
        m.d.sync += self.done.eq(0)
        with m.If(running & advance & ~wanted & ~want_vectors):
            m.d.sync += [running.eq(0), self.done.eq(1)]
        with m.If(self.start):
            m.d.sync += [
                running.eq(1),
                vectors.eq(self.step.groups),
                want_vectors.eq(self.step.squeeze),
            ]

        return m

    def _addresses(self, m, take):
        """Row and banks of the next write, whether one is expected, and the rows that come
        straight, woven where they are to be."""
        step = self.step
        left, groups = Signal.like(step.out_rows), Signal.like(step.groups)
        wanted, last, ends = Signal(), Signal(), Signal()
        m.d.comb += [last.eq(left == 1), ends.eq(last & (groups == 1))]
        with m.If(take):
            m.d.sync += left.eq(left - 1)
            with m.If(last):
                m.d.sync += [left.eq(step.out_rows), groups.eq(groups - 1), wanted.eq(~ends)]
        with m.If(self.start):
            m.d.sync += [left.eq(step.out_rows), groups.eq(step.groups), wanted.eq(step.write)]
        if self.row == 1:
            return self._places(m, take, last, 1)[0], wanted, 1, self.straight
        m.submodules.weaver = weaver = Weaver(lanes=self.lanes, row=self.row)
        wiring.connect(m, wiring.flipped(self.straight), weaver.i)
        m.d.comb += [
            weaver.woven.eq(step.woven),
            weaver.pieces.eq(step.woven_pieces),
            weaver.wanted.eq(wanted),
            weaver.last.eq(last),
        ]
        piece = piece_pixels(self.row)
        row, place = self._places(m, take, last, self.row // piece)
        woven, odd, pieces, banks = Signal(), Signal(), Signal(), Signal(self.row)
        m.d.sync += [woven.eq(step.woven), odd.eq(step.woven_odd), pieces.eq(step.woven_pieces)]
        for n in range(self.row):
            here = ~pieces | (place == n // piece)
            m.d.comb += banks[n].eq(~woven | (here & (odd == n % 2)))
        return row, wanted, banks, weaver.o

    def _places(self, m, take, last, pieces):
        """Row, and piece in it, of the next write: lines that are not this step's are passed by."""
        step, bits = self.step, exact_log2(pieces)
        at, group, first = (Signal(16 + bits, name=n) for n in ("at", "group", "first"))
        line, by, jump = Signal(12), Signal(range(pieces + 1)), Signal(range(4096 + pieces))
        m.d.sync += [
            by.eq(Mux(step.woven_pieces, 1, pieces)),
            jump.eq(step.woven_line + Mux(step.woven_pieces, 1, pieces)),
            first.eq((step.out_row << bits) + Mux(step.woven_second, step.woven_line, 0)),
        ]
        line_ends = Signal()
        m.d.comb += line_ends.eq((line == by) & (step.woven_line != 0))
        with m.If(take):
            m.d.sync += [at.eq(at + Mux(line_ends, jump, by)), line.eq(line - by)]
            with m.If(line_ends):
                m.d.sync += line.eq(step.woven_line)
            with m.If(last):
                m.d.sync += [
                    at.eq(group), group.eq(group + (step.out_stride << bits)),
                    line.eq(step.woven_line),
                ]  # fmt: skip
        with m.If(self.start):
            m.d.sync += [
                at.eq(first), group.eq(first + (step.out_stride << bits)),
                line.eq(step.woven_line),
            ]  # fmt: skip
        return at[bits:], at[:bits]
