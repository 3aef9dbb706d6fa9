"""Double-pumped engines with all accumulators side by side, for benches that look at the fabric."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.rtl import layouts
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.dsp.double_pump import DOUBLE_PUMPED, fast_domain, second_half, to_fast
from accelgen.rtl.streams.credit_queue import CreditQueue
from accelgen.rtl.streams.queue import StreamQueue

__all__ = ["Beside", "BesideQueue", "BesideRequantizer", "Pumped", "beside"]


def beside(arch, pixels):
    """Accumulators of ``pixels`` pixels side by side, as without double pumping."""
    return layouts.accumulators(arch.lanes, pixels, arch.acc_bits)


def beside_beat(arch, width):
    """A beat of a requantizer's accumulators side by side."""
    return layouts.accumulator_beat(arch.lanes, width, arch.acc_bits)


class _Gather(wiring.Component):
    """From what is in two fast cycles 2t + 1 and 2t + 2 to fabric registers in cycle t + 2."""

    def __init__(self, pumped, together):
        super().__init__({"i": In(pumped), "o": Out(together)})

    def elaborate(self, platform):
        m = Module()
        for n, lanes in enumerate(self.i):
            first, second = DOUBLE_PUMPED.pixels(n)
            before = delay(m, lanes, 1, domain="fast")
            m.d.comb += [
                self.o[first].eq(delay(m, delay(m, lanes, 1), 1)),
                self.o[second].eq(delay(m, before, 1)),
            ]
        return m


class _Scatter(wiring.Component):
    """From fabric registers in cycle t to fast cycles 2t + 1 and 2t + 2, and ``late`` more."""

    def __init__(self, together, pumped, late=0):
        self.late = late
        super().__init__({"i": In(together), "o": Out(pumped)})

    def elaborate(self, platform):
        m = Module()
        second = second_half(m)
        for n, lanes in enumerate(self.o):
            one, other = (self.i[pixel].as_value() for pixel in DOUBLE_PUMPED.pixels(n))
            pumped = to_fast(m, one, other, second, name=f"lane{n}")
            m.d.comb += lanes.as_value().eq(delay(m, pumped, self.late, domain="fast"))
        return m


class Pumped(wiring.Component):
    """A block with the fast clock, ``clk2x``."""

    def __init__(self, block):
        self.block = block
        super().__init__({**block.signature.members, "clk2x": In(1)})

    def elaborate(self, platform):
        m = Module()
        fast_domain(m, self.clk2x)
        m.submodules.block = block = self.block
        for name, member in block.signature.members.items():
            outer, inner = getattr(self, name), getattr(block, name)
            if member.is_signature:
                ends = (flipped(outer), inner) if member.flow == In else (inner, flipped(outer))
                connect(m, *ends)
            else:
                m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        return m


class Beside(wiring.Component):
    """PeArray or WindowLanes with all accumulators of a vector, ``LATENCY`` cycles later."""

    LATENCY = 3

    def __init__(self, arch, engine):
        self.engine = engine
        self.arch = arch
        signature = {**engine.signature.members, "clk2x": In(1)}
        signature["o"] = Out(
            stream.Signature(beside(self.arch, self.arch.pixels), always_ready=True)
        )
        super().__init__(signature)

    def elaborate(self, platform):
        m = Module()
        fast_domain(m, self.clk2x)
        m.submodules.engine = engine = self.engine
        # The fast clock takes operands from registers of the fabric.
        m.d.sync += [engine.i.valid.eq(self.i.valid), engine.i.payload.eq(self.i.payload)]
        if hasattr(engine, "op"):
            m.d.comb += engine.op.eq(self.op)
        m.submodules.gather = gather = _Gather(engine.o.p.acc.shape(), self.o.p.acc.shape())
        m.d.comb += [
            gather.i.eq(engine.o.p.acc),
            self.o.p.acc.eq(gather.o),
            self.o.valid.eq(delay(m, engine.o.valid, self.LATENCY - 1, reset=True)),
            self.o.p.keep.eq(delay(m, engine.o.p.keep, self.LATENCY - 1)),
            self.o.p.tag.eq(delay(m, engine.o.p.tag, self.LATENCY - 1)),
        ]
        return m


class BesideQueue(wiring.Component):
    """AccQueue between whole vectors and whole beats, ``LATENCY`` cycles later."""

    LATENCY = 1 + 3 + StreamQueue.LATENCY

    def __init__(self, arch, queue):
        self.queue = queue
        self.arch = arch
        super().__init__({
            "clk2x": In(1),
            "wide": In(1),
            "held": In(layouts.TAG_BITS),
            "i": In(stream.Signature(beside(self.arch, self.arch.pixels), always_ready=True)),
            "o": Out(stream.Signature(beside_beat(self.arch, self.arch.array_width))),
            "credit": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        fast_domain(m, self.clk2x)
        m.submodules.inner = inner = self.queue
        m.submodules.out = out = CreditQueue(self.o.p.shape(), depth=8)
        connect(m, out.o, flipped(self.o))
        vector = Signal.like(self.i.p)
        m.d.sync += [inner.i.valid.eq(self.i.valid), vector.eq(self.i.p)]
        m.submodules.scatter = scatter = _Scatter(vector.acc.shape(), inner.i.p.acc.shape())
        m.submodules.gather = gather = _Gather(inner.o.p.acc.shape(), out.i.p.acc.shape())
        m.d.comb += [
            scatter.i.eq(vector.acc),
            inner.i.p.acc.eq(scatter.o),
            gather.i.eq(inner.o.p.acc),
            out.i.p.acc.eq(gather.o),
            inner.wide.eq(self.wide),
            inner.held.eq(self.held),
            inner.i.p.keep.eq(vector.keep),
            inner.i.p.tag.eq(vector.tag),
            self.credit.eq(inner.credit),
            inner.o.ready.eq(out.room),
            out.reserve.eq(inner.o.valid & out.room),
            out.i.valid.eq(delay(m, out.reserve, 3, reset=True)),
            out.i.p.keep.eq(delay(m, inner.o.p.keep, 3)),
            out.i.p.kept.eq(delay(m, inner.o.p.kept, 3)),
        ]
        return m


class BesideRequantizer(wiring.Component):
    """Requantizer that takes whole beats, ``LATENCY`` cycles earlier."""

    LATENCY = StreamQueue.LATENCY

    def __init__(self, arch, requantizer):
        self.requantizer = requantizer
        signature = {**requantizer.signature.members, "clk2x": In(1)}
        signature["i"] = In(stream.Signature(beside_beat(arch, arch.chain_pixels)))
        super().__init__(signature)

    def elaborate(self, platform):
        m = Module()
        fast_domain(m, self.clk2x)
        m.submodules.inner = inner = self.requantizer
        # Both halves of a cycle see a beat only when it comes out of a register.
        m.submodules.queue = queue = StreamQueue(self.i.p.shape(), depth=4)
        connect(m, flipped(self.i), queue.i)
        m.submodules.scatter = scatter = _Scatter(
            queue.o.p.acc.shape(), inner.i.p.acc.shape(), late=2
        )
        m.d.comb += [
            scatter.i.eq(queue.o.p.acc),
            inner.i.p.acc.eq(scatter.o),
            inner.i.valid.eq(queue.o.valid),
            queue.o.ready.eq(inner.i.ready),
            inner.i.p.keep.eq(queue.o.p.keep),
            inner.i.p.kept.eq(queue.o.p.kept),
        ]
        for name in ("params", "table"):
            connect(m, flipped(getattr(self, name)), getattr(inner, name))
        connect(m, inner.o, flipped(self.o))
        for name in ("config", "table_bank", "start"):
            m.d.comb += getattr(inner, name).eq(getattr(self, name))
        return m
