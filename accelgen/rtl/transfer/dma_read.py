"""DMA reader: contiguous runs of beats out of DDR, as AXI4 bursts."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4
from accelgen.rtl.memory.block_queue import BlockQueue
from accelgen.rtl.streams.queue import StreamQueue
from accelgen.rtl.transfer.bursts import BEAT_BITS, Bursts
from accelgen.rtl.transfer.dma_fault import report_faults

__all__ = ["DmaRead"]


class DmaRead(wiring.Component):
    """Reads runs of beats, any number of them queued back to back.

    One beat per cycle from a slave that gives one. Bursts end at multiples of ``burst_beats``
    beats, so only a run's first can be short and none crosses 4 KiB. A burst is requested when
    its beats have a place in the data queue and at most ``outstanding`` bursts are in flight: the
    slave never waits for the consumer.

    A beat that came with an error response ends the data: neither it nor any after it comes out. A
    burst that is not all in the image is never requested, nor any after it. Both are reported, and
    end with a reset: ``stop``, and when all is ``idle`` the reset.

    Parameters
    ----------
    burst_beats, outstanding : int
        Of the longest burst; bursts in flight. Powers of two.
    queued : bool
        False when whoever requests has reserved room for what it requests: there is no data queue
        then, and ``o`` must always be ready.

    Members
    -------
    base, image_bytes : In(40), In(32)
        Address and size of the image, whole pages; static while busy.
    stop : In(1)
        Level: request nothing more. An address that is valid stays so until it is taken.
    idle : Out(1)
        Every burst requested has been answered.
    request : In(stream of dma_request)
        Runs to read; ``beats`` at least 1.
    o : Out(stream of beat)
        Their beats, in order.
    axi : Out(axi4.ReadSignature)
        AR and R channels.
    fault : Out(layouts.fault)
        A pulse for each error response, a level for a burst outside.
    """

    def __init__(self, *, burst_beats: int, outstanding: int, queued: bool = True):
        self.burst_beats = burst_beats
        self.outstanding = outstanding
        self.queued = queued
        super().__init__({
            "base": In(40),
            "image_bytes": In(32),
            "stop": In(1),
            "idle": Out(1),
            "request": In(stream.Signature(layouts.dma_request())),
            "o": Out(stream.Signature(layouts.beat())),
            "axi": Out(axi4.ReadSignature()),
            "fault": Out(layouts.fault()),
        })

    def elaborate(self, platform):
        m = Module()

        depth = self.outstanding * self.burst_beats
        m.submodules.bursts = bursts = Bursts(self.burst_beats, room=depth if self.queued else 0)
        m.submodules.flying = flying = StreamQueue(32 - BEAT_BITS, depth=self.outstanding)
        connect(m, flipped(self.request), bursts.request)
        m.d.comb += [bursts.image_bytes.eq(self.image_bytes), self.idle.eq(flying.empty)]

        # AR: a register, loaded when the burst may go and has a place among those in flight.
        axi = self.axi
        m.d.comb += [
            axi.arsize.eq(axi4.SIZE),
            axi.arburst.eq(axi4.INCR),
            axi.arcache.eq(axi4.CACHE),
            axi.arprot.eq(0),
        ]
        go, take = Signal(), Signal()
        m.d.comb += [
            go.eq(bursts.o.valid & bursts.o.p.inside & ~self.stop),
            take.eq(go & flying.i.ready & (~axi.arvalid | axi.arready)),
            bursts.o.ready.eq(take),
            flying.i.valid.eq(take),
            flying.i.payload.eq(bursts.o.p.offset[BEAT_BITS:]),
        ]
        with m.If(~axi.arvalid | axi.arready):
            m.d.sync += [
                axi.arvalid.eq(take),
                axi.araddr.eq(layouts.image_address(self.base, bursts.o.p.offset)),
                axi.arlen.eq(bursts.o.p.length),
            ]

        # R: a register that always takes, since room was reserved.
        valid = Signal()
        last = Signal()
        bad = Signal()
        was_bad = Signal()
        good = Signal()
        beat = Signal(layouts.beat(), reset_less=True)
        m.d.comb += [axi.rready.eq(1), good.eq(valid & ~bad & ~was_bad)]
        m.d.sync += [
            valid.eq(axi.rvalid),
            last.eq(axi.rlast),
            bad.eq(axi.rresp != 0),
            beat.eq(axi.rdata),
            was_bad.eq(was_bad | (valid & bad)),
        ]
        if self.queued:
            m.submodules.queue = queue = BlockQueue(layouts.beat(), depth=depth)
            m.d.comb += [
                queue.i.valid.eq(good),
                queue.i.payload.eq(beat),
                bursts.freed.eq(queue.freed),
            ]
            connect(m, queue.o, flipped(self.o))
        else:
            m.d.comb += [self.o.valid.eq(good), self.o.payload.eq(beat)]

        # Which beat is answered: the oldest burst in flight, and how far into it. The addition
        # does not carry: bursts do not cross 16 beats.
        at = Signal(4)
        m.d.comb += flying.o.ready.eq(valid & last)
        with m.If(valid):
            m.d.sync += at.eq(Mux(last, 0, at + 1))
        answered = Cat(Const(0, BEAT_BITS), (flying.o.payload[:4] + at)[:4], flying.o.payload[4:])
        report_faults(
            m, self.fault, "read_response", valid & bad, answered, bursts.o, stop=self.stop
        )

        return m
