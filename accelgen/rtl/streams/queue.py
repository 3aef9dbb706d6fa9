"""Stream queue: decouples two blocks by a few payloads, in LUT RAM."""

from typing import Any

from amaranth import Cat, Module, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["RegisterQueue", "StreamQueue"]

#: Bits that are read with one address register: more would be too many loads.
_BITS_PER_ADDRESS = 448


class StreamQueue(wiring.Component):
    """First-in first-out queue of payloads, with a register after it.

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
    empty : Out(1)
        Nothing is held. From the cycle after a payload came it is low.
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
            "empty": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        level = Signal(range(self.depth + 1))
        full, some = Signal(name="full"), Signal(name="some")
        fills = Signal()  # some, and nothing at the output
        put, get = Signal(), Signal()
        payload = Signal(self._width, reset_less=True)
        # `o.ready` may come from afar: few levels after it.
        m.d.comb += [
            self.i.ready.eq(~full),
            put.eq(self.i.valid & self.i.ready),
            get.eq(fills | (some & self.o.ready)),
            self.o.payload.eq(payload),
            self.empty.eq(~some & ~self.o.valid),
        ]
        coming = self._memories(m, put, get)
        m.d.sync += [
            self.o.valid.eq(some | (self.o.valid & ~self.o.ready)),
            fills.eq(put & ~some & ~(self.o.valid & ~self.o.ready)),
        ]
        with m.If(get):
            m.d.sync += payload.eq(coming)
            with m.If(~put):
                m.d.sync += [level.eq(level - 1), full.eq(0), some.eq(level != 1)]
        with m.Elif(put):
            m.d.sync += [level.eq(level + 1), full.eq(level == self.depth - 1), some.eq(1)]

        return m

    def _memories(self, m, put, get):
        """Memories side by side; returns what is read."""
        write_addr = Signal(range(self.depth))
        m.d.sync += write_addr.eq(write_addr + put)
        bits, words = Signal(self._width), []
        m.d.comb += bits.eq(self.i.payload)
        for at in range(0, self._width, _BITS_PER_ADDRESS):
            part = bits[at : at + _BITS_PER_ADDRESS]
            # Distributed: a payload as wide as a row would take 16 block RAMs for four entries.
            memory: Memory[Any, Any] = Memory(
                shape=len(part), depth=self.depth, init=[], attrs={"ram_style": "distributed"}
            )
            m.submodules[f"memory{at // _BITS_PER_ADDRESS}"] = memory
            write, read = memory.write_port(), memory.read_port(domain="comb")
            read_addr = Signal(range(self.depth), attrs={"keep": 1})
            with m.If(get):
                m.d.sync += read_addr.eq(read_addr + 1)
            m.d.comb += [
                write.en.eq(put),
                write.addr.eq(write_addr),
                write.data.eq(part),
                read.addr.eq(read_addr),
            ]
            words.append(read.data)
        return Cat(words)


class RegisterQueue(wiring.Component):
    """First-in first-out queue in registers one after the other: no LUT per bit.

    Full rate; ``o.valid`` and ``o.payload`` come out of registers, ``i.ready`` does not.

    Parameters
    ----------
    shape : shape-like
        Shape of one payload.
    depth : int
        Payloads held at once.

    Members
    -------
    i : In(stream of shape)
        Payloads in.
    o : Out(stream of shape)
        Payloads out, in order, ``depth`` or more cycles later.
    """

    def __init__(self, shape, *, depth: int):
        self.depth = depth
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()

        valid, payload, room = self.i.valid, self.i.payload, Signal()
        rooms = [room]
        m.d.comb += self.i.ready.eq(room)
        for n in range(self.depth):
            held, next_room = Signal(name=f"held{n}"), Signal(name=f"room{n}")
            register = Signal.like(payload, name=f"payload{n}", reset_less=True)
            m.d.comb += rooms[-1].eq(~held | next_room)
            with m.If(rooms[-1]):
                m.d.sync += [held.eq(valid), register.eq(payload)]
            valid, payload = held, register
            rooms.append(next_room)
        m.d.comb += [
            rooms[-1].eq(self.o.ready),
            self.o.valid.eq(valid),
            self.o.payload.eq(payload),
        ]

        return m
