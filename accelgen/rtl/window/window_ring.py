"""Window ring: the rows between the array (or the copy) and the window engine."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from accelgen.arch import isa
from accelgen.rtl import layouts
from accelgen.rtl.basics.loop_counter import LoopCounter
from accelgen.rtl.memory.pixel_memory import PixelMemory, RunPort

__all__ = ["RING_BITS", "WindowRing"]

#: Width of row counts within a step, modulo which they are compared: the rows of one channel
#: group (16 bits) and the depth of any ring fit in half of it.
RING_BITS = 18


class WindowRing(wiring.Component):
    """Ring of ``depth`` rows. Row n of the step is written to row n mod ``depth``.

    Takes ``step.ring_rows`` rows for each of ``step.groups`` groups, one after another, as long
    as there is room. Rows are counted from the step's start, modulo 2 ** RING_BITS.

    Parameters
    ----------
    lanes, row, pixels : int
        Channels of a word, words of a row, pixels of a run (C, P, V): V is P or a multiple.
    depth : int
        Rows. Power of two.
    taps : int
        Runs per cycle: with two there is a second memory with the same rows, for ``second``.

    Members
    -------
    step, start : In(fields(EXEC)), In(1)
        The step; without ``window`` nothing happens.
    i : In(stream of row)
        Rows in; from the array, when the map is in phases, halves of both rows of a pair each.
    run, second : In(RunPort)
        The reader's ports, ``timing.run_latency(pixels)`` cycles.
    written : Out(RING_BITS)
        Rows that may be read: all below this count.
    free_to : In(RING_BITS)
        Rows below this count are not read any more, from the cycle on in which they are shown
        here. May run ahead of ``written``.
    idle : Out(1)
        All rows of the step have been written (whether or not they were read).
    """

    def __init__(self, *, lanes: int, row: int, pixels: int, depth: int, taps: int = 1):
        assert depth <= 1 << (RING_BITS - 2)
        self.lanes = lanes
        self.row = row
        self.pixels = pixels
        self.depth = depth
        self.taps = taps
        runs = {"run": In(RunPort(lanes, pixels))}
        if taps > 1:
            runs["second"] = In(RunPort(lanes, pixels))
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "i": In(stream.Signature(layouts.pixels(lanes, row))),
            **runs,
            "written": Out(RING_BITS),
            "free_to": In(RING_BITS),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        # Rows of the memory are `parts` of the ring's, side by side.
        depth, parts = self.depth, self.pixels // self.row
        m.submodules.memory = memory = PixelMemory(
            lanes=self.lanes, pixels=self.pixels, depth=depth // parts, row_reads=False
        )
        wiring.connect(m, wiring.flipped(self.run), memory.run)
        if self.taps > 1:
            m.submodules.second = second = PixelMemory(
                lanes=self.lanes, pixels=self.pixels, depth=depth // parts, row_reads=False
            )
            wiring.connect(m, wiring.flipped(self.second), second.run)
            m.d.comb += [
                second.row_en.eq(memory.row_en),
                second.row_write.eq(memory.row_write),
                second.row_addr.eq(memory.row_addr),
                second.row_phases.eq(memory.row_phases),
                second.row_wdata.eq(memory.row_wdata),
            ]

        # Rows of the step still to come.
        filling, put = Signal(), Signal()
        m.submodules.row = row = LoopCounter(16)
        m.submodules.group = group = LoopCounter(12)
        m.d.comb += [
            row.count.eq(self.step.ring_rows),
            row.start.eq(self.start),
            row.step.eq(put),
            group.count.eq(self.step.groups),
            group.start.eq(self.start),
            group.step.eq(put & row.last),
            self.idle.eq(~filling),
        ]
        still_filling, full_next = Signal(), Signal()
        m.d.comb += still_filling.eq(filling)
        with m.If(self.start):
            m.d.comb += still_filling.eq(self.step.window)
        with m.Elif(put & row.last & group.last):
            m.d.comb += still_filling.eq(0)

        # ``limit`` only grows and ``written`` never passes it, so that equality is enough. It is
        # found out a cycle ahead; ``following`` is written + 1.
        written, following, limit = Signal(RING_BITS), Signal(RING_BITS), Signal(RING_BITS)
        phases, ready = Signal(), Signal()
        # Copied rows come in the order of the memory they are from.
        m.d.sync += phases.eq(self.step.array & self.step.ring_raster.phases)
        m.d.comb += [
            self.i.ready.eq(ready),
            put.eq(self.i.valid & self.i.ready),
            memory.row_en.eq(put),
            memory.row_write.eq(~0),
            memory.row_addr.eq(written[exact_log2(parts) : exact_log2(depth)]),
            memory.row_phases.eq(phases),
            self.written.eq(written),
        ]
        if parts > 1:
            part = written[: exact_log2(parts)]
            here = (part == n for n in range(parts))
            m.d.comb += memory.row_write.eq(Cat(bit.replicate(self.row) for bit in here))
        m.d.comb += memory.row_wdata.as_value().eq(Value.cast(self.i.payload).replicate(parts))
        m.d.sync += [
            limit.eq(self.free_to + depth),
            filling.eq(still_filling),
            ready.eq(still_filling & ~full_next),
        ]
        m.d.comb += full_next.eq(Mux(put, following == limit, written == limit))
        with m.If(put):
            m.d.sync += [written.eq(following), following.eq(following + 1)]
        with m.If(self.start):
            m.d.sync += [written.eq(0), following.eq(1), limit.eq(depth)]
            m.d.comb += full_next.eq(0)

        return m
