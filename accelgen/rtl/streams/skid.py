"""Skid: a register in a stream's way back, none in its way forth."""

from amaranth import Module, Mux, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Skid"]


class Skid(wiring.Component):
    """``i`` passes to ``o`` in the same cycle; ``i.ready`` comes out of a register.

    What comes while ``o`` is not ready is kept here until it is. Full rate.

    Parameters
    ----------
    shape : shape-like
        Shape of a payload.

    Members
    -------
    i : In(stream of shape)
    o : Out(stream of shape)
    """

    def __init__(self, shape):
        self._width = Shape.cast(shape).width
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()

        held = Signal()
        kept = Signal(self._width, reset_less=True)
        coming = Signal(self._width)
        m.d.comb += [
            coming.eq(self.i.payload),
            self.i.ready.eq(~held),
            self.o.valid.eq(self.i.valid | held),
            self.o.payload.eq(Mux(held, kept, coming)),
        ]
        m.d.sync += held.eq(self.o.valid & ~self.o.ready)
        with m.If(~held):
            m.d.sync += kept.eq(coming)

        return m
