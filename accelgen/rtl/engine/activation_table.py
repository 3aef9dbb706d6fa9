"""Activation table: any function of an int8, by looking it up."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.rtl import layouts

__all__ = ["ActivationTable"]

ENTRIES = 256


class ActivationTable(wiring.Component):
    """``o = table[i + 128]`` for W x C values at once, or ``o = i``. ``LATENCY`` cycles.

    Two banks, so that one is written while the other is read. Each lane has its own copy in LUT
    RAM (a block RAM would be a fifth used), as wide as a beat of the table stream: a beat is
    written in one cycle, and 16:1 multiplexers pick the entry.

    Parameters
    ----------
    arch : ArchParams
        Uses ``lanes`` and ``chain_pixels``.

    Members
    -------
    enable : In(1)
        Look up. Static while values flow.
    bank : In(1)
        Bank that is read. Static while values flow.
    table : In(stream of table_write, always ready)
        Writes; not to the bank that is being read.
    i : In(pixels)
    o : Out(pixels)
    """

    LATENCY = 2

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "enable": In(1),
            "bank": In(1),
            "table": In(stream.Signature(layouts.table_write(arch), always_ready=True)),
            "i": In(layouts.pixels(arch)),
            "o": Out(layouts.pixels(arch)),
        })

    def elaborate(self, platform):
        m = Module()

        # One register stage between the loader and the many copies.
        write = Signal(layouts.table_write(self.arch), reset_less=True)
        write_en = Signal()
        m.d.sync += [write.eq(self.table.payload), write_en.eq(self.table.valid)]

        for p in range(self.arch.chain_pixels):
            for c in range(self.arch.lanes):
                m.submodules[f"lane{p}_{c}"] = lane = _Lane(self.arch)
                m.d.comb += [
                    lane.write_en.eq(write_en),
                    lane.write.eq(write),
                    lane.bank.eq(self.bank),
                    lane.enable.eq(self.enable),
                    lane.i.eq(self.i[p][c]),
                    self.o[p][c].eq(lane.o),
                ]

        return m


class _Lane(wiring.Component):
    """One copy of the table."""

    def __init__(self, arch: ArchParams):
        super().__init__({
            "write_en": In(1),
            "write": In(layouts.table_write(arch)),
            "bank": In(1),
            "enable": In(1),
            "i": In(signed(8)),
            "o": Out(signed(8)),
        })

    def elaborate(self, platform):
        m = Module()

        row = data.ArrayLayout(signed(8), ArchParams.BUS_BYTES)
        rows = ENTRIES // ArchParams.BUS_BYTES
        m.submodules.memory = memory = Memory(
            shape=row, depth=2 * rows, init=[], attrs={"ram_style": "distributed"}
        )
        write, read = memory.write_port(), memory.read_port(domain="comb")
        index = Signal(8)
        m.d.comb += [
            write.en.eq(self.write_en),
            write.addr.eq(Cat(self.write.index, self.write.bank)),
            write.data.eq(self.write.data),
            # Adding 128 turns the sign bit over.
            index.eq(Cat(self.i[:-1], ~self.i[-1])),
            read.addr.eq(Cat(index[4:], self.bank)),
        ]
        found = Signal(signed(8), reset_less=True)
        through = Signal(signed(8), reset_less=True)
        result = Signal(signed(8), reset_less=True)
        m.d.sync += [
            found.eq(read.data[index[:4]]),
            through.eq(self.i),
            result.eq(Mux(self.enable, found, through)),
        ]
        m.d.comb += self.o.eq(result)

        return m
