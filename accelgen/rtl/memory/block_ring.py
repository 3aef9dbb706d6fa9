"""Block ring: a stream of blocks of words, each block read over and over before it is freed."""

from typing import Any

from amaranth import Module, Mux, Shape, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from accelgen.arch import isa, timing
from accelgen.rtl import layouts
from accelgen.rtl.basics.delay import delay

__all__ = ["BlockPort", "BlockRing", "WeightRing"]


class BlockPort(wiring.Signature):
    """Reader's side of a block ring.

    Members
    -------
    words : Out(isa.WORD_BITS)
        Words of the current block, at least 1. Static from a cycle before it is read.
    begin : Out(1)
        Pulse, three cycles or more before a sequence of blocks is read.
    keep : Out(1)
        With ``begin``: its words are not freed.
    rewind : Out(1)
        With ``begin``: the sequence begins with the first block that was kept.
    available : In(1)
        The next word is there.
    take : Out(1)
        Read it. Only when ``available``.
    last_use : Out(1)
        With ``take``: the block is read for the last time, so the word is freed.
    word : In(shape)
        The word, at the ring's latency after ``take``.
    """

    def __init__(self, shape):
        super().__init__({
            "words": Out(isa.WORD_BITS),
            "begin": Out(1),
            "keep": Out(1),
            "rewind": Out(1),
            "available": In(1),
            "take": Out(1),
            "last_use": Out(1),
            "word": In(shape),
        })


class BlockRing(wiring.Component):
    """Ring of words in block RAM whose current block is read cyclically.

    The stream is cut into blocks of ``read.words`` words. ``take`` reads the words of the current
    block in order, from the first again after the last, until a pass with ``last_use`` frees them
    and moves on to the next block. A block that is only used once may be longer than the ring.
    The next step's words may already be in the ring.

    What is kept of one or more sequences in a row must fit in the ring. It is read again by a
    sequence that rewinds, and those that follow it, and freed by those that do not keep.

    Parameters
    ----------
    shape : shape-like
        One word.
    depth : int
        Words; a power of two.
    latency : int
        Cycles from ``take`` to ``word``, at least 2.

    Members
    -------
    i : In(stream of shape)
        Words in.
    read : In(BlockPort)
        The reader.
    """

    def __init__(self, shape, *, depth: int, latency: int):
        self.depth = depth
        self.latency = latency
        self._width = Shape.cast(shape).width
        super().__init__({"i": In(stream.Signature(shape)), "read": In(BlockPort(shape))})

    def elaborate(self, platform):
        m = Module()

        memory: Memory[Any, Any] = Memory(
            shape=unsigned(self._width), depth=self.depth, init=[], attrs={"ram_style": "block"}
        )
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()

        # Counts of words, one bit wider than an address: written, and one less; next to read;
        # start of the block; freed for good, which follows reads that are still on their way.
        count = range(2 * self.depth)
        written, position, block, freed = (
            Signal(count, name=name) for name in ("written", "position", "block", "freed")
        )
        before_written = Signal(count, init=2 * self.depth - 1)
        following = Signal(count, init=1)
        put, some, full = Signal(), Signal(), Signal()
        # Found out a cycle ahead: ``freed`` only grows, and ``written`` never passes its limit.
        limit = freed ^ self.depth
        m.d.sync += full.eq(Mux(put, following == limit, written == limit))
        m.d.comb += [
            self.i.ready.eq(~full),
            put.eq(self.i.valid & self.i.ready),
            write.en.eq(put),
            write.addr.eq(written),
            write.data.eq(self.i.payload),
            self.read.available.eq(some),
        ]
        with m.If(put):
            m.d.sync += [
                written.eq(following),
                before_written.eq(written),
                following.eq(following + 1),
            ]

        # Whether there is a word for the next cycle: found out for both cases, then chosen.
        take, last_use = self.read.take, self.read.last_use
        again = Signal()
        m.d.comb += again.eq(self._last_word(m) & ~last_use)
        m.d.sync += some.eq(written != position)
        with m.If(take):
            m.d.sync += some.eq(again | (before_written != position))

        # Where what is kept begins. Nothing is taken while it is gone back to.
        kept, held, rewinds = Signal(count), Signal(), Signal()
        m.d.sync += rewinds.eq(self.read.begin & self.read.rewind)
        with m.If(self.read.begin):
            m.d.sync += held.eq(self.read.keep)
            with m.If(~held & ~self.read.rewind):
                m.d.sync += kept.eq(position)
        with m.If(take | rewinds):
            m.d.sync += position.eq(Mux(rewinds, kept, Mux(again, block, position + 1)))
        with m.If((take & last_use) | rewinds):
            m.d.sync += block.eq(Mux(rewinds, kept, position + 1))

        # The address waits, not the wide word: RAM and output register are the last two cycles.
        wait = self.latency - 2
        word = Signal(self._width, reset_less=True)
        frees = self.read.take & last_use & ~held
        m.d.comb += [
            read.en.eq(delay(m, self.read.take, wait, reset=True)),
            read.addr.eq(delay(m, position, wait)),
            self.read.word.eq(word),
        ]
        m.d.sync += [
            word.eq(read.data),
            freed.eq(freed + delay(m, frees, wait, reset=True)),
        ]

        return m

    def _last_word(self, m):
        """The next word is the block's last; out of registers."""
        left = Signal(isa.WORD_BITS, reset_less=True)
        first, last, single, pair = Signal(init=1), Signal(), Signal(), Signal()
        m.d.sync += [single.eq(self.read.words == 1), pair.eq(self.read.words == 2)]
        last_word = Mux(first, single, last)
        with m.If(self.read.take):
            m.d.sync += first.eq(last_word)
            with m.If(first):
                m.d.sync += [left.eq(self.read.words), last.eq(pair)]
            with m.Else():
                m.d.sync += [left.eq(left - 1), last.eq(left == 3)]
        return last_word


class WeightRing(BlockRing):
    """Block ring of the PE array's weights: a block is an output group's.

    ``read.word`` comes with the operands of the beat that took it
    (``timing.array_read_latency``).

    Parameters
    ----------
    lanes, pixels : int
        Of the array.
    depth : int
        Words. Power of two.
    """

    def __init__(self, *, lanes: int, pixels: int, depth: int):
        super().__init__(
            layouts.weight_word(lanes),
            depth=depth,
            latency=timing.array_read_latency(pixels),
        )
