"""Stream switches: one stream to one of two, or one of two to one, by a static selection."""

from amaranth import Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["StreamJoin", "StreamSplit"]


class StreamSplit(wiring.Component):
    """Combinational: ``i`` goes to ``o1`` when ``select`` is 1, else to ``o0``.

    Members
    -------
    select : In(1)
        Changes only while nothing flows.
    i : In(stream of shape)
    o0, o1 : Out(stream of shape)
    """

    def __init__(self, shape):
        super().__init__({
            "select": In(1),
            "i": In(stream.Signature(shape)),
            "o0": Out(stream.Signature(shape)),
            "o1": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()

        m.d.comb += [
            self.o0.payload.eq(self.i.payload),
            self.o1.payload.eq(self.i.payload),
            self.o0.valid.eq(self.i.valid & ~self.select),
            self.o1.valid.eq(self.i.valid & self.select),
            self.i.ready.eq(Mux(self.select, self.o1.ready, self.o0.ready)),
        ]

        return m


class StreamJoin(wiring.Component):
    """Combinational: ``o`` comes from ``i1`` when ``select`` is 1, else from ``i0``.

    Members
    -------
    select : In(1)
        Changes only while nothing flows.
    i0, i1 : In(stream of shape)
    o : Out(stream of shape)
    """

    def __init__(self, shape):
        super().__init__({
            "select": In(1),
            "i0": In(stream.Signature(shape)),
            "i1": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()

        m.d.comb += [
            self.o.payload.eq(Mux(self.select, self.i1.payload, self.i0.payload)),
            self.o.valid.eq(Mux(self.select, self.i1.valid, self.i0.valid)),
            self.i0.ready.eq(self.o.ready & ~self.select),
            self.i1.ready.eq(self.o.ready & self.select),
        ]

        return m
