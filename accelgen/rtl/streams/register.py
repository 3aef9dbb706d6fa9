"""Stream register: nothing combinational in either direction, at half the rate."""

from amaranth import Module, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["StreamRegister"]


class StreamRegister(wiring.Component):
    """A payload every other cycle, a cycle later. ``i.ready`` and all of ``o`` are registers.

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
        payload = Signal(self._width, reset_less=True)
        m.d.comb += [
            self.i.ready.eq(~held),
            self.o.valid.eq(held),
            self.o.payload.eq(payload),
        ]
        with m.If(held):
            m.d.sync += held.eq(~self.o.ready)
        with m.Else():
            m.d.sync += [held.eq(self.i.valid), payload.eq(self.i.payload)]

        return m
