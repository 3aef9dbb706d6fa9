"""Accumulator join: beats of one of two accumulator queues."""

from amaranth import Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl import layouts
from accelgen.rtl.basics.copies import copies
from accelgen.rtl.dsp.double_pump import SINGLE_CLOCK, Clocking

__all__ = ["AccJoin"]


class AccJoin(wiring.Component):
    """``o`` comes from ``i1`` when ``select`` is 1, else from ``i0``. Combinational.

    The one that is not selected has nothing to offer, or looks at no ``ready``.

    The selection of each channel's is a register of its own, so that none has many loads.

    Parameters
    ----------
    lanes, width, acc_bits : int
        Channels, pixels of a beat, bits of an accumulator.
    clocking : Clocking
        Of the accumulators.

    Members
    -------
    select : In(1)
        Changes only while nothing flows, two cycles before anything does.
    i0, i1 : In(stream of accumulator_beat)
    o : Out(stream of accumulator_beat)
    """

    def __init__(self, *, lanes: int, width: int, acc_bits: int, clocking: Clocking = SINGLE_CLOCK):
        self.lanes = lanes
        beat = layouts.accumulator_beat(lanes, width, acc_bits, turns=clocking.turns)
        beats = stream.Signature(beat)
        super().__init__({"select": In(1), "i0": In(beats), "i1": In(beats), "o": Out(beats)})

    def elaborate(self, platform):
        m = Module()

        select, *selects = copies(m, self.select, 1 + self.lanes, name="select")
        m.d.comb += [
            self.o.p.keep.eq(Mux(select, self.i1.p.keep, self.i0.p.keep)),
            self.o.p.kept.eq(Mux(select, self.i1.p.kept, self.i0.p.kept)),
            self.o.valid.eq(Mux(select, self.i1.valid, self.i0.valid)),
            self.i0.ready.eq(self.o.ready),
            self.i1.ready.eq(self.o.ready),
        ]
        for c in range(self.lanes):
            m.d.comb += [
                out[c].eq(Mux(selects[c], one[c], zero[c]))
                for out, one, zero in zip(self.o.p.acc, self.i1.p.acc, self.i0.p.acc, strict=True)
            ]

        return m
