"""RAM of UltraScale+ by name: block RAM and UltraRAM, a port that reads and one that does both.

Port A reads, port B reads or writes, with one clock. A read of a word that is written in the same
cycle shows the old one:

* RAMB36E2: a write in mode READ_FIRST leaves the old data to both ports when they have a common
  clock (UG573, "Address Collision", table "Common Clock").
* URAM288_BASE: port A does its access before port B does (UG573, "UltraRAM Summary"; UG901,
  "Inference Capabilities": "UltraRAM schedules port A before port B").

Sources of names, widths and attributes: UG573 (memory resources), UG974 (libraries guide).
"""

from dataclasses import dataclass

from amaranth import Cat, ClockSignal, Const, Instance, Module, Signal, Value

__all__ = ["BLOCK", "ULTRA", "BlockRam", "Piece", "Ports", "RamCell", "UltraRam"]


#: RAMB36E2: words of a cell, and the width attribute: with parity, where there is some.
_BLOCK_WIDTHS = {1024: 36, 2048: 18, 4096: 9, 8192: 4, 16384: 2, 32768: 1}
#: Bits of its addresses, which count bits.
_BLOCK_ADDRESS = 15
_BLOCK_PARAMETERS = {
    "CLOCK_DOMAINS": "COMMON", "DOA_REG": 1, "DOB_REG": 1,
    # A port that never writes needs no READ_FIRST, which costs power.
    "WRITE_MODE_A": "NO_CHANGE", "WRITE_MODE_B": "READ_FIRST",
}  # fmt: skip
#: Value and width of inputs that never change: enables of what is not used are high.
_BLOCK_TIED = {
    **dict.fromkeys(("ADDRENA", "ADDRENB", "REGCEAREGCE", "REGCEB", "ECCPIPECE"), (1, 1)),
    **dict.fromkeys(("CASDOMUXEN_A", "CASDOMUXEN_B"), (1, 1)),
    **dict.fromkeys(("CASOREGIMUXEN_A", "CASOREGIMUXEN_B"), (1, 1)),
    **dict.fromkeys(("CASDIMUXA", "CASDIMUXB", "CASDOMUXA", "CASDOMUXB"), (0, 1)),
    **dict.fromkeys(("CASOREGIMUXA", "CASOREGIMUXB", "CASINDBITERR", "CASINSBITERR"), (0, 1)),
    **dict.fromkeys(("RSTRAMARSTRAM", "RSTRAMB", "RSTREGARSTREG", "RSTREGB"), (0, 1)),
    **dict.fromkeys(("INJECTDBITERR", "INJECTSBITERR", "SLEEP"), (0, 1)),
    **dict.fromkeys(("CASDINA", "CASDINB", "DINADIN"), (0, 32)),
    **dict.fromkeys(("CASDINPA", "CASDINPB", "DINPADINP", "DINPBDINP", "WEA"), (0, 4)),
}  # fmt: skip

#: URAM288_BASE. Addresses above the 4,096 words are for its cascade.
_ULTRA_WORD, _ULTRA_ADDRESS = 12, 23
_ULTRA_PARAMETERS = {"OREG_A": "TRUE", "OREG_B": "TRUE"}
_ULTRA_TIED = {
    "BWE_A": (0x1FF, 9), "BWE_B": (0x1FF, 9), "RDB_WR_A": (0, 1), "DIN_A": (0, 72),
    **dict.fromkeys(("OREG_CE_A", "OREG_CE_B", "OREG_ECC_CE_A", "OREG_ECC_CE_B"), (1, 1)),
    **dict.fromkeys(("INJECT_DBITERR_A", "INJECT_DBITERR_B"), (0, 1)),
    **dict.fromkeys(("INJECT_SBITERR_A", "INJECT_SBITERR_B"), (0, 1)),
    **dict.fromkeys(("RST_A", "RST_B", "SLEEP"), (0, 1)),
}  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """Words ``start`` to ``start + depth`` of a memory; ``depth`` is a power of two, ``start`` a
    multiple of it."""

    start: int
    depth: int

    def holds(self, address: Value) -> Value:
        """Whether ``address`` is in it."""
        return address >> (self.depth - 1).bit_length() == self.start // self.depth


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Inputs of both ports of a piece. Of the addresses the lower bits count."""

    run_en: Value
    run_addr: Value
    row_en: Value
    row_addr: Value
    row_write: Value
    row_wdata: Value


class RamCell:
    """How a memory is made of one kind of cell.

    ``rows`` is the depth of the smallest piece.
    """

    rows: int

    def pieces(self, depth: int) -> list[Piece]:
        """Pieces of a memory of ``depth`` words, in order; together they are as deep or deeper."""
        raise NotImplementedError

    def add(self, m: Module, name: str, depth: int, ports: Ports) -> tuple[Value, Value]:
        """Add a piece's cells to ``m``, each for some bits of a word.

        Returns what the run and the row port show two cycles after their enable.
        """
        width, runs, rows = len(ports.row_wdata), [], []
        step = self._bits(depth)
        for low in range(0, width, step):
            bits = min(step, width - low)
            run, row = (Signal(self._data, name=f"{name}_{port}{low}") for port in ("run", "row"))
            data = ports.row_wdata[low : low + bits]
            m.submodules[f"{name}_{low}"] = self._instance(depth, ports, data, run, row)
            runs.append(run[:bits])
            rows.append(row[:bits])
        return Cat(runs), Cat(rows)

    #: Width of the cell's data ports.
    _data: int

    def _bits(self, depth: int) -> int:
        """Bits of a word of a cell that is so deep."""
        raise NotImplementedError

    def _instance(self, depth: int, ports: Ports, data: Value, run: Signal, row: Signal):
        raise NotImplementedError


class BlockRam(RamCell):
    """RAMB36E2 in true dual-port mode, with its output registers. Parity bits are not used."""

    rows = 1024
    _data = 32

    def pieces(self, depth):
        """Powers of two: the deeper the pieces, the fewer are left to choose from after them."""
        units, start, pieces = -(-depth // self.rows), 0, []
        for bit in reversed(range(units.bit_length())):
            if units >> bit & 1:
                pieces.append(Piece(start, self.rows << bit))
                start += self.rows << bit
        return pieces

    def _bits(self, depth):
        return (1 << _BLOCK_ADDRESS) // depth

    def _instance(self, depth, ports, data, run, row):
        width, low = _BLOCK_WIDTHS[depth], _BLOCK_ADDRESS - (depth - 1).bit_length()
        return Instance(
            "RAMB36E2",
            *(("p", parameter, value) for parameter, value in _BLOCK_PARAMETERS.items()),
            *(("p", f"{way}_WIDTH_{port}", width) for way in ("READ", "WRITE") for port in "AB"),
            *(("i", port, Const(value, bits)) for port, (value, bits) in _BLOCK_TIED.items()),
            ("i", "CLKARDCLK", ClockSignal()),
            ("i", "CLKBWRCLK", ClockSignal()),
            ("i", "ENARDEN", ports.run_en),
            ("i", "ENBWREN", ports.row_en),
            # Addresses count bits, of which a word has a power of two.
            ("i", "ADDRARDADDR", _cut(Cat(Const(0, low), ports.run_addr), _BLOCK_ADDRESS)),
            ("i", "ADDRBWRADDR", _cut(Cat(Const(0, low), ports.row_addr), _BLOCK_ADDRESS)),
            # The upper half counts with words of 72 bits only.
            ("i", "WEBWE", _cut(ports.row_write.replicate(4), 8)),
            ("i", "DINBDIN", _cut(data, self._data)),
            ("o", "DOUTADOUT", run),
            ("o", "DOUTBDOUT", row),
        )


class UltraRam(RamCell):
    """URAM288_BASE: UltraRAM without its cascade, with its output registers."""

    rows = 4096
    _data = 72

    def pieces(self, depth):
        return [Piece(start, self.rows) for start in range(0, depth, self.rows)]

    def _bits(self, depth):
        return self._data

    def _instance(self, depth, ports, data, run, row):
        return Instance(
            "URAM288_BASE",
            *(("p", parameter, value) for parameter, value in _ULTRA_PARAMETERS.items()),
            *(("i", port, Const(value, bits)) for port, (value, bits) in _ULTRA_TIED.items()),
            ("i", "CLK", ClockSignal()),
            ("i", "EN_A", ports.run_en),
            ("i", "EN_B", ports.row_en),
            ("i", "ADDR_A", _cut(ports.run_addr[:_ULTRA_WORD], _ULTRA_ADDRESS)),
            ("i", "ADDR_B", _cut(ports.row_addr[:_ULTRA_WORD], _ULTRA_ADDRESS)),
            ("i", "RDB_WR_B", ports.row_write),
            ("i", "DIN_B", _cut(data, self._data)),
            ("o", "DOUT_A", run),
            ("o", "DOUT_B", row),
        )


def _cut(value: Value, bits: int) -> Value:
    """The lower ``bits`` of ``value``, zeros above it."""
    return Cat(value, Const(0, bits))[:bits]


BLOCK, ULTRA = BlockRam(), UltraRam()
