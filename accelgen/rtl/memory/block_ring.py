"""Block ring: a stream of blocks of words, each block read over and over before it is freed."""

from amaranth import Shape
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, timing
from accelgen.rtl import layouts

__all__ = ["BlockPort", "BlockRing", "WeightRing"]


class BlockPort(wiring.Signature):
    """Reader's side of a block ring.

    Members
    -------
    words : Out(12)
        Words of the current block; static while it is read.
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
            "words": Out(12),
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
    There is no start: the next step's words may already be in the ring.

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
        raise NotImplementedError


class WeightRing(BlockRing):
    """Block ring of the PE array's weights: a block is an output group's.

    ``read.word`` comes with the operands of the beat that took it
    (``timing.array_read_latency``).
    """

    def __init__(self, arch: ArchParams):
        super().__init__(
            layouts.weight_word(arch),
            depth=arch.weight_words,
            latency=timing.array_read_latency(arch.pixels),
        )
