"""Bursts: cuts runs of beats into AXI bursts."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from accelgen.arch import ArchParams
from accelgen.arch.registers import PAGE_BYTES
from accelgen.rtl import layouts

__all__ = ["BEAT_BITS", "Bursts", "burst"]

#: Address bits below a beat.
BEAT_BITS = (ArchParams.BUS_BYTES - 1).bit_length()
_PAGE_BITS = exact_log2(PAGE_BYTES)


def burst() -> data.StructLayout:
    """A burst of ``length + 1`` beats; ``last`` of its run; ``inside`` the image."""
    return data.StructLayout({"offset": 32, "length": 4, "last": 1, "inside": 1})


class Bursts(wiring.Component):
    """Cuts at multiples of ``burst_beats`` beats: only the first burst of a run can be short at its
    start, and none crosses a page of 4 KiB. A burst every second cycle, and a cycle between runs.
    A run that goes on beyond 32 bits of offset is outside the image from there on.

    Parameters
    ----------
    burst_beats : int
        Of the longest burst. Power of two.
    room : int
        Beats that may be asked for and not yet be ``freed``. 0: no limit, and no ``freed``.

    Members
    -------
    image_bytes : In(32)
        Size of the image, whole pages; static while busy. Only for ``o.p.inside``.
    request : In(stream of dma_request)
        Runs; 0 ``beats`` mean 2**24: no command, however wrong, makes a burst that AXI forbids.
    freed : In(1)
        Pulse: one beat of room is free again.
    o : Out(stream of burst)
        Bursts, in order.
    """

    def __init__(self, burst_beats: int, *, room: int = 0):
        self.burst_beats = burst_beats
        self.room = room
        assert room == 0 or room >= burst_beats
        super().__init__({
            "image_bytes": In(32),
            "request": In(stream.Signature(layouts.dma_request())),
            "freed": In(1),
            "o": Out(stream.Signature(burst())),
        })

    def elaborate(self, platform):
        m = Module()

        beats = self.burst_beats
        low = beats.bit_length() - 1
        # Offset in units of burst_beats, with a bit above it, and beats into that unit.
        unit = Signal(32 - BEAT_BITS - low + 1, reset_less=True)
        into = Signal(low, reset_less=True)
        left = Signal(24, reset_less=True)
        length = Signal(range(beats), reset_less=True)
        last = Signal(reset_less=True)
        inside = Signal(reset_less=True)
        active, send, room = Signal(), Signal(), Signal()
        sized = Signal()

        m.d.comb += [
            self.request.ready.eq(~active),
            send.eq(sized & room & (~self.o.valid | self.o.ready)),
        ]
        with m.If(~active):
            m.d.sync += [
                Cat(into, unit).eq(self.request.p.offset[BEAT_BITS:]),
                left.eq(self.request.p.beats),
                active.eq(self.request.valid),
                sized.eq(0),
            ]
        with m.Elif(~sized):
            # Cycle 1: how long is the next burst, and is its page one of the image's.
            page, pages = unit[_PAGE_BITS - BEAT_BITS - low :], self.image_bytes[_PAGE_BITS:]
            reach = Const(beats - 1) - into  # beats up to the boundary, less one
            some = left[: low + 1]
            ends = ~left[low + 1 :].any() & (some != 0) & (some <= reach[: low + 1] + 1)
            m.d.sync += [
                length.eq(Mux(ends, left - 1, reach)),
                last.eq(ends),
                inside.eq(page < pages),
                sized.eq(1),
            ]
        with m.Elif(send):
            # Cycle 2: out with it, if there is room.
            m.d.sync += [
                unit.eq(unit + 1),
                into.eq(0),
                left.eq(left - length - 1),
                active.eq(~last),
                sized.eq(0),
            ]
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                self.o.valid.eq(send),
                self.o.p.offset.eq(Cat(Const(0, BEAT_BITS), into, unit)),
                self.o.p.length.eq(length),
                self.o.p.last.eq(last),
                self.o.p.inside.eq(inside),
            ]

        if self.room:
            free = Signal(range(self.room + 1), init=self.room)
            m.d.comb += room.eq(free > length)
            m.d.sync += free.eq(free + self.freed - Mux(send, length + 1, 0))
        else:
            m.d.comb += room.eq(1)

        return m
