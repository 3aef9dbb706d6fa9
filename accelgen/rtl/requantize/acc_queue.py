"""Accumulator queue: whole vectors in, W pixels at a time out."""

from typing import Any

from amaranth import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from accelgen.rtl import layouts
from accelgen.rtl.dsp.double_pump import DOUBLE_PUMPED, SINGLE_CLOCK, Clocking
from accelgen.rtl.requantize.acc_column import AccColumn, pick_part

__all__ = ["AccQueue", "PumpedAccQueue"]


class AccQueue(wiring.Component):
    """First-in first-out queue of vectors of accumulators, in LUT RAM.

    A vector leaves in beats of ``width`` pixels, in lane order; beats with no lane to keep are left
    out. A beat every cycle, also from one vector to the next; a vector without any lane to keep
    costs one cycle. First beat ``LATENCY`` cycles after the vector came in. For double-pumped
    accumulators there is PumpedAccQueue.

    A beat has ``wide_width`` lanes. Unless ``wide`` is 1, those from ``width`` on are not kept.

    With ``tagged`` vectors whose tag is ``held`` stay, and those after them.

    The producer owns ``depth`` credits: it spends one per vector, before it starts to compute
    it, and gets it back with ``credit``. Nothing else keeps the queue from overflowing.

    Parameters
    ----------
    lanes, pixels, acc_bits : int
        Channels, pixels of a vector, bits of an accumulator.
    depth : int
        Vectors. Power of two.
    width, wide_width : int
        Pixels of a beat, and of a wide one: multiples of each other and of ``pixels``.
    tagged : bool
        Look at tags.

    Members
    -------
    wide : In(1)
        ``wide_width`` pixels per beat. Changes only while nothing flows.
    held : In(layouts.TAG_BITS)
        Tag of the step that must not begin.
    i : In(stream of accumulators, always ready)
        Finished vectors.
    o : Out(stream of accumulator_beat of ``wide_width``)
        Their pixels; at least one is kept. Comes out of registers.
    credit : Out(1)
        Pulse: a vector has left.
    """

    LATENCY = 3
    CLOCKING: Clocking = SINGLE_CLOCK

    def __init__(
        self,
        *,
        lanes: int,
        pixels: int,
        acc_bits: int,
        depth: int,
        width: int,
        wide_width: int | None = None,
        tagged: bool = False,
    ):
        self.lanes = lanes
        self.pixels = pixels
        self.acc_bits = acc_bits
        self.depth = depth
        self.width = width
        self.wide_width = wide_width or width
        self.tagged = tagged
        turns = self.CLOCKING.turns
        vectors = layouts.accumulators(lanes, pixels, acc_bits, turns=turns)
        beats = layouts.accumulator_beat(lanes, self.wide_width, acc_bits, turns=turns)
        super().__init__({
            "wide": In(1),
            "held": In(layouts.TAG_BITS),
            "i": In(stream.Signature(vectors, always_ready=True)),
            "o": Out(stream.Signature(beats)),
            "credit": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        width = self.width
        beats = self.pixels // width
        parts = self.wide_width // width  # of a wide beat

        # Write side. `following` is the oldest vector not yet begun; `some`: there is one.
        write_row = Signal(range(self.depth))
        following = Signal.like(write_row)
        count = Signal(range(self.depth + 1))
        some, begin = Signal(), Signal()
        m.d.comb += some.eq(count != 0)
        m.d.sync += [
            write_row.eq(write_row + self.i.valid),
            following.eq(following + begin),
            count.eq(count + self.i.valid - begin),
        ]

        # The vector whose beats are leaving: its lanes to keep, beats not yet sent, and the lowest
        # of those.
        keep = Signal(self.pixels, reset_less=True)
        pending, pending_next = Signal(beats), Signal(beats)
        select = Signal(range(beats), reset_less=True)
        next_keep = self._memory(m, "keep", self.i.p.keep, write_row, following)
        may_begin = Signal(init=1)
        if self.tagged:
            tag = self._memory(m, "tag", self.i.p.tag, write_row, following)
            m.d.comb += may_begin.eq(tag != self.held)
        wanted = self._wanted(next_keep, beats, parts)
        rest = pending & (pending - 1)[:beats]

        held, advance, finished, ends = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            finished.eq(~held | (advance & ~rest.any())),
            begin.eq(finished & some & may_begin),
            pending_next.eq(Mux(begin, wanted, Mux(advance, rest, pending))),
        ]
        m.d.sync += [
            pending.eq(pending_next),
            self.credit.eq(advance & ends),
        ]
        for beat in reversed(range(beats)):
            with m.If(pending_next[beat]):
                m.d.sync += select.eq(beat)
        with m.If(begin):
            m.d.sync += [keep.eq(next_keep), held.eq(1)]
        with m.Elif(finished):
            m.d.sync += held.eq(0)

        keep_out = Signal(parts * width, reset_less=True)
        coming = Cat(
            keep.word_select(select | part, width) & (self.wide if part else C(1)).replicate(width)
            for part in range(parts)
        )
        m.d.comb += self.o.p.keep.eq(keep_out)
        kept = Signal.like(self.o.p.kept, reset_less=True)
        m.d.comb += self.o.p.kept.eq(kept)
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(pending.any()),
                ends.eq(held & ~rest.any()),
                keep_out.eq(coming),
                kept.eq(sum(coming[n] for n in range(parts * width))),
            ]
        self._accumulators(m, write_row, following, begin, select, advance)

        return m

    def _wanted(self, keep, beats, parts):
        """A bit per beat of a vector that has lanes to keep; wide beats go by their first part."""
        width = self.width
        wanted = Cat(keep.word_select(b, width).any() for b in range(beats))
        if parts == 1:
            return wanted
        first = (
            Cat(wanted.word_select(b, parts).any(), C(0, parts - 1)) for b in range(beats // parts)
        )
        return Mux(self.wide, Cat(*first), wanted)

    def _accumulators(self, m, write_row, following, begin, select, advance):
        """Accumulators in a memory per W lanes: a vector is written at once and read through a
        multiplexer of P / W."""
        width = self.width
        read = []
        for beat in range(self.pixels // width):
            # A row register for each: one would have too many loads.
            row = Signal.like(write_row, name=f"row{beat}", attrs={"keep": 1})
            with m.If(begin):
                m.d.sync += row.eq(following)
            lanes = Cat(self.i.p.acc[beat * width + w] for w in range(width))
            read.append(self._memory(m, f"beat{beat}", lanes, write_row, row))
        parts = self.wide_width // width
        held = [Signal(len(read[0]), name=f"acc{part}", reset_less=True) for part in range(parts)]
        m.d.comb += Value.cast(self.o.p.acc).eq(Cat(held))
        with m.If(advance):
            m.d.sync += [
                out.eq(pick_part(read, select, part, parts)) for part, out in enumerate(held)
            ]

    def _memory(self, m, name, data, write_row, read_row):
        """Write ``data`` with every vector; return what is in ``read_row``."""
        memory: Memory[Any, Any] = Memory(
            shape=len(data), depth=self.depth, init=[],
            attrs={"ram_style": "distributed"},
        )  # fmt: skip
        m.submodules[name] = memory
        write, read = memory.write_port(), memory.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(self.i.valid),
            write.addr.eq(write_row),
            write.data.eq(data),
            read.addr.eq(read_row),
        ]
        return read.data


class PumpedAccQueue(AccQueue):
    """AccQueue of double-pumped accumulators: they come and leave in the fast domain
    (layouts.accumulators, accumulator_beat)."""

    CLOCKING = DOUBLE_PUMPED

    def _accumulators(self, m, write_row, following, begin, select, advance):
        """Accumulators in a memory per channel, whose output follows what is at ``o``."""
        row, read_row, read_beat = (
            Signal.like(x, name=name)
            for x, name in ((write_row, "row"), (write_row, "row_out"), (select, "beat_out"))
        )
        with m.If(begin):
            m.d.sync += row.eq(following)
        with m.If(advance):
            m.d.sync += [read_row.eq(row), read_beat.eq(select)]
        for c in range(self.lanes):
            m.submodules[f"column{c}"] = column = AccColumn(
                pixels=self.pixels, acc_bits=self.acc_bits, depth=self.depth,
                width=self.width, wide_width=self.wide_width,
            )  # fmt: skip
            m.d.comb += [
                column.write_en.eq(self.i.valid),
                column.write_row.eq(write_row),
                column.read_row.eq(read_row),
                column.read_beat.eq(read_beat),
                *(to.eq(acc[c]) for to, acc in zip(column.i, self.i.p.acc, strict=True)),
                *(acc[c].eq(out) for acc, out in zip(self.o.p.acc, column.o, strict=True)),
            ]
