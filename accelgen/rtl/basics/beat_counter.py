"""Beat counter: where in its row and its group a beat of W pixels stands."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

__all__ = ["BeatCounter"]


class BeatCounter(wiring.Component):
    """Counts the beats of groups of ``pixels`` pixels; each group starts a fresh row.

    Parameters
    ----------
    row, width : int
        Pixels of a row and of a beat (P, W).

    Members
    -------
    pixels : In(20)
        Pixels per group; at least 1. Static from ``start`` on.
    start : In(1)
        Pulse: the next beat is a group's first.
    advance : In(1)
        A beat was taken.
    slot : Out(range(P / W))
        Place of the beat in its row.
    row_ends, group_ends : Out(1)
        It is the last of its row, of its group.
    used : Out(W)
        Its lanes that hold pixels of the group.
    """

    def __init__(self, *, row: int, width: int):
        self.width = width
        self.slots = row // width
        super().__init__({
            "pixels": In(20),
            "start": In(1),
            "advance": In(1),
            "slot": Out(range(self.slots)),
            "row_ends": Out(1),
            "group_ends": Out(1),
            "used": Out(width),
        })

    def elaborate(self, platform):
        m = Module()
        width_bits = exact_log2(self.width)

        last_beat = (self.pixels - 1)[width_bits : len(self.pixels)]
        left = Signal.like(last_beat)  # beats of the group after this one
        # Both found out a beat ahead: left == 0, and that or the row's last slot.
        ends, row_ends = Signal(), Signal()
        next_slot, next_ends = Signal.like(self.slot), Signal()
        m.d.comb += [
            self.group_ends.eq(ends),
            self.row_ends.eq(row_ends),
            next_slot.eq(Mux(row_ends, 0, self.slot + 1)),
            next_ends.eq(Mux(ends, last_beat == 0, left == 1)),
        ]
        with m.If(self.start):
            m.d.comb += [next_slot.eq(0), next_ends.eq(last_beat == 0)]
        with m.If(self.start):
            m.d.sync += left.eq(last_beat)
        with m.Elif(self.advance):
            m.d.sync += left.eq(Mux(ends, last_beat, left - 1))
        with m.If(self.start | self.advance):
            m.d.sync += [
                self.slot.eq(next_slot),
                ends.eq(next_ends),
                row_ends.eq(next_ends | (next_slot == self.slots - 1)),
            ]

        tail = self.pixels[:width_bits]
        for lane in range(self.width):
            m.d.comb += self.used[lane].eq(~self.group_ends | (tail == 0) | (lane < tail))

        return m
