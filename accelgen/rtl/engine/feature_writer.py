"""Feature writer: gives the rows of a step their addresses, and tells when the step is done."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts

__all__ = ["FeatureWriter"]


class FeatureWriter(wiring.Component):
    """Row r of group g goes to feature row ``out_row + g * out_stride + r``, r < ``out_rows``.

    Rows are expected when ``step.write`` is set, one squeezed vector per group when
    ``step.squeeze`` is; vectors come with their address and may come before or after their
    group's rows. One row or vector per cycle, ``LATENCY`` cycles later; vectors go first.

    Parameters
    ----------
    arch : ArchParams
        Uses ``lanes`` and ``pixels``.

    Members
    -------
    step : In(fields of isa.EXEC)
        Static from ``start`` until ``done``.
    start : In(1)
        Pulse before a step's first row.
    i : In(stream of row)
        Rows of the output map.
    vector : In(stream of row_write)
        Squeezed vectors.
    o : Out(stream of row_write)
        To the feature memory. Comes out of registers.
    done : Out(1)
        Pulse: ``o`` was taken for the last time in this step.
    """

    LATENCY = 1

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "i": In(stream.Signature(layouts.row(arch))),
            "vector": In(stream.Signature(layouts.row_write(arch))),
            "o": Out(stream.Signature(layouts.row_write(arch))),
            "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        payload = Signal(layouts.row_write(self.arch), reset_less=True)
        advance, take_row, take_vector = Signal(), Signal(), Signal()
        row, want_rows = self._row_address(m, take_row)
        vectors = Signal.like(self.step.groups)
        want_vectors = vectors != 0
        m.d.comb += [
            self.o.payload.eq(payload),
            advance.eq(~self.o.valid | self.o.ready),
            self.vector.ready.eq(advance & want_vectors),
            self.i.ready.eq(advance & want_rows & ~(self.vector.valid & want_vectors)),
            take_vector.eq(self.vector.valid & self.vector.ready),
            take_row.eq(self.i.valid & self.i.ready),
        ]
        with m.If(advance):
            m.d.sync += self.o.valid.eq(take_row | take_vector)
            with m.If(self.vector.valid & want_vectors):
                m.d.sync += payload.eq(self.vector.payload)
            with m.Else():
                m.d.sync += [
                    payload.row.eq(row),
                    payload.phases.eq(self.step.out_phases),
                    payload.data.eq(self.i.payload),
                ]

        with m.If(take_vector):
            m.d.sync += vectors.eq(vectors - 1)
        running = Signal()
        m.d.sync += self.done.eq(0)
        with m.If(running & advance & ~want_rows & ~want_vectors):
            m.d.sync += [running.eq(0), self.done.eq(1)]
        with m.If(self.start):
            m.d.sync += [
                running.eq(1),
                vectors.eq(self.step.squeeze.replicate(len(vectors)) & self.step.groups),
            ]

        return m

    def _row_address(self, m, take):
        """Address of the next row, and whether one is expected."""
        row, base = Signal(16), Signal(16)
        left = Signal.like(self.step.out_rows)
        groups = Signal.like(self.step.groups)
        with m.If(take):
            m.d.sync += [row.eq(row + 1), left.eq(left - 1)]
            with m.If(left == 1):
                m.d.sync += [
                    row.eq(base),
                    base.eq(base + self.step.out_stride),
                    left.eq(self.step.out_rows),
                    groups.eq(groups - 1),
                ]
        with m.If(self.start):
            m.d.sync += [
                row.eq(self.step.out_row),
                base.eq(self.step.out_row + self.step.out_stride),
                left.eq(self.step.out_rows),
                groups.eq(self.step.write.replicate(len(groups)) & self.step.groups),
            ]
        return row, groups != 0
