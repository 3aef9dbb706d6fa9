"""Pixel memory: P banks of words; any P consecutive pixels are read in one cycle.

Two orders of a map's pixels p (linear), both in rows of P words:

* plain: pixel p is in row p div P, bank p mod P.
* in phases, for walks over every other pixel: each pair of rows holds 2 P pixels, the even ones in
  the first and the odd ones in the second row. Pixel p = 2 P k + 2 s + e is in row 2 k + e, bank s;
  in odd rows the halves of the banks are swapped (bank s xor P / 2). So the pixels of P / 2
  consecutive pairs lie in P different banks: a row of them is written in one cycle, its lower half
  to one row of the pair and its upper half to the other.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl import layouts
from accelgen.rtl.basics.copies import copies
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.memory.bank import Bank

__all__ = ["ROW_BITS", "PixelMemory", "RunPort", "locate"]

#: Width of row addresses on every port, whatever the depth after it.
ROW_BITS = 16
#: Lanes of a rotator that share a register of its shift.
_LANES_PER_COPY = 4


def shift_bits(pixels: int) -> int:
    """Bits of a pixel's place in its row; one bit, always 0, when there is one pixel per row."""
    return max(1, (pixels - 1).bit_length())


def locate(pixels: int, address, phases):
    """Row and bank of a (signed) pixel address of a map that is stored in ``phases`` or plain."""
    bits = (pixels - 1).bit_length()
    plain = address >> bits, address[:bits]
    if not bits:
        return plain
    odd = address[0]
    row = Cat(odd, address >> (bits + 1)).as_signed()
    bank = Cat(address[1:bits], address[bits] ^ odd)
    return Mux(phases, row, plain[0]), Mux(phases, bank, plain[1])


class RunPort(wiring.Signature):
    """Read port of a run of P pixels, seen from the reader.

    Members
    -------
    en : Out(1)
        Read in this cycle.
    row, bank : Out(ROW_BITS), Out(log2 P)
        Where lane 0 is. Lane l is l words after it; in phases: of the same phase.
    phases : Out(1)
        The map is stored in phases; its first row is even.
    wanted : Out(P)
        Lanes to read; the others are 0.
    data : In(row)
        ``timing.run_latency`` cycles after ``en``.
    """

    def __init__(self, lanes: int, pixels: int):
        super().__init__({
            "en": Out(1),
            "row": Out(ROW_BITS),
            "bank": Out(shift_bits(pixels)),
            "phases": Out(1),
            "wanted": Out(pixels),
            "data": In(layouts.pixels(lanes, pixels)),
        })


class PixelMemory(wiring.Component):
    """Rows of P words in P banks of true dual-port block RAM.

    The run port reads P consecutive pixels that start anywhere: banks below lane 0's read the
    next row (in phases: of the same phase, two rows on), and a rotator brings bank
    ``bank + l mod P`` to lane l. The row port reads or writes one row, or a half each of two that
    make a pair. Both take an access per cycle. A read sees every write of an earlier
    cycle; read and write of one row in one cycle read the old row.

    Rows wrap modulo ``depth`` when it is a power of two; otherwise rows from ``depth`` on read
    something undefined.

    Parameters
    ----------
    lanes, pixels : int
        Channels of a word, words of a row (C, P).
    depth : int
        Rows.
    row_reads, ultra : bool
        See :class:`~.bank.Bank`.

    Members
    -------
    run : In(RunPort)
        Run port, ``timing.run_latency(pixels)`` cycles.
    row_en, row_write : In(1), In(P)
        Access through the row port; a write when ``row_write`` is 1, the same for each bank.
    row_addr, row_phases : In(ROW_BITS), In(1)
        Row read or written; of the upper half of the banks, the other row of the pair.
    row_wdata : In(row)
        Data to write.
    row_rdata : Out(row)
        Data read, ``timing.ROW_LATENCY`` cycles after ``row_en``; 0 without ``row_reads``.
    """

    def __init__(
        self, *, lanes: int, pixels: int, depth: int, row_reads: bool = True, ultra: bool = False
    ):
        self.lanes = lanes
        self.pixels = pixels
        self.depth = depth
        self.row_reads = row_reads
        self.ultra = ultra
        super().__init__({
            "run": In(RunPort(lanes, pixels)),
            "row_en": In(1),
            "row_write": In(pixels),
            "row_addr": In(ROW_BITS),
            "row_phases": In(1),
            "row_wdata": In(layouts.pixels(lanes, pixels)),
            "row_rdata": Out(layouts.pixels(lanes, pixels)),
        })

    def elaborate(self, platform):
        m = Module()

        # Cycle 1: a row address for each bank, from registers of its own to keep the fan-out low.
        half = self.pixels // 2
        next_row, odd, other_row = Signal(ROW_BITS), Signal(), Signal(ROW_BITS)
        m.d.comb += [
            next_row.eq(self.run.row + Cat(~self.run.phases, self.run.phases)),
            odd.eq(self.run.phases & self.run.row[0]),
            other_row.eq(Cat(self.row_addr[0] ^ self.row_phases, self.row_addr[1:])),
        ]
        read_en = Signal()
        m.d.sync += read_en.eq(self.run.en)
        banks = []
        for b in range(self.pixels):
            m.submodules[f"bank{b}"] = bank = Bank(
                8 * self.lanes, self.depth, row_reads=self.row_reads, ultra=self.ultra
            )
            run_addr = Signal(ROW_BITS, name=f"run_addr{b}", reset_less=True)
            # A bank's place in its row, and lane 0's: in odd rows of phases the halves are swapped.
            below = Mux(odd, b ^ half < self.run.bank ^ half, b < self.run.bank)
            m.d.sync += run_addr.eq(Mux(below, next_row, self.run.row))
            m.d.comb += [
                bank.run_en.eq(read_en),
                bank.run_addr.eq(run_addr),
                bank.row_en.eq(self.row_en),
                bank.row_write.eq(self.row_write[b]),
                bank.row_addr.eq(other_row if half and b >= half else self.row_addr),
                bank.row_wdata.eq(self.row_wdata[b].as_value()),
                self.row_rdata[b].as_value().eq(bank.row_rdata),
            ]
            banks.append(bank)

        # Cycles 2 and 3 are the bank's, then the rotator's.
        m.submodules.rotator = rotator = _Rotator(self.lanes, self.pixels)
        m.d.comb += [
            rotator.i.eq(Cat(bank.run_rdata for bank in banks)),
            rotator.shift.eq(delay(m, self.run.bank, 2)),
            rotator.wanted.eq(delay(m, self.run.wanted, 2)),
            self.run.data.eq(rotator.o),
        ]

        return m


class _Rotator(wiring.Component):
    """Lane l of ``o`` is lane (l + shift) mod P of ``i``, or 0; two bits of ``shift`` per cycle.

    ``shift`` and ``wanted`` come a cycle before ``i``. What is not wanted is the reset of the last
    register, and takes no LUT.
    """

    def __init__(self, lanes: int, pixels: int):
        self.lanes = lanes
        self.pixels = pixels
        super().__init__({
            "i": In(layouts.pixels(lanes, pixels)),
            "shift": In(shift_bits(pixels)),
            "wanted": In(pixels),
            "o": Out(layouts.pixels(lanes, pixels)),
        })

    def elaborate(self, platform):
        m = Module()

        pixels = self.pixels
        lanes = [self.i[n].as_value() for n in range(pixels)]
        shift = self.shift
        stages = range(0, (pixels - 1).bit_length(), 2)
        if not stages:
            return self._single(m, lanes[0])
        wanted = delay(m, self.wanted, len(stages))
        for low in stages:
            step = 1 << low
            choices = copies(m, shift[:2], -(-pixels // _LANES_PER_COPY), name=f"by{step}")
            rotated = []
            for n in range(pixels):
                lane = Signal(8 * self.lanes, name=f"lane{n}_by{step}", reset_less=True)
                choice = choices[n // _LANES_PER_COPY]
                with m.Switch(choice):
                    for k in range(1 << len(choice)):
                        with m.Case(k):
                            m.d.sync += lane.eq(lanes[(n + k * step) % pixels])
                if low == stages[-1]:
                    with m.If(~wanted[n]):
                        m.d.sync += lane.eq(0)
                rotated.append(lane)
            lanes, shift = rotated, delay(m, shift, 1)[2:]
        m.d.comb += self.o.as_value().eq(Cat(lanes))

        return m

    def _single(self, m, lane):
        """Nothing to rotate."""
        m.d.comb += self.o.as_value().eq(Mux(delay(m, self.wanted, 1), lane, 0))
        return m
