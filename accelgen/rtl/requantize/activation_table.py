"""Activation table: any function of an int8, by looking it up."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, limits
from accelgen.rtl import layouts
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.dsp.double_pump import SINGLE_CLOCK, Clocking

__all__ = ["WORDS", "ActivationTable"]

#: Entries a lane's copy takes over per cycle, and words of that many in a table.
COPIED = 8
WORDS = limits.TABLE_BYTES // COPIED


class ActivationTable(wiring.Component):
    """``o = table[i + 128]`` for W x C values at once, or ``o = i``. ``latency`` cycles.

    Four banks: those of coming steps are written while one is in use. Each lane looks up in a copy
    of its own in LUT RAM (a block RAM would be a fifth used), made of the bank after ``start`` in
    32 cycles: while the step's first pixels are still on their way. Copies of all banks would
    take four times the LUTs.

    Double-pumped, values come in the domain ``fast``, half as many pixels side by side, the first
    of a fabric cycle's two in an odd fast cycle 2t + 1; they leave in fabric cycle t + ``latency``.

    Parameters
    ----------
    lanes, width : int
        Channels, pixels of a beat (W).
    clocking : Clocking
        Of the values that come.

    Members
    -------
    enable : In(1)
        Look up. Static from ``start`` on.
    bank : In(2)
        Bank of the table. Static from ``start`` on.
    start : In(1)
        Pulse before the first value: take over the table, as soon as its bank is written.
    ready : Out(1)
        Values that come ``LEAD`` cycles from now, or later, are looked up in this table.
    table : In(stream of table_write, always ready)
        Writes, from index 0 to 15; not to the bank in use, until ``ready``.
    i : In(pixels)
    o : Out(pixels)
    """

    LEAD = 6

    def __init__(self, *, lanes: int, width: int, clocking: Clocking = SINGLE_CLOCK):
        self.lanes = lanes
        self.clocking = clocking
        # Double-pumped, half of it is the way back to the fabric's clock.
        self.latency = _Lane.LATENCY
        super().__init__({
            "enable": In(1),
            "bank": In(2),
            "start": In(1),
            "ready": Out(1),
            "table": In(stream.Signature(layouts.table_write(), always_ready=True)),
            "i": In(layouts.pixels(lanes, width // clocking.turns)),
            "o": Out(layouts.pixels(lanes, width)),
        })

    def elaborate(self, platform):
        m = Module()

        at, copying = self._copy(m)
        # One register stage between the bank and the many copies.
        write_en = Signal()
        write_at = Signal.like(at, reset_less=True)
        write_data = Signal(data.ArrayLayout(signed(8), COPIED), reset_less=True)
        halves = data.ArrayLayout(write_data.shape(), ArchParams.BUS_BYTES // COPIED)
        m.d.sync += [
            write_en.eq(copying),
            write_at.eq(at),
            write_data.eq(data.View(halves, self._banks(m, at[1:]))[at[0]]),
        ]

        for n in range(len(self.i)):
            for c in range(self.lanes):
                m.submodules[f"lane{n}_{c}"] = lane = _Lane(self.clocking)
                m.d.comb += [
                    lane.write_en.eq(write_en),
                    lane.write_at.eq(write_at),
                    lane.write_data.eq(write_data),
                    lane.enable.eq(self.enable),
                    lane.i.eq(self.i[n][c]),
                ]
                for turn, pixel in enumerate(self.clocking.pixels(n)):
                    m.d.comb += self.o[pixel][c].eq(lane.o[turn])

        return m

    def _banks(self, m, row):
        """The banks, as wide as a beat; returns ``row`` of the one in use."""
        shape = self.table.p.data.shape()
        beats = limits.TABLE_BYTES // ArchParams.BUS_BYTES
        memory: Memory[Any, Any] = Memory(
            shape=shape, depth=limits.TABLE_BANKS * beats, init=[],
            attrs={"ram_style": "distributed"},
        )  # fmt: skip
        m.submodules.banks = memory
        write, read = memory.write_port(), memory.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(self.table.valid),
            write.addr.eq(Cat(self.table.p.index, self.table.p.bank)),
            write.data.eq(self.table.p.data),
            read.addr.eq(Cat(row, self.bank)),
        ]
        return read.data

    def _copy(self, m):
        """Count through the words of a bank once it is written. Returns the word and "copy it"."""
        at = Signal(range(WORDS))
        written = Signal(limits.TABLE_BANKS)  # a bank, since it was last copied
        wanted, copying = Signal(), Signal()
        m.d.comb += copying.eq(wanted & written.bit_select(self.bank, 1))
        with m.If(self.start):
            m.d.sync += [wanted.eq(self.enable), self.ready.eq(~self.enable), at.eq(0)]
        with m.Elif(copying):
            m.d.sync += at.eq(at + 1)
            # The last word can be read three cycles after it is counted.
            with m.If(at == WORDS + 1 - self.LEAD):
                m.d.sync += self.ready.eq(1)
            with m.If(at == WORDS - 1):
                m.d.sync += wanted.eq(0)
        for bank in range(limits.TABLE_BANKS):
            # Who does not use a table leaves none behind.
            done = Mux(self.start, ~self.enable, copying & (at == WORDS - 1))
            with m.If(done & (self.bank == bank)):
                m.d.sync += written[bank].eq(0)
            with m.If(self.table.valid & (self.table.p.bank == bank)):
                m.d.sync += written[bank].eq(self.table.p.index == 15)
        return at, copying


class _Lane(wiring.Component):
    """One copy of the table. Double-pumped, looked up in the domain ``fast``."""

    LATENCY = 3

    def __init__(self, clocking: Clocking):
        self.clocking = clocking
        super().__init__({
            "write_en": In(1),
            "write_at": In(range(WORDS)),
            "write_data": In(data.ArrayLayout(signed(8), COPIED)),
            "enable": In(1),
            "i": In(signed(8)),
            "o": Out(data.ArrayLayout(signed(8), clocking.turns)),
        })

    def elaborate(self, platform):
        m = Module()
        domain = self.clocking.domain

        memory: Memory[Any, Any] = Memory(
            shape=self.write_data.shape(), depth=WORDS, init=[],
            attrs={"ram_style": "distributed"},
        )  # fmt: skip
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port(domain="comb")
        index = Signal(8)
        m.d.comb += [
            write.en.eq(self.write_en),
            write.addr.eq(self.write_at),
            write.data.eq(self.write_data),
            # Adding 128 turns the sign bit over.
            index.eq(Cat(self.i[:-1], ~self.i[-1])),
            read.addr.eq(index[3:]),
        ]
        # Cycle 1: the word. 2 and 3: the entry of it, in two multiplexers of one LUT each; who
        # does not look up joins in the second.
        word = Signal.like(read.data, reset_less=True)
        halves = Signal(data.ArrayLayout(signed(8), 2), reset_less=True)
        result = Signal(signed(8), reset_less=True)
        low, through = delay(m, index[:3], 1, domain=domain), delay(m, self.i, 2, domain=domain)
        high = delay(m, low[2], 1, domain=domain)
        parts = [word.as_value()[part : part + 32] for part in (0, 32)]
        m.d[domain] += [
            word.eq(read.data),
            *(halves[n].eq(parts[n].word_select(low[:2], 8)) for n in range(2)),
            result.eq(Mux(self.enable, halves[high], through)),
        ]
        results = self.clocking.leave(m, result)
        m.d.comb += [o.eq(value) for o, value in zip(self.o, results, strict=True)]

        return m
