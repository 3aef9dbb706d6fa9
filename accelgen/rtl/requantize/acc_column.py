"""Accumulator column: the memory of double-pumped accumulators of one channel."""

from typing import Any

from amaranth import Array, Cat, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from accelgen.rtl.dsp.double_pump import second_half

__all__ = ["AccColumn", "pick_part"]


def pick_part(words, beat, part, parts):
    """Word ``beat | part`` where ``beat`` has zeros in the bits of ``part``, for ``part`` > 0.

    Only every so many words can be that: a multiplexer of those.
    """
    if part == 0:
        return Array(words)[beat]
    return Array(words[part::parts])[beat >> exact_log2(parts)]


class AccColumn(wiring.Component):
    """Vectors of one channel's accumulators, in LUT RAM that is written and read by the fast clock.

    Half of a vector is written in each of two fast cycles, and read in as many, so half of
    the bits are needed side by side, and a multiplexer half as wide. It has registers for all that
    comes from the fabric, so that nothing at twice the clock has many loads.

    Parameters
    ----------
    pixels, acc_bits, depth, width, wide_width : int
        As of :class:`~.acc_queue.AccQueue`; below P, W and D are the first and the last two.

    Members
    -------
    write_en, write_row : In(1), In(range(depth))
        Write a vector, in fabric cycle t.
    i : In(array of accumulators, P / 2)
        Its halves, in fast cycles 2t + 1 and 2t + 2.
    read_row, read_beat : In(range(depth)), In(range(P / W))
        Read W pixels of a vector, in fabric cycle t; or D, by the number of their first W.
    o : Out(array of accumulators, D / 2)
        Their halves, in fast cycles 2t + 3 and 2t + 4.
    """

    def __init__(self, *, pixels: int, acc_bits: int, depth: int, width: int, wide_width: int):
        self.acc_bits = acc_bits
        self.depth = depth
        self.width = width // 2  # in a fast cycle
        self.beats = pixels // width
        self.parts = wide_width // width
        acc = signed(acc_bits)
        super().__init__({
            "write_en": In(1),
            "write_row": In(range(depth)),
            "i": In(data.ArrayLayout(acc, pixels // 2)),
            "read_row": In(range(depth)),
            "read_beat": In(range(self.beats)),
            "o": Out(data.ArrayLayout(acc, self.parts * self.width)),
        })

    def elaborate(self, platform):
        m = Module()
        even = Signal()
        m.d.comb += even.eq(~second_half(m))

        # Fast cycles 2t + 1 and 2t + 2. All columns hold the same in these: each keeps its own.
        own: dict[str, Any] = {"attrs": {"keep": 1}}
        write_en = Signal(**own)
        write_row, read_row = (Signal.like(x, **own) for x in (self.write_row, self.read_row))
        beat = Signal.like(self.read_beat, reset_less=True, **own)
        m.d.fast += [
            write_en.eq(self.write_en),
            write_row.eq(self.write_row),
            read_row.eq(self.read_row),
            beat.eq(self.read_beat),
        ]
        found = []
        bits = self.width * self.acc_bits
        for n in range(self.beats):
            memory: Memory[Any, Any] = Memory(
                shape=bits, depth=2 * self.depth, init=[],
                attrs={"ram_style": "distributed"},
            )  # fmt: skip
            m.submodules[f"beat{n}"] = memory
            write, read = memory.write_port(domain="fast"), memory.read_port(domain="comb")
            word = Signal(bits, name=f"word{n}", reset_less=True)
            m.d.comb += [
                write.en.eq(write_en),
                write.addr.eq(Cat(even, write_row)),
                write.data.eq(self.i.as_value().word_select(n, bits)),
                read.addr.eq(Cat(even, read_row)),
            ]
            m.d.fast += word.eq(read.data)
            found.append(word)

        # Fast cycles 2t + 2 and 2t + 3.
        late_beat = Signal.like(beat, reset_less=True, **own)
        m.d.fast += late_beat.eq(beat)
        for part in range(self.parts):
            out = Signal(bits, name=f"out{part}", reset_less=True)
            m.d.fast += out.eq(pick_part(found, late_beat, part, self.parts))
            m.d.comb += self.o.as_value().word_select(part, bits).eq(out)

        return m
