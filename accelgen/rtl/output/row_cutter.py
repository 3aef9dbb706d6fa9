"""Row cutter: rows of P pixels to beats of W pixels."""

from amaranth import Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl import layouts
from accelgen.rtl.basics.beat_counter import BeatCounter

__all__ = ["RowCutter"]


class RowCutter(wiring.Component):
    """Cuts a group's rows into beats, in the same cycle; each group starts a fresh row.

    The inverse of a :class:`~accelgen.rtl.output.row_assembler.RowAssembler` without phases.

    Parameters
    ----------
    lanes, row, width : int
        Channels, pixels of a row and of a beat (P, W).

    Members
    -------
    pixels : In(20)
        Pixels per group; at least 1. Static from ``start`` until the step's last beat has left.
    start : In(1)
        Pulse before a step's first row.
    i : In(stream of row)
        ``ceil(pixels / P)`` rows per group.
    o : Out(stream of pixels)
        ``ceil(pixels / W)`` beats per group.
    """

    def __init__(self, *, lanes: int, row: int, width: int):
        self.row = row
        self.width = width
        super().__init__({
            "pixels": In(20),
            "start": In(1),
            "i": In(stream.Signature(layouts.pixels(lanes, row))),
            "o": Out(stream.Signature(layouts.pixels(lanes, width))),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.counter = counter = BeatCounter(row=self.row, width=self.width)
        beat = self.o.payload.as_value()
        m.d.comb += [
            counter.pixels.eq(self.pixels),
            counter.start.eq(self.start),
            counter.advance.eq(self.o.valid & self.o.ready),
            beat.eq(Value.cast(self.i.payload).word_select(counter.slot, len(beat))),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & counter.row_ends),
        ]

        return m
