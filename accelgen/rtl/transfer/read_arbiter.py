"""Read arbiter: two requesters on one DMA reader."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl import layouts
from accelgen.rtl.streams.queue import StreamQueue

__all__ = ["ReadArbiter"]


class ReadArbiter(wiring.Component):
    """Merges two request streams, the first with priority, and hands each its beats.

    A run has at most ``MOST_BEATS`` beats. Both requesters must have reserved room for what they
    request: ``o0`` and ``o1`` are always ready, or one would block the other's data.

    Parameters
    ----------
    depth : int
        Runs requested and not yet answered.

    Members
    -------
    request0, request1 : In(stream of dma_request)
        Runs of both requesters.
    request : Out(stream of dma_request)
        To the DMA reader.
    i : In(stream of beat)
        From the DMA reader.
    o0, o1 : Out(stream of beat)
        Beats of the requesters' runs.
    """

    MOST_BEATS = 16

    def __init__(self, *, depth: int = 16):
        self.depth = depth
        super().__init__({
            "request0": In(stream.Signature(layouts.dma_request())),
            "request1": In(stream.Signature(layouts.dma_request())),
            "request": Out(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "o0": Out(stream.Signature(layouts.beat())),
            "o1": Out(stream.Signature(layouts.beat())),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.turns = turns = StreamQueue(
            data.StructLayout({"second": 1, "last": range(self.MOST_BEATS)}), depth=self.depth
        )

        # Requests: a register, and a note of whose it is.
        move = Signal()
        second = Signal()
        chosen = Signal(layouts.dma_request())
        m.d.comb += [
            move.eq(turns.i.ready & (~self.request.valid | self.request.ready)),
            second.eq(~self.request0.valid),
            chosen.eq(Mux(second, self.request1.payload, self.request0.payload)),
            self.request0.ready.eq(move),
            self.request1.ready.eq(move & second),
            turns.i.valid.eq(move & (self.request0.valid | self.request1.valid)),
            turns.i.p.second.eq(second),
            turns.i.p.last.eq(chosen.beats - 1),
        ]
        with m.If(self.request.ready):
            m.d.sync += self.request.valid.eq(0)
        with m.If(move):
            m.d.sync += [
                self.request.valid.eq(turns.i.valid),
                self.request.payload.eq(chosen),
            ]

        # Beats: to whose turn it is.
        at = Signal(range(self.MOST_BEATS))
        last, taken = Signal(), Signal()
        m.d.comb += [
            last.eq(at == turns.o.p.last),
            self.o0.payload.eq(self.i.payload),
            self.o1.payload.eq(self.i.payload),
            self.o0.valid.eq(self.i.valid & turns.o.valid & ~turns.o.p.second),
            self.o1.valid.eq(self.i.valid & turns.o.valid & turns.o.p.second),
            self.i.ready.eq(turns.o.valid & Mux(turns.o.p.second, self.o1.ready, self.o0.ready)),
            taken.eq(self.i.valid & self.i.ready),
            turns.o.ready.eq(taken & last),
        ]
        with m.If(taken):
            m.d.sync += at.eq(Mux(last, 0, at + 1))

        return m
