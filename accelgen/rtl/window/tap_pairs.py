"""Tap pairs: two taps that follow each other in the stream become one word."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl import layouts

__all__ = ["TapPairs"]


class TapPairs(wiring.Component):
    """Collects taps two by two; a group of taps has an even number of them.

    Parameters
    ----------
    lanes : int
        Channels of a tap.

    Members
    -------
    i : In(stream of tap)
        Taps.
    o : Out(stream of two taps)
        The first of a pair in place 0.
    """

    def __init__(self, lanes: int):
        tap = layouts.tap(lanes)
        self._tap = tap
        super().__init__({
            "i": In(stream.Signature(tap)),
            "o": Out(stream.Signature(data.ArrayLayout(tap, 2))),
        })

    def elaborate(self, platform):
        m = Module()

        first, held = Signal(self._tap, reset_less=True), Signal()
        m.d.comb += [
            self.i.ready.eq(~held | self.o.ready),
            self.o.valid.eq(held & self.i.valid),
            self.o.p[0].eq(first),
            self.o.p[1].eq(self.i.payload),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [first.eq(self.i.payload), held.eq(~held)]

        return m
