"""Credits: room reserved ahead for what cannot be stopped once it is under way."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Credits"]


class Credits(wiring.Component):
    """Counts free places. ``some`` comes out of a register.

    Parameters
    ----------
    count : int
        Places, all free at reset.
    reserve : int
        Places that ``some`` does not count: for takes that come a cycle late.

    Members
    -------
    take : In(1)
        A place is taken. Only when ``some``, now or up to ``reserve`` cycles ago.
    give : In(1)
        A place is free again.
    some, all : Out(1)
        At least one place is free, besides the reserve; every place is.
    """

    def __init__(self, count: int, *, reserve: int = 0):
        self.count = count
        self.reserve = reserve
        super().__init__({
            "take": In(1),
            "give": In(1),
            # The stubs of Amaranth do not know `init` yet.
            "some": Out(1, init=1),  # type: ignore[call-arg]
            "all": Out(1, init=1),  # type: ignore[call-arg]
        })

    def elaborate(self, platform):
        m = Module()

        reserve = self.reserve
        free = Signal(range(self.count + 1), init=self.count)
        with m.If(self.take & ~self.give):
            m.d.sync += [free.eq(free - 1), self.some.eq(free > reserve + 1), self.all.eq(0)]
        with m.If(self.give & ~self.take):
            m.d.sync += [
                free.eq(free + 1),
                self.some.eq(free >= reserve),
                self.all.eq(free == self.count - 1),
            ]

        return m
