"""A bank of a pixel memory: true dual-port RAM, instantiated or described."""

from typing import Any

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from accelgen.rtl.basics.copies import copies
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.memory.ram_cells import BLOCK, ULTRA, Ports
from accelgen.rtl.primitives import Primitives

__all__ = ["Bank"]


class Bank(wiring.Component):
    """RAM with a port that reads (``run``) and one that reads or writes (``row``).

    Data is there two cycles after its enable: RAM and output register. A read sees every write of
    an earlier cycle; a read of what is written in the same cycle sees the old data. What the row
    port shows of a write is not defined.

    On UltraScale+ these are RAMB36E2 or URAM288_BASE by name: Vivado documents which descriptions
    of a true dual port it recognizes (UG901), and what Yosys writes is none of them. A port that
    only writes makes a simple dual port, which is one of them.

    Parameters
    ----------
    width, depth : int
        Bits, and words.
    row_reads : bool
        The row port reads. Without it the bank is described on every part, and ``row_rdata`` is 0.
    ultra : bool
        UltraRAM instead of block RAM, where cells are named.
    """

    def __init__(self, width: int, depth: int, *, row_reads: bool, ultra: bool = False):
        self._width = width
        self._depth = depth
        self._row_reads = row_reads
        self._cell = ULTRA if ultra else BLOCK
        address_bits = (depth - 1).bit_length()
        super().__init__({
            "run_en": In(1),
            "run_addr": In(address_bits),
            "run_rdata": Out(width),
            "row_en": In(1),
            "row_write": In(1),
            "row_addr": In(address_bits),
            "row_wdata": In(width),
            "row_rdata": Out(width),
        })

    def elaborate(self, platform):
        m = Module()

        if isinstance(platform, Primitives) and self._row_reads:
            self._instances(m)
        else:
            self._described(m)

        return m

    def _instances(self, m):
        """Pieces of the depth; after their registers one is chosen."""
        pieces = self._cell.pieces(self._depth)
        addresses = {"run": self.run_addr, "row": self.row_addr}
        places = {}
        for port, address in addresses.items():
            places[port] = Signal(range(len(pieces)), name=f"{port}_piece")
            for number, piece in enumerate(pieces):
                with m.If(piece.holds(address)):
                    m.d.comb += places[port].eq(number)
        words = []
        for number, piece in enumerate(pieces):
            ports = Ports(
                run_en=self.run_en & (places["run"] == number), run_addr=self.run_addr,
                row_en=self.row_en & (places["row"] == number), row_addr=self.row_addr,
                row_write=self.row_write, row_wdata=self.row_wdata,
            )  # fmt: skip
            words.append(self._cell.add(m, f"ram{number}", piece.depth, ports))
        for port, data in zip(("run", "row"), zip(*words, strict=True), strict=True):
            out = getattr(self, f"{port}_rdata")
            # All banks choose alike: each from a register of its own, which synthesis keeps.
            (place,) = copies(m, delay(m, places[port], 1), 1, name=f"{port}_piece")
            with m.Switch(place):
                for number, word in enumerate(data):
                    with m.Case(number):
                        m.d.comb += out.eq(word)

    def _described(self, m):
        """A depth between powers of two takes two RAMs, the larger one a power of two: synthesis
        then cuts it by bits and not by words, and one multiplexer of two is all that is left."""
        low = 1 << (self._depth.bit_length() - 1)
        if low == self._depth:
            words = self._ram(m, "memory", low, 1, 1)
        else:
            bit = low.bit_length() - 1
            high = self.run_addr[bit], self.row_addr[bit]
            lower = self._ram(m, "memory", low, *(~here for here in high))
            upper = self._ram(m, "memory_high", self._depth - low, *high)
            words = {
                port: Mux(delay(m, here, 1), upper[port], lower[port])
                for port, here in zip(lower, high, strict=False)
            }
        for port, word in words.items():
            register = Signal(self._width, name=f"{port}_register", reset_less=True)
            m.d.sync += register.eq(word)
            m.d.comb += getattr(self, f"{port}_rdata").eq(register)

    def _ram(self, m, name, depth, run_here, row_here):
        """Add a RAM that takes part when it is addressed; returns the data of ports that read."""
        memory: Memory[Any, Any] = Memory(
            shape=unsigned(self._width), depth=depth, init=[], attrs={"ram_style": "block"}
        )
        m.submodules[name] = memory
        write, run = memory.write_port(), memory.read_port()
        row_en = self.row_en & row_here
        m.d.comb += [
            run.en.eq(self.run_en & run_here),
            run.addr.eq(self.run_addr),
            write.en.eq(row_en & self.row_write),
            write.addr.eq(self.row_addr),
            write.data.eq(self.row_wdata),
        ]
        if not self._row_reads:
            return {"run": run.data}
        row = memory.read_port()
        # A write reads too: a port that keeps its output then would need logic around it.
        m.d.comb += [row.en.eq(row_en), row.addr.eq(self.row_addr)]
        return {"run": run.data, "row": row.data}
