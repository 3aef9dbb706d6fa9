"""Accumulator join: beats of one of two accumulator queues."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.rtl import layouts

__all__ = ["AccJoin"]


class AccJoin(wiring.Component):
    """``o`` comes from ``i1`` when ``select`` is 1, else from ``i0``. Combinational.

    Double-pumped, accumulators are in the fast domain: the selection of each channel's is a
    register of its own, so that none of these between two fast registers has many loads.

    Parameters
    ----------
    arch : ArchParams
        Uses ``lanes``, ``chain_pixels``, ``acc_bits`` and ``pe_mode``.

    Members
    -------
    select : In(1)
        Changes only while nothing flows, two cycles before anything does.
    i0, i1 : In(stream of accumulator_beat)
    o : Out(stream of accumulator_beat)
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        beats = stream.Signature(layouts.accumulator_beat(arch))
        super().__init__({"select": In(1), "i0": In(beats), "i1": In(beats), "o": Out(beats)})

    def elaborate(self, platform):
        m = Module()

        select = Signal()
        m.d.sync += select.eq(self.select)
        m.d.comb += [
            self.o.p.keep.eq(Mux(select, self.i1.p.keep, self.i0.p.keep)),
            self.o.valid.eq(Mux(select, self.i1.valid, self.i0.valid)),
            self.i0.ready.eq(self.o.ready & ~select),
            self.i1.ready.eq(self.o.ready & select),
        ]
        for c in range(self.arch.lanes):
            m.submodules[f"channel{c}"] = channel = _Channel(self.arch)
            m.d.comb += channel.select.eq(self.select)
            for n, out in enumerate(channel.o):
                m.d.comb += [
                    channel.i0[n].eq(self.i0.p.acc[n][c]),
                    channel.i1[n].eq(self.i1.p.acc[n][c]),
                    self.o.p.acc[n][c].eq(out),
                ]

        return m


class _Channel(wiring.Component):
    """One channel's accumulators. ``select`` is registered."""

    def __init__(self, arch: ArchParams):
        acc = layouts.accumulator_beat(arch)["acc"].shape
        column = data.ArrayLayout(acc.elem_shape.elem_shape, acc.length)
        super().__init__({"select": In(1), "i0": In(column), "i1": In(column), "o": Out(column)})

    def elaborate(self, platform):
        m = Module()

        select = Signal()
        m.d.sync += select.eq(self.select)
        m.d.comb += self.o.eq(Mux(select, self.i1, self.i0))

        return m
