"""Step log: the cycle at which each EXEC completed."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from accelgen.arch.registers import LOG_WORDS

__all__ = ["StepLog"]


class StepLog(wiring.Component):
    """Ring of ``LOG_WORDS`` cycle counts, from word 0 on after ``clear``.

    Members
    -------
    clear : In(1)
        Pulse: the next entry is word 0.
    write : In(1)
        Pulse: append ``cycles``.
    cycles : In(32)
        Cycle count to note.
    read_address : In(range(LOG_WORDS))
        Word to read.
    read_data : Out(32)
        The word, LATENCY cycles later.
    """

    LATENCY = 2

    def __init__(self):
        super().__init__({
            "clear": In(1),
            "write": In(1),
            "cycles": In(32),
            "read_address": In(range(LOG_WORDS)),
            "read_data": Out(32),
        })

    def elaborate(self, platform):
        m = Module()

        memory: Memory[Any, Any] = Memory(shape=32, depth=LOG_WORDS, init=[])
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        following = Signal(range(LOG_WORDS))
        m.d.comb += read.addr.eq(self.read_address)
        m.d.sync += [
            write.en.eq(self.write),
            write.addr.eq(following),
            write.data.eq(self.cycles),
            self.read_data.eq(read.data),
        ]
        with m.If(self.write):
            m.d.sync += following.eq(following + 1)
        with m.If(self.clear):
            m.d.sync += following.eq(0)

        return m
