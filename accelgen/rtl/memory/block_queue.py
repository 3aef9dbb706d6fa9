"""Block queue: a deep queue whose room is reserved before anything is sent to it."""

from typing import Any

from amaranth import Module, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["BlockQueue"]


class BlockQueue(wiring.Component):
    """First-in first-out queue in block RAM, with a register after it. Full rate.

    Parameters
    ----------
    shape : shape-like
        Shape of one payload.
    depth : int
        Payloads that may be reserved at once; a power of two.

    Members
    -------
    i : In(stream of shape)
        Payloads in. Always ready: the sender has reserved room.
    o : Out(stream of shape)
        Payloads out, in order, three or more cycles later.
    freed : Out(1)
        Pulse: a payload has left the memory.
    """

    def __init__(self, shape, *, depth: int):
        assert depth.bit_count() == 1
        self.depth = depth
        self._width = Shape.cast(shape).width
        super().__init__({
            "i": In(stream.Signature(shape, always_ready=True)),
            "o": Out(stream.Signature(shape)),
            "freed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        memory: Memory[Any, Any] = Memory(shape=self._width, depth=self.depth, init=[])
        m.submodules.memory = memory
        write = memory.write_port()
        read = memory.read_port()
        m.d.comb += [
            write.en.eq(self.i.valid),
            write.data.eq(self.i.payload),
        ]
        with m.If(self.i.valid):
            m.d.sync += write.addr.eq(write.addr + 1)

        # Two stages after the pointer: the memory's own output, and the register o.
        read_valid = Signal()
        move_read, move_out, get = Signal(), Signal(), Signal()
        level = Signal(range(self.depth + 1))
        some = Signal()
        m.d.comb += [
            move_out.eq(~self.o.valid | self.o.ready),
            move_read.eq(~read_valid | move_out),
            get.eq(some & move_read),
            read.en.eq(move_read),
        ]
        m.d.sync += self.freed.eq(get)
        with m.If(get):
            m.d.sync += read.addr.eq(read.addr + 1)
        with m.If(move_read):
            m.d.sync += read_valid.eq(some)
        payload = Signal(self._width, reset_less=True)
        m.d.comb += self.o.payload.eq(payload)
        with m.If(move_out):
            m.d.sync += [self.o.valid.eq(read_valid), payload.eq(read.data)]
        with m.If(self.i.valid & ~get):
            m.d.sync += [level.eq(level + 1), some.eq(1)]
        with m.If(get & ~self.i.valid):
            m.d.sync += [level.eq(level - 1), some.eq(level != 1)]

        return m
