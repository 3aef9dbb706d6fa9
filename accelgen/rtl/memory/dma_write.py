"""DMA writer: contiguous runs of beats into DDR, as AXI4 bursts."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams
from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4
from accelgen.rtl.memory.bursts import Bursts, burst
from accelgen.rtl.streams.queue import StreamQueue

__all__ = ["DmaWrite"]


class DmaWrite(wiring.Component):
    """Writes runs of beats, any number of them queued back to back.

    One beat per cycle into a slave that takes one. Bursts end at multiples of ``burst_beats``
    beats, so only a run's first can be short and none crosses 4 KiB. Addresses go out ahead of
    the data, up to ``outstanding`` bursts. Error responses are reported; the run goes on.

    Parameters
    ----------
    arch : ArchParams
        Uses ``burst_beats`` and ``outstanding``.

    Members
    -------
    request : In(stream of dma_request)
        Runs to write; ``beats`` at least 1.
    i : In(stream of beat)
        Their beats, in order.
    done : Out(1)
        Pulse for each run, in order, after its last response.
    axi : Out(axi4.WriteSignature)
        AW, W and B channels.
    fault : Out(layouts.fault)
        Error responses; the address is the burst's first.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "request": In(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "done": Out(1),
            "axi": Out(axi4.WriteSignature()),
            "fault": Out(layouts.fault()),
        })

    def elaborate(self, platform):
        m = Module()

        depth = self.arch.outstanding
        m.submodules.bursts = bursts = Bursts(self.arch)
        m.submodules.lengths = lengths = StreamQueue(4, depth=depth)
        m.submodules.flying = flying = StreamQueue(burst(), depth=depth)
        connect(m, flipped(self.request), bursts.request)

        # AW: a register, loaded when the burst has a place among those in flight.
        axi = self.axi
        m.d.comb += [
            axi.awsize.eq(axi4.SIZE),
            axi.awburst.eq(axi4.INCR),
            axi.awcache.eq(axi4.CACHE),
            axi.awprot.eq(0),
        ]
        take = Signal()
        m.d.comb += [
            take.eq(
                bursts.o.valid & lengths.i.ready & flying.i.ready & (~axi.awvalid | axi.awready)
            ),
            bursts.o.ready.eq(take),
            lengths.i.valid.eq(take),
            lengths.i.payload.eq(bursts.o.p.length),
            flying.i.valid.eq(take),
            flying.i.payload.eq(bursts.o.payload),
        ]
        with m.If(~axi.awvalid | axi.awready):
            m.d.sync += [
                axi.awvalid.eq(take),
                axi.awaddr.eq(bursts.o.p.address),
                axi.awlen.eq(bursts.o.p.length),
            ]

        # W: a register. Data does not wait for its address to be accepted (AXI forbids that).
        at = Signal(4)
        move, last = Signal(), Signal()
        m.d.comb += [
            move.eq(~axi.wvalid | axi.wready),
            last.eq(at == lengths.o.payload),
            self.i.ready.eq(lengths.o.valid & move),
            lengths.o.ready.eq(self.i.valid & move & last),
            axi.wstrb.eq(~0),
        ]
        with m.If(move):
            m.d.sync += [
                axi.wvalid.eq(self.i.valid & lengths.o.valid),
                axi.wdata.eq(self.i.payload),
                axi.wlast.eq(last),
            ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += at.eq(Mux(last, 0, at + 1))

        # B: always taken; the oldest burst in flight is the one answered.
        valid, bad = Signal(), Signal()
        m.d.comb += [
            axi.bready.eq(1),
            flying.o.ready.eq(valid),
        ]
        m.d.sync += [
            valid.eq(axi.bvalid),
            bad.eq(axi.bresp != 0),
            self.done.eq(valid & flying.o.p.last),
            self.fault.valid.eq(valid & bad),
            self.fault.address.eq(flying.o.p.address),
        ]

        return m
