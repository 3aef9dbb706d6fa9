"""Fetch: reads the program ahead of its dispatch."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from accelgen.arch import ArchParams, limits
from accelgen.arch.isa import FETCH_BYTES
from accelgen.rtl import layouts
from accelgen.rtl.streams.queue import StreamQueue

__all__ = ["Fetch"]


class Fetch(wiring.Component):
    """Reads the program in bursts of FETCH_BYTES, up to ``limits.FETCH_AHEAD`` of them
    ahead.

    A burst is requested only when there is a place for all of it, and none after the program's
    last. As many bursts after END are read and dropped.

    Members
    -------
    start : In(1)
        Pulse: begin to read. Only when idle.
    program_offset, program_bytes : In(32), In(32)
        Bytes from the image's begin to the first command, and of all commands: multiples of
        FETCH_BYTES. Static while busy.
    pause : In(1)
        Request nothing now.
    stop : In(1)
        Level: END was seen. What is still on its way is dropped.
    request : Out(stream of dma_request)
        To the DMA reader.
    i : In(stream of beat)
        From the DMA reader; always ready.
    o : Out(stream of beat)
        Commands, beat by beat.
    idle : Out(1)
        Nothing is requested and nothing held.
    dry : Out(1)
        The whole program has been given, and END was not seen.
    """

    def __init__(self):
        self.ahead = limits.FETCH_AHEAD
        super().__init__({
            "start": In(1),
            "program_offset": In(32),
            "program_bytes": In(32),
            "pause": In(1),
            "stop": In(1),
            "request": Out(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "o": Out(stream.Signature(layouts.beat())),
            "idle": Out(1),
            "dry": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        beats = FETCH_BYTES // ArchParams.BUS_BYTES
        m.submodules.queue = queue = StreamQueue(layouts.beat(), depth=self.ahead * beats)
        connect(m, flipped(self.i), queue.i)
        connect(m, queue.o, flipped(self.o))

        # A place is taken by a request and given back by the burst's last beat out.
        places = Signal(range(self.ahead + 1), init=self.ahead)
        at = Signal(range(beats))
        taken, freed = Signal(), Signal()
        m.d.comb += freed.eq(self.o.valid & self.o.ready & (at == beats - 1))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += at.eq(at + 1)
        m.d.sync += places.eq(places + freed - taken)

        # Once valid, a request stays, even when stop comes meanwhile.
        running, first, more = (Signal(name=name) for name in ("running", "first", "more"))
        may_request = running & ~first & more & ~self.request.valid
        m.d.comb += [
            taken.eq(may_request & (places != 0) & ~self.pause),
            self.request.p.beats.eq(beats),
            self.idle.eq(~running & (places == self.ahead)),
        ]
        with m.If(self.request.ready):
            m.d.sync += self.request.valid.eq(0)
        with m.If(taken):
            m.d.sync += self.request.valid.eq(1)
        m.d.sync += [
            first.eq(self.start),
            self.dry.eq(running & ~first & ~more & (places == self.ahead)),
        ]
        low = exact_log2(FETCH_BYTES)
        offset = Signal(32, reset_less=True)
        left = Signal(32 - low, reset_less=True)
        m.d.comb += self.request.p.offset.eq(offset)
        with m.If(first):
            m.d.sync += [
                offset.eq(self.program_offset),
                left.eq(self.program_bytes[low:]),
                more.eq(self.program_bytes[low:] != 0),
            ]
        with m.Elif(self.request.valid & self.request.ready):
            m.d.sync += offset[low:].eq(offset[low:] + 1)
        with m.If(taken):
            m.d.sync += [left.eq(left - 1), more.eq(left != 1)]
        with m.If(self.start):
            m.d.sync += running.eq(1)
        with m.Elif(self.stop & ~first):
            m.d.sync += running.eq(0)

        return m
