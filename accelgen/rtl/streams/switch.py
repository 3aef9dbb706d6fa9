"""Stream switches: one stream to one of several, or one of two to one."""

from amaranth import Cat, Module, Mux, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.basics.copies import copies

__all__ = ["StreamJoin", "StreamShare"]


class StreamShare(wiring.Component):
    """``i`` is shown at all outputs and goes to the one that is wanted. Combinational.

    The others look at no ``valid``: nothing but one multiplexer is in the way of ``ready``.

    Parameters
    ----------
    shape : shape-like
        Shape of a payload.
    ways : int
        Outputs.

    Members
    -------
    wanted : In(ways)
        The bit of the output that takes what flows; registers. Changes only while nothing does.
    i : In(stream of shape)
    o0, o1, ... : Out(stream of shape)
    """

    def __init__(self, shape, ways: int):
        self._outputs = [f"o{n}" for n in range(ways)]
        super().__init__({
            "wanted": In(ways),
            "i": In(stream.Signature(shape)),
            **{name: Out(stream.Signature(shape)) for name in self._outputs},
        })

    def elaborate(self, platform):
        m = Module()

        outputs = [getattr(self, name) for name in self._outputs]
        for output in outputs:
            m.d.comb += [
                output.payload.eq(self.i.payload),
                output.valid.eq(self.i.valid),
            ]
        ready = Cat(output.ready for output in outputs)
        m.d.comb += self.i.ready.eq((ready & self.wanted).any())

        return m


#: Bits of a payload that share a register of their selection.
_BITS_PER_COPY = 256


class StreamJoin(wiring.Component):
    """Combinational: ``o`` comes from ``i1`` when ``select`` is 1, else from ``i0``.

    The one that is not selected has nothing to offer, or looks at no ``ready``.

    Members
    -------
    select : In(1)
        Changes only while nothing flows, and a cycle before anything does. Registered.
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

        one, zero, out = (Value.cast(s.payload) for s in (self.i1, self.i0, self.o))
        select, *selects = copies(m, self.select, 1 + -(-len(out) // _BITS_PER_COPY), name="select")
        for n, copy in enumerate(selects):
            bits = slice(n * _BITS_PER_COPY, min((n + 1) * _BITS_PER_COPY, len(out)))
            m.d.comb += out[bits].eq(Mux(copy, one[bits], zero[bits]))
        m.d.comb += [
            self.o.valid.eq(Mux(select, self.i1.valid, self.i0.valid)),
            self.i0.ready.eq(self.o.ready),
            self.i1.ready.eq(self.o.ready),
        ]

        return m
