"""Width changers: parts to a whole, and a whole to its parts."""

from amaranth import Cat, Module, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Narrower", "Widener"]


class Widener(wiring.Component):
    """Gathers ``parts`` payloads into one, the first in the lowest bits. A part per cycle.

    Parameters
    ----------
    part, whole : shape-like
        Shapes; ``whole`` is as wide as all its parts.

    Members
    -------
    i : In(stream of part)
        Parts.
    o : Out(stream of whole)
        Wholes, a cycle after their last part.
    """

    def __init__(self, part, whole):
        self._width = Shape.cast(part).width
        self._parts = Shape.cast(whole).width // self._width
        assert self._parts * self._width == Shape.cast(whole).width
        super().__init__({
            "i": In(stream.Signature(part)),
            "o": Out(stream.Signature(whole)),
        })

    def elaborate(self, platform):
        m = Module()

        held = Signal(max(1, (self._parts - 1) * self._width), reset_less=True)
        whole = Signal(self._parts * self._width, reset_less=True)
        # One bit per part held; the last part goes straight into the whole.
        at = Signal(self._parts, init=1)
        free = Signal()
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(free | ~at[-1]),
            self.o.payload.eq(whole),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += at.eq(at.rotate_left(1))
            if self._parts > 1:
                m.d.sync += held.eq(Cat(held, self.i.payload)[self._width :])
            with m.If(at[-1]):
                m.d.sync += self.o.valid.eq(1)
        # Loaded whenever free, so that the data path has no enable from the handshake.
        with m.If(free):
            inner = held if self._parts > 1 else held[:0]
            m.d.sync += whole.eq(Cat(inner, self.i.payload))

        return m


class Narrower(wiring.Component):
    """Cuts a payload into ``parts``, the lowest bits first. A part per cycle.

    Parameters
    ----------
    whole, part : shape-like
        Shapes; ``whole`` is as wide as all its parts.

    Members
    -------
    i : In(stream of whole)
        Wholes.
    last : In(range(parts))
        Index of the last part wanted; the rest of the whole is dropped. Goes with ``i.payload``.
    o : Out(stream of part)
        Parts.
    """

    def __init__(self, whole, part):
        self._width = Shape.cast(part).width
        self._parts = Shape.cast(whole).width // self._width
        assert self._parts * self._width == Shape.cast(whole).width
        super().__init__({
            "i": In(stream.Signature(whole)),
            "last": In(range(self._parts), init=self._parts - 1),  # type: ignore[call-arg]  # not in the stubs
            "o": Out(stream.Signature(part)),
        })

    def elaborate(self, platform):
        m = Module()

        held = Signal(self._parts * self._width, reset_less=True)
        at, left = Signal(range(self._parts)), Signal(range(self._parts))
        end = Signal(init=1)  # left == 0
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | (self.o.ready & end)),
            # A multiplexer, and not a shift of so many registers.
            self.o.payload.eq(held.word_select(at, self._width)),
        ]
        with m.If(self.o.ready):
            m.d.sync += [at.eq(at + 1), left.eq(left - 1), end.eq(left == 1)]
            with m.If(end):
                m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.ready):
            m.d.sync += [
                held.eq(self.i.payload),
                at.eq(0),
                left.eq(self.last),
                end.eq(self.last == 0),
                self.o.valid.eq(self.i.valid),
            ]

        return m
