"""Row assembler: beats of W pixels to rows of P pixels."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl import layouts
from accelgen.rtl.basics.beat_counter import BeatCounter
from accelgen.rtl.basics.copies import copies

__all__ = ["RowAssembler"]

#: Banks that share a register of what they choose by.
_BANKS_PER_COPY = 4


class RowAssembler(wiring.Component):
    """Collects a group's pixels into rows; each group starts a fresh row.

    In ``phases`` each group starts a fresh pair of rows, and row n holds what is written together:
    the banks of its P pixels (memory/pixel_memory.py), even pixels in the lower half of the banks
    in even n, in the upper half in odd n. A group that ends with the first row of a pair has its
    second row too, which holds anything.

    A beat every cycle as long as each row is taken in the cycle it is offered, which is the one
    after its last beat (``LATENCY``), except for a second row that holds anything. A row not taken
    stops the beats.

    Parameters
    ----------
    lanes, row, width : int
        Channels, pixels of a row and of a beat (P, W).

    Members
    -------
    pixels : In(20)
        Pixels per group; at least 1. Static from ``start`` until the step's last row has left.
    phases : In(1)
        Store in phases. Static as ``pixels``, from the cycle before ``start`` on.
    start : In(1)
        Pulse before a step's first beat.
    i : In(stream of pixels)
        ``ceil(pixels / W)`` beats per group.
    o : Out(stream of row)
        ``ceil(pixels / P)`` rows per group, in phases an even number. Past the group's last pixel
        they hold anything.
    """

    LATENCY = 1

    def __init__(self, *, lanes: int, row: int, width: int):
        self.lanes = lanes
        self.row = row
        self.width = width
        super().__init__({
            "pixels": In(20),
            "phases": In(1),
            "start": In(1),
            "i": In(stream.Signature(layouts.pixels(lanes, width))),
            "o": Out(stream.Signature(layouts.pixels(lanes, row))),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.counter = counter = BeatCounter(row=self.row, width=self.width)
        advance, accept = Signal(), Signal()
        second, filler = Signal(), Signal()  # row of a pair that is collected; one without pixels
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance & ~filler),
            accept.eq(self.i.valid & self.i.ready),
            counter.pixels.eq(self.pixels),
            counter.start.eq(self.start),
            counter.advance.eq(accept),
        ]
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq((self.i.valid & counter.row_ends) | filler),
                filler.eq(accept & counter.group_ends & self.phases & ~second),
            ]
        next_second = Signal()
        m.d.comb += next_second.eq(second)
        with m.If(accept & counter.row_ends):
            m.d.comb += next_second.eq(self.phases & ~second & ~counter.group_ends)
        with m.If(self.start):
            m.d.comb += next_second.eq(0)
            m.d.sync += filler.eq(0)
        m.d.sync += second.eq(next_second)

        self._collect(m, accept, counter.slot, second, next_second)
        return m

    def _collect(self, m, accept, slot, second, next_second):
        """Every bank takes its pixel: which of which beat, plain and in either row of a pair."""
        pixels, width = self.row, self.width
        count = -(-pixels // _BANKS_PER_COPY)
        phases = copies(m, self.phases, count, name="phases")
        seconds = copies(m, next_second, count, name="second")
        sources: dict[Any, Any] = {}  # lanes of a beat: what those banks take
        for bank in range(pixels):
            places = [bank] * 3
            if half := pixels // 2:
                odd = bank // half
                places[1:] = (2 * (bank % half) + (odd ^ n) for n in (0, 1))
            beats, lanes = zip(*(divmod(place, width) for place in places), strict=True)
            if lanes not in sources:
                n = len(sources) // _BANKS_PER_COPY
                sources[lanes] = _choose(phases[n], seconds[n], [self.i.p[n] for n in lanes])
            pixel = Signal(layouts.pixel(self.lanes), name=f"pixel{bank}", reset_less=True)
            m.d.comb += self.o.p[bank].eq(pixel)
            with m.If(accept & (slot == _choose(self.phases, second, beats))):
                m.d.sync += pixel.eq(sources[lanes])


def _choose(phases, second, options):
    """Of a plain row, of the first and of the second row of a pair."""
    plain, first, other = options
    return Mux(phases, Mux(second, other, first), plain)
