"""DMA writer: contiguous runs of beats into DDR, as AXI4 bursts."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4
from accelgen.rtl.streams.queue import StreamQueue
from accelgen.rtl.transfer.bursts import Bursts
from accelgen.rtl.transfer.dma_fault import report_faults

__all__ = ["DmaWrite"]


def _flying() -> data.StructLayout:
    """What is kept of a burst until it is answered."""
    return data.StructLayout({"offset": 32, "last": 1})


class DmaWrite(wiring.Component):
    """Writes runs of beats, any number of them queued back to back.

    One beat per cycle into a slave that takes one. Bursts end at multiples of ``burst_beats``
    beats, so only a run's first can be short and none crosses 4 KiB. Addresses go out ahead of
    the data, up to ``outstanding`` bursts.

    A burst that is not all in the image is never announced, nor any after it. This and error
    responses are reported, and end with a reset: ``stop``, and when all is ``idle`` the reset.

    Parameters
    ----------
    burst_beats, outstanding : int
        Of the longest burst; bursts in flight. Powers of two.

    Members
    -------
    base, image_bytes : In(40), In(32)
        Address and size of the image, whole pages; static while busy.
    stop : In(1)
        Level: announce nothing more. What is valid stays so until it is taken; bursts announced
        get the beats they lack with all strobes low, and ``i`` is not taken any more.
    idle : Out(1)
        Every burst announced has been answered.
    request : In(stream of dma_request)
        Runs to write; ``beats`` at least 1.
    i : In(stream of beat)
        Their beats, in order.
    done : Out(1)
        Pulse for each run, in order, after its last response.
    axi : Out(axi4.WriteSignature)
        AW, W and B channels.
    fault : Out(layouts.fault)
        A pulse for each error response, a level for a burst outside; where the burst begins.
    """

    def __init__(self, *, burst_beats: int, outstanding: int):
        self.burst_beats = burst_beats
        self.outstanding = outstanding
        super().__init__({
            "base": In(40),
            "image_bytes": In(32),
            "stop": In(1),
            "idle": Out(1),
            "request": In(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "done": Out(1),
            "axi": Out(axi4.WriteSignature()),
            "fault": Out(layouts.fault()),
        })

    def elaborate(self, platform):
        m = Module()

        depth = self.outstanding
        m.submodules.bursts = bursts = Bursts(self.burst_beats)
        m.submodules.lengths = lengths = StreamQueue(4, depth=depth)
        m.submodules.flying = flying = StreamQueue(_flying(), depth=depth)
        connect(m, flipped(self.request), bursts.request)
        m.d.comb += [bursts.image_bytes.eq(self.image_bytes), self.idle.eq(flying.empty)]
        self._announce(m, bursts.o, lengths.i, flying.i)
        self._send(m, lengths.o)

        # B: always taken; the oldest burst in flight is the one answered.
        axi = self.axi
        valid, bad = Signal(), Signal()
        m.d.comb += [axi.bready.eq(1), flying.o.ready.eq(valid)]
        m.d.sync += [
            valid.eq(axi.bvalid),
            bad.eq(axi.bresp != 0),
            self.done.eq(valid & flying.o.p.last),
        ]
        answered = flying.o.p.offset
        report_faults(
            m, self.fault, "write_response", valid & bad, answered, bursts.o, stop=self.stop
        )

        return m

    def _announce(self, m, bursts, lengths, flying):
        """AW: a register, loaded when the burst may go and has a place among those in flight."""
        axi = self.axi
        m.d.comb += [
            axi.awsize.eq(axi4.SIZE),
            axi.awburst.eq(axi4.INCR),
            axi.awcache.eq(axi4.CACHE),
            axi.awprot.eq(0),
        ]
        go, take = Signal(), Signal()
        m.d.comb += [
            go.eq(bursts.valid & bursts.p.inside & ~self.stop),
            take.eq(go & lengths.ready & flying.ready & (~axi.awvalid | axi.awready)),
            bursts.ready.eq(take),
            lengths.valid.eq(take),
            lengths.payload.eq(bursts.p.length),
            flying.valid.eq(take),
            flying.p.offset.eq(bursts.p.offset),
            flying.p.last.eq(bursts.p.last),
        ]
        with m.If(~axi.awvalid | axi.awready):
            m.d.sync += [
                axi.awvalid.eq(take),
                axi.awaddr.eq(layouts.image_address(self.base, bursts.p.offset)),
                axi.awlen.eq(bursts.p.length),
            ]

    def _send(self, m, lengths):
        """W: a register. Data does not wait for its address to be accepted (AXI forbids that)."""
        axi = self.axi
        at = Signal(4)
        move, given, last, strobe = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            move.eq(~axi.wvalid | axi.wready),
            given.eq(self.i.valid | self.stop),
            last.eq(at == lengths.payload),
            self.i.ready.eq(lengths.valid & move & ~self.stop),
            lengths.ready.eq(given & move & last),
            axi.wstrb.eq(strobe.replicate(len(axi.wstrb))),
        ]
        with m.If(move):
            m.d.sync += [
                axi.wvalid.eq(given & lengths.valid),
                axi.wdata.eq(self.i.payload),
                axi.wlast.eq(last),
                strobe.eq(~self.stop),
            ]
        with m.If(given & lengths.valid & move):
            m.d.sync += at.eq(Mux(last, 0, at + 1))
