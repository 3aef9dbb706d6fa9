"""Stream queue: decouples two blocks by a few payloads, in LUT RAM."""

from amaranth import Module, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["StreamQueue"]


class StreamQueue(wiring.Component):
    """First-in first-out queue of payloads, with a register behind it.

    Full rate. ``i.ready``, ``o.valid`` and ``o.payload`` come out of registers.

    Parameters
    ----------
    shape : shape-like
        Shape of one payload.
    depth : int
        Payloads held at once (a power of two), besides the one at the output.

    Members
    -------
    i : In(stream of shape)
        Payloads in.
    o : Out(stream of shape)
        Payloads out, in order, two or more cycles later.
    """

    LATENCY = 2

    def __init__(self, shape, *, depth: int):
        assert depth >= 2
        assert depth.bit_count() == 1
        self.depth = depth
        self._width = Shape.cast(shape).width
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()

        # Distributed: a payload as wide as a command would take 16 block RAMs for four entries.
        m.submodules.memory = memory = Memory(
            shape=self._width, depth=self.depth, init=[], attrs={"ram_style": "distributed"}
        )
        write, read = memory.write_port(), memory.read_port(domain="comb")
        level = Signal(range(self.depth + 1))
        full, some = Signal(), Signal()
        put, get = Signal(), Signal()
        payload = Signal(self._width, reset_less=True)
        m.d.comb += [
            self.i.ready.eq(~full),
            put.eq(self.i.valid & self.i.ready),
            get.eq(some & (~self.o.valid | self.o.ready)),
            write.en.eq(put),
            write.data.eq(self.i.payload),
            self.o.payload.eq(payload),
        ]
        m.d.sync += [
            write.addr.eq(write.addr + put),
            read.addr.eq(read.addr + get),
        ]
        with m.If(put & ~get):
            m.d.sync += [level.eq(level + 1), full.eq(level == self.depth - 1), some.eq(1)]
        with m.If(get & ~put):
            m.d.sync += [level.eq(level - 1), full.eq(0), some.eq(level != 1)]
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += self.o.valid.eq(some)
        with m.If(get):
            m.d.sync += payload.eq(read.data)

        return m
