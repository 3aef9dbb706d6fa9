"""Loop counter: the index of a counted loop, reduced to whether this pass is the last."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LoopCounter"]


class LoopCounter(wiring.Component):
    """Counts the passes of a loop. ``last`` comes out of a register, so loops nest cheaply.

    Parameters
    ----------
    width : int
        Bits of ``count``.

    Members
    -------
    count : In(width)
        Passes, at least 1. Stable from a cycle before ``start`` on.
    start : In(1)
        Begin the first pass.
    step : In(1)
        A pass is done. After the last one the loop begins again.
    last : Out(1)
        This is the last pass.
    """

    def __init__(self, width: int):
        self._width = width
        super().__init__({"count": In(width), "start": In(1), "step": In(1), "last": Out(1)})

    def elaborate(self, platform):
        m = Module()

        left = Signal(self._width, reset_less=True)
        single = Signal(reset_less=True)
        last = Signal(reset_less=True)
        m.d.comb += self.last.eq(last)
        m.d.sync += single.eq(self.count == 1)
        with m.If(self.start | (self.step & last)):
            m.d.sync += [left.eq(self.count), last.eq(single)]
        with m.Elif(self.step):
            m.d.sync += [left.eq(left - 1), last.eq(left == 2)]

        return m
