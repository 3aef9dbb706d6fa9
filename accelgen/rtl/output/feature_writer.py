"""Feature writer: gives the rows of a step their addresses, and tells when the step is done."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import isa
from accelgen.rtl import layouts

__all__ = ["FeatureWriter"]


class FeatureWriter(wiring.Component):
    """Row r of group g goes to feature row ``out_row + g * out_stride + r``, r < ``out_rows``.

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
        Squeezed vectors; only lane 0 is looked at, the others are written with anything.
    o : Out(stream of row_choice)
        To the feature memory, which has a choice between rows anyway: a LUT per bit for both.
        Comes out of registers.
    done : Out(1)
        Pulse: ``o`` was taken for the last time in this step.
    """

    LATENCY = 1

    def __init__(self, *, lanes: int, row: int):
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
        advance, take_row, take_vector = Signal(), Signal(), Signal()
        ready, use_vector, straight = Signal(), Signal(), Signal()
        m.d.sync += straight.eq(self.from_straight)
        row, want_rows = self._row_address(m, take_row)
        vectors = Signal.like(self.step.groups)
        want_vectors = Signal()  # vectors != 0
        m.d.comb += [
            self.o.p.write.row.eq(address),
            self.o.p.write.phases.eq(phases),
            self.o.p.from_straight.eq(straight),
            advance.eq(~self.o.valid | self.o.ready),
            self.vector.ready.eq(advance & want_vectors),
            use_vector.eq(self.vector.valid & want_vectors),
            ready.eq(advance & want_rows & ~use_vector),
            self.i.ready.eq(ready & ~straight),
            # No vector is squeezed of what comes straight.
            self.straight.ready.eq(advance & want_rows & straight),
            take_vector.eq(self.vector.valid & self.vector.ready),
            take_row.eq(
                Mux(straight, self.straight.valid & self.straight.ready, self.i.valid & ready)
            ),
        ]
        with m.If(advance):
            m.d.sync += self.o.valid.eq(take_row | take_vector)
            m.d.sync += [address.eq(row), phases.eq(self.step.out_phases)]
            with m.If(use_vector):
                m.d.sync += [address.eq(self.vector.p.row), phases.eq(0)]
        rows = Signal.like(self.i.payload, name="rows", reset_less=True)
        straights = Signal.like(self.straight.payload, name="straights", reset_less=True)
        with m.If(advance):
            m.d.sync += [rows.eq(self.i.payload), straights.eq(self.straight.payload)]
            with m.If(use_vector):
                m.d.sync += rows[0].eq(self.vector.p.data[0])
        m.d.comb += [self.o.p.write.data.eq(rows), self.o.p.straight.eq(straights)]

        with m.If(take_vector):
            m.d.sync += [vectors.eq(vectors - 1), want_vectors.eq(vectors != 1)]
        running = Signal()
        m.d.sync += self.done.eq(0)
        with m.If(running & advance & ~want_rows & ~want_vectors):
            m.d.sync += [running.eq(0), self.done.eq(1)]
        with m.If(self.start):
            m.d.sync += [
                running.eq(1),
                vectors.eq(self.step.groups),
                want_vectors.eq(self.step.squeeze),
            ]

        return m

    def _row_address(self, m, take):
        """Address of the next row, and whether one is expected."""
        row, base = Signal(16), Signal(16)
        left = Signal.like(self.step.out_rows)
        groups, wanted = Signal.like(self.step.groups), Signal()
        with m.If(take):
            m.d.sync += [row.eq(row + 1), left.eq(left - 1)]
            with m.If(left == 1):
                m.d.sync += [
                    row.eq(base),
                    base.eq(base + self.step.out_stride),
                    left.eq(self.step.out_rows),
                    groups.eq(groups - 1),
                    wanted.eq(groups != 1),
                ]
        with m.If(self.start):
            m.d.sync += [
                row.eq(self.step.out_row),
                base.eq(self.step.out_row + self.step.out_stride),
                left.eq(self.step.out_rows),
                groups.eq(self.step.groups),
                wanted.eq(self.step.write),
            ]
        return row, wanted
