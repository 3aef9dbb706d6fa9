"""Dispatch: commands by opcode into the queues of their units, in program order."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams, isa, limits
from accelgen.arch.isa import Opcode, command_beats
from accelgen.rtl import layouts

__all__ = ["Dispatch"]

MOST_BEATS = max(map(command_beats, Opcode))
OPCODE_BITS = isa.HEADER.fields[0].width


class Dispatch(wiring.Component):
    """Splits the command stream. A full queue holds up all that follow, and so does an opcode that
    nobody knows, for ever. A command goes to its unit when all of it has come.

    Members
    -------
    start : In(1)
        Pulse: a new program.
    i : In(stream of beat)
        Commands, each of its command_beats. What follows END is dropped.
    exec, weights, load, store : Out(stream of fields of isa.EXEC, WEIGHTS, LOAD, STORE)
        Commands of each unit.
    ended : Out(1)
        END was seen. Level until ``start``.
    unknown : Out(1)
        A command has an unknown opcode.
    empty : Out(1)
        All queues are empty.
    ahead : Out(1)
        ``limits.EXECS_AHEAD`` EXECs or more wait.
    """

    def __init__(self):
        super().__init__({
            "start": In(1),
            "i": In(stream.Signature(layouts.beat())),
            "exec": Out(stream.Signature(layouts.fields(isa.EXEC))),
            "weights": Out(stream.Signature(layouts.fields(isa.WEIGHTS))),
            "load": Out(stream.Signature(layouts.fields(isa.LOAD))),
            "store": Out(stream.Signature(layouts.fields(isa.STORE))),
            "ended": Out(1),
            "unknown": Out(1),
            "empty": Out(1),
            "ahead": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        # The opcode comes with a command's first beat and is kept for the others.
        at = Signal(range(MOST_BEATS))
        kept = Signal(OPCODE_BITS)
        opcode = Signal(OPCODE_BITS)
        taken, last, known = Signal(), Signal(), Signal()
        m.d.comb += [
            opcode.eq(Mux(at == 0, self.i.payload.as_value()[:OPCODE_BITS], kept)),
            last.eq(1),
            taken.eq(self.i.valid & self.i.ready),
        ]
        with m.If(taken):
            m.d.sync += [at.eq(Mux(last, 0, at + 1)), kept.eq(opcode)]

        queues = {}
        for code, fmt in isa.FORMATS.items():
            queues[code] = queue = _CommandQueue(fmt, depth=limits.UNIT_QUEUE)
            m.submodules[f"{fmt.name}_queue"] = queue
            connect(m, queue.o, flipped(getattr(self, fmt.name)))
            m.d.comb += [
                queue.i.payload.eq(self.i.payload),
                queue.i.valid.eq(self.i.valid & (opcode == code) & ~self.ended),
                queue.at.eq(at),
            ]

        m.d.comb += [
            # Of an opcode without a queue: END, or unknown.
            self.i.ready.eq(self.ended | (opcode == Opcode.END)),
            self.unknown.eq(self.i.valid & ~self.ended & ~known),
            self.empty.eq(~Cat(queue.o.valid for queue in queues.values()).any()),
            self.ahead.eq(queues[Opcode.EXEC].level >= limits.EXECS_AHEAD),
        ]
        with m.Switch(opcode):
            with m.Case(Opcode.END):
                m.d.comb += known.eq(1)
            for code, queue in queues.items():
                with m.Case(code):
                    m.d.comb += [known.eq(1), self.i.ready.eq(queue.i.ready | self.ended)]
                    m.d.comb += last.eq(at == command_beats(code) - 1)
        with m.If(self.start):
            m.d.sync += [self.ended.eq(0), at.eq(0)]
        with m.Elif(taken & last & (opcode == Opcode.END)):
            m.d.sync += self.ended.eq(1)

        return m


class _CommandQueue(wiring.Component):
    """Queue of whole commands, written beat by beat in place, so that nothing gathers them.

    ``i`` is ready when there is a place for the whole command; ``at`` is the index of its beat;
    ``level`` is the commands held.
    """

    def __init__(self, fmt: isa.Format, *, depth: int):
        self.fmt = fmt
        self.depth = depth
        super().__init__({
            "at": In(range(MOST_BEATS)),
            "i": In(stream.Signature(layouts.beat())),
            "o": Out(stream.Signature(layouts.fields(fmt))),
            "level": Out(range(depth + 1)),
        })

    def elaborate(self, platform):
        m = Module()

        beat_bits = 8 * ArchParams.BUS_BYTES
        beats = -(-self.fmt.width // beat_bits)
        put, get = Signal(), Signal()
        level = self.level
        full = Signal()
        m.d.comb += [
            self.i.ready.eq(~full),
            put.eq(self.i.valid & self.i.ready & (self.at == beats - 1)),
            get.eq(self.o.valid & self.o.ready),
        ]
        write_addr = Signal(range(self.depth))
        m.d.sync += write_addr.eq(write_addr + put)
        words = []
        for beat in range(beats):
            memory: Memory[Any, Any] = Memory(
                shape=beat_bits, depth=self.depth, init=[], attrs={"ram_style": "distributed"}
            )
            m.submodules[f"memory{beat}"] = memory
            write, read = memory.write_port(), memory.read_port(domain="comb")
            # One for each: all would be too many loads.
            read_addr = Signal(range(self.depth), name=f"read_addr{beat}", attrs={"keep": 1})
            m.d.sync += read_addr.eq(read_addr + get)
            m.d.comb += [
                write.en.eq(self.i.valid & self.i.ready & (self.at == beat)),
                write.addr.eq(write_addr),
                write.data.eq(self.i.payload),
                read.addr.eq(read_addr),
            ]
            words.append(read.data)
        m.d.comb += self.o.payload.as_value().eq(Cat(words))
        with m.If(put & ~get):
            m.d.sync += [level.eq(level + 1), full.eq(level == self.depth - 1), self.o.valid.eq(1)]
        with m.If(get & ~put):
            m.d.sync += [level.eq(level - 1), full.eq(0), self.o.valid.eq(level != 1)]

        return m
