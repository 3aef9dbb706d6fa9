"""Credit queue: the end of a pipeline that cannot stop."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.rtl.streams.queue import StreamQueue

__all__ = ["CreditQueue"]


class CreditQueue(wiring.Component):
    """A queue whose places are reserved before the payloads that take them are made.

    The head of the pipeline looks at ``room``, pulses ``reserve`` as it lets something in, and the
    tail delivers exactly one payload per reservation, whenever it comes. Full rate through a
    pipeline of n cycles needs a depth of n + ``StreamQueue.LATENCY`` + 2 or more.

    Parameters
    ----------
    shape : shape-like
        Shape of one payload.
    depth : int
        Places; a power of two.

    Members
    -------
    reserve : In(1)
        Pulse: take a place. Only with ``room``.
    room : Out(1)
        A place is free. Comes out of a register.
    i : In(stream of shape, always ready)
        Payloads with a reserved place.
    o : Out(stream of shape)
        Payloads out, in order. Comes out of registers.
    """

    def __init__(self, shape, *, depth: int):
        self.depth = depth
        self._shape = shape
        super().__init__({
            "reserve": In(1),
            "room": Out(1, init=1),  # type: ignore[call-arg]  # not in the stubs
            "i": In(stream.Signature(shape, always_ready=True)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.queue = queue = StreamQueue(self._shape, depth=self.depth)
        m.d.comb += [
            queue.i.valid.eq(self.i.valid),
            queue.i.payload.eq(self.i.payload),
        ]
        connect(m, queue.o, flipped(self.o))

        free = Signal(range(self.depth + 1), init=self.depth)
        # A cycle late: what takes payloads may come from afar.
        taken = Signal()
        m.d.sync += taken.eq(self.o.valid & self.o.ready)
        with m.If(self.reserve & ~taken):
            m.d.sync += [free.eq(free - 1), self.room.eq(free != 1)]
        with m.If(taken & ~self.reserve):
            m.d.sync += [free.eq(free + 1), self.room.eq(1)]

        return m
