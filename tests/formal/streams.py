"""Checks of accelgen/rtl/streams, and of the block queue."""

from amaranth import Array, Module, Mux, Signal, Value

from accelgen.rtl.memory.block_queue import BlockQueue
from accelgen.rtl.streams.credit_queue import CreditQueue
from accelgen.rtl.streams.credits import Credits
from accelgen.rtl.streams.queue import RegisterQueue, StreamQueue
from accelgen.rtl.streams.register import StreamRegister
from accelgen.rtl.streams.skid import Skid
from accelgen.rtl.streams.width import Narrower, Widener
from tests.formal.check import Check
from tests.formal.proof import Fault, Proof

__all__ = ["PROOFS", "help_queue"]


class InOrder(Check):
    """What goes into ``i`` comes out of ``o``: each once, in order, unchanged.

    The solver marks any payload as it goes in; the check counts those ahead of it, and knows what
    must come out behind them.

    Parameters
    ----------
    capacity : int
        Payloads that may be inside.
    """

    def __init__(self, block, capacity: int):
        super().__init__(block)
        self.capacity = capacity
        self.level = Signal(range(capacity + 2))
        self.marked, self.ahead = Signal(), Signal.like(self.level)
        self.value = Signal.like(block.i.payload)

    def describe(self, m, d):
        put, get = self.put(m, d), self.drain(m, d.o, "o")
        level, marked, ahead, value = self.level, self.marked, self.ahead, self.value
        m.d.sync += level.eq(level + put - get)
        with m.If(marked):
            m.d.sync += [ahead.eq(ahead - get), marked.eq(~(get & (ahead == 0)))]
        with m.Elif(put & self.free(1, "mark")):
            m.d.sync += [
                marked.eq(~(get & (level == 0))),
                ahead.eq(level - get),
                value.eq(d.i.payload),
            ]

        due = get & marked & (ahead == 0)
        self.claim(m, "order", ~due | (d.o.payload == value))
        at_once = get & (level == 0)
        self.claim(m, "nothing else", ~at_once | (put & (d.o.payload == d.i.payload)))
        self.claim(m, "capacity", level <= self.capacity)
        self.claim_steady(m, "o", d.o.valid, d.o.ready, d.o.payload)
        self.invariants(m, d)

    def put(self, m: Module, d) -> Value:
        """Offer payloads; 1 in a cycle that takes one."""
        return self.feed(m, d.i, "i")

    def invariants(self, m: Module, d) -> None:
        """What the registers of the block have to do with ``level``, ``marked`` and ``ahead``."""

    def help_place(self, m: Module, places) -> None:
        """The marked payload is where it should be.

        Each of ``places`` is (there is a payload, the payload), from the output on; the last one
        is an Array and the index of its first.
        """
        *stages, (words, first) = places
        at, right, found = self.ahead, 0, 0
        for there, payload in stages:
            here = there & (at == 0) & ~found
            right, found = right | (here & (payload == self.value)), found | here
            at = at - there
        in_memory = words[(first + at)[: len(first)]] == self.value
        self.help(m, ~self.marked | Mux(found, right, in_memory))
        self.help(m, ~self.marked | (self.ahead < self.level))


def help_queue(check: Check, m: Module, path: str, depth: int, o_valid) -> tuple[Signal, Signal]:
    """Invariants of the StreamQueue at ``path`` (with a dot behind it, or nothing).

    Returns its level, without what is at the output, and the address of the oldest of those.
    """
    level = check.look(f"{path}level", range(depth + 1))
    full, some, fills = (check.look(path + name) for name in ("full", "some", "fills"))
    write, read = (check.look(path + name, range(depth)) for name in ("write_addr", "read_addr"))
    check.help(m, level <= depth)
    check.help(m, (read + level)[: len(write)] == write)
    check.help(m, full == (level == depth))
    check.help(m, some == (level != 0))
    check.help(m, fills == (some & ~o_valid))
    check.help(m, ~fills | (level == 1))
    return level, read


class QueueInOrder(InOrder):
    """StreamQueue of ``width`` bits, alone or as the part ``inside`` of another block."""

    def __init__(self, block, depth: int, inside: str = ""):
        super().__init__(block, depth + 1)
        self.depth = depth
        self.inside = inside

    def invariants(self, m, d):
        depth = self.depth
        level, read = help_queue(self, m, self.inside, depth, d.o.valid)
        names = (f"{self.inside}memory0[{n}]" for n in range(depth))
        words = Array(self.look(name, self.value.shape()) for name in names)
        self.help(m, level + d.o.valid == self.level)
        self.help_place(m, [(d.o.valid, d.o.payload), (words, read)])


class RegistersInOrder(InOrder):
    """RegisterQueue: what is held, from the output on."""

    def __init__(self, block):
        super().__init__(block, block.depth)

    def invariants(self, m, d):
        shape = self.value.shape()
        held = [self.look(f"held{n}") for n in reversed(range(d.depth))]
        words = [self.look(f"payload{n}", shape) for n in reversed(range(d.depth))]
        self.help(m, sum(held) == self.level)
        self.help(m, ~self.marked | (self.ahead < self.level))
        before = 0
        for there, word in zip(held, words, strict=True):
            here = self.marked & there & (self.ahead == before)
            self.help(m, ~here | (word == self.value))
            before = before + there


class Reserved(QueueInOrder):
    """CreditQueue: a payload comes at any time after its place was reserved."""

    def __init__(self, width: int, depth: int):
        super().__init__(CreditQueue(width, depth=depth), depth, "queue.")
        self.owed = Signal(range(depth + 2))

    def put(self, m, d):
        m.d.comb += [
            d.reserve.eq(self.free(1, "reserve") & d.room),
            d.i.valid.eq(self.free(1, "i_valid") & ((self.owed != 0) | d.reserve)),
            d.i.payload.eq(self.free(len(d.i.payload), "i_payload")),
        ]
        m.d.sync += self.owed.eq(self.owed + d.reserve - d.i.valid)
        return d.i.valid

    def invariants(self, m, d):
        super().invariants(m, d)
        free, taken = self.look("free", range(self.depth + 1)), self.look("taken")
        self.claim(m, "never full", ~(d.i.valid & self.look("queue.full")))
        self.help(m, free + self.owed + self.level + taken == self.depth)
        self.help(m, d.room == (free != 0))


class Blocks(InOrder):
    """BlockQueue, whose sender counts the room that it ``freed``."""

    def __init__(self, width: int, depth: int):
        super().__init__(BlockQueue(width, depth=depth), depth + 2)
        self.depth = depth
        self.room = Signal(range(depth + 1), init=depth)

    def put(self, m, d):
        m.d.comb += [
            d.i.valid.eq(self.free(1, "i_valid") & (self.room != 0)),
            d.i.payload.eq(self.free(len(d.i.payload), "i_payload")),
        ]
        m.d.sync += self.room.eq(self.room + d.freed - d.i.valid)
        return d.i.valid

    def invariants(self, m, d):
        depth = self.depth
        level, some = self.look("level", range(depth + 1)), self.look("some")
        write, read = self.look("write__addr", range(depth)), self.look("read__addr", range(depth))
        valid, data = self.look("read_valid"), self.look("read__data", self.value.shape())
        words = Array(self.look(f"memory[{n}]", self.value.shape()) for n in range(depth))
        self.claim(m, "no overrun", level <= depth)
        self.help(m, self.room + level + d.freed == depth)
        self.help(m, level + valid + d.o.valid == self.level)
        self.help(m, (read + level)[: len(write)] == write)
        self.help(m, some == (level != 0))
        self.help_place(m, [(d.o.valid, d.o.payload), (valid, data), (words, read)])


class Widened(Check):
    """Widener: any part is where it belongs, in the whole that follows. Counts in parts."""

    PARTS = 4

    def __init__(self, width: int):
        super().__init__(Widener(width, width * self.PARTS))

    def describe(self, m, d):
        put, get = self.feed(m, d.i, "i"), self.drain(m, d.o, "o")
        parts = self.PARTS
        level, ahead = Signal(range(3 * parts)), Signal(range(3 * parts))
        marked, value = Signal(), Signal.like(d.i.payload)
        left = Mux(get, parts, 0)
        m.d.sync += level.eq(level + put - left)
        with m.If(marked):
            m.d.sync += [ahead.eq(ahead - left), marked.eq(~(get & (ahead < parts)))]
        with m.Elif(put & self.free(1, "mark")):
            m.d.sync += [marked.eq(1), ahead.eq(level - left), value.eq(d.i.payload)]
        due = get & marked & (ahead < parts)
        self.claim(m, "order", ~due | (d.o.payload.word_select(ahead[:2], len(value)) == value))
        self.claim(m, "whole", ~d.o.valid | (level >= parts))
        self.claim(m, "capacity", level < 2 * parts)
        self.claim_steady(m, "o", d.o.valid, d.o.ready, d.o.payload)


class Narrowed(Check):
    """Narrower: any wanted part of a whole comes out at its turn, and no other. Counts in parts."""

    PARTS = 4

    def __init__(self, width: int):
        super().__init__(Narrower(width * self.PARTS, width))

    def describe(self, m, d):
        put, get = self.feed(m, d.i, "i"), self.drain(m, d.o, "o")
        parts = self.PARTS
        m.d.comb += d.last.eq(self.free(range(parts), "last"))
        level, ahead = Signal(range(2 * parts)), Signal(range(2 * parts))
        marked, value = Signal(), Signal.like(d.o.payload)
        which = self.free(range(parts), "which")
        m.d.sync += level.eq(level + Mux(put, d.last + 1, 0) - get)
        with m.If(marked):
            m.d.sync += [ahead.eq(ahead - get), marked.eq(~(get & (ahead == 0)))]
        with m.Elif(put & self.free(1, "mark") & (which <= d.last)):
            m.d.sync += [
                marked.eq(1),
                ahead.eq(level - get + which),
                value.eq(d.i.payload.word_select(which, len(value))),
            ]
        self.claim(m, "order", ~(get & marked & (ahead == 0)) | (d.o.payload == value))
        self.claim(m, "nothing else", d.o.valid == (level != 0))
        self.claim_steady(m, "o", d.o.valid, d.o.ready, d.o.payload)


class Counted(Check):
    """Credits: a place that is free is one, and none is given away twice.

    Whoever takes looks at ``some`` and takes ``reserve`` cycles later.
    """

    def __init__(self, count: int, reserve: int):
        super().__init__(Credits(count, reserve=reserve))

    def describe(self, m, d):
        take = self.free(1, "take") & d.some
        late = [self.past(m, take, "take0")]
        for n in range(1, d.reserve + 1):
            late.append(self.past(m, late[-1], f"take{n}"))
        taken = Signal(range(d.count + d.reserve + 2))
        m.d.comb += [
            d.take.eq(take if d.reserve == 0 else late[d.reserve - 1]),
            d.give.eq(self.free(1, "give") & (taken != 0)),
        ]
        m.d.sync += taken.eq(taken + d.take - d.give)
        self.claim(m, "not twice", taken <= d.count)
        self.claim(m, "not none", ~d.take | (taken != d.count))
        self.claim(m, "all", d.all == (taken == 0))
        self.claim(m, "some", d.some == (d.count - taken > d.reserve))


_SKID = {
    "order": Fault("streams/skid", "Mux(held, kept, coming)", "Mux(held, coming, kept)"),
    "nothing else": Fault("streams/skid", "self.i.valid | held", "self.i.valid | ~held"),
    "capacity": Fault("streams/skid", "self.i.ready.eq(~held)", "self.i.ready.eq(1)"),
    "o stays": Fault("streams/skid", "m.If(~held)", "m.If(self.i.valid)"),
}
_REGISTER = {
    "order": Fault("streams/register", "self.i.ready.eq(~held)", "self.i.ready.eq(1)"),
    "nothing else": Fault("streams/register", "held.eq(~self.o.ready)", "held.eq(1)"),
    "capacity": Fault("streams/register", "self.i.ready.eq(~held)", "self.i.ready.eq(1)"),
    "o stays": Fault("streams/register", "held.eq(~self.o.ready)", "held.eq(0)"),
}
_QUEUE = {
    "order": Fault("streams/queue", "level == self.depth - 1", "level == self.depth"),
    "nothing else": Fault("streams/queue", "some | (self.o.valid & ~self.o.ready)", "some | put"),
    "capacity": Fault("streams/queue", "level == self.depth - 1", "level == self.depth"),
    "o stays": Fault("streams/queue", "fills | (some & self.o.ready)", "some"),
}
_ROOM = Fault("streams/credit_queue", "self.room.eq(free != 1)", "self.room.eq(1)")
_REGISTERS = {
    "order": Fault("streams/queue", "rooms[-1].eq(~held | next_room)", "rooms[-1].eq(1)"),
    "nothing else": Fault("streams/queue", "self.o.valid.eq(valid)", "self.o.valid.eq(1)"),
    "capacity": Fault("streams/queue", "self.i.ready.eq(room)", "self.i.ready.eq(1)"),
    "o stays": Fault("streams/queue", "rooms[-1].eq(~held | next_room)", "rooms[-1].eq(1)"),
}
_CREDIT_QUEUE = _QUEUE | {"order": _ROOM, "capacity": _ROOM, "never full": _ROOM}
_CREDITS = {
    "not twice": Fault("streams/credits", "free > reserve + 1", "free >= reserve"),
    "not none": Fault("streams/credits", "free > reserve + 1", "free >= reserve"),
    "all": Fault("streams/credits", "self.all.eq(0)", "self.all.eq(free == self.count - 1)"),
    "some": Fault("streams/credits", "free >= reserve", "free > reserve"),
}
_WIDENER = {
    "order": Fault("streams/width", "self.i.ready.eq(free | ~at[-1])", "self.i.ready.eq(1)"),
    "whole": Fault("streams/width", "with m.If(at[-1])", "with m.If(at[-2])"),
    "capacity": Fault("streams/width", "self.i.ready.eq(free | ~at[-1])", "self.i.ready.eq(1)"),
    "o stays": Fault("streams/width", "with m.If(free)", "with m.If(free | self.i.valid)"),
}
_NARROWER = {
    "order": Fault("streams/width", "at.eq(at + 1)", "at.eq(at + 2)"),
    "nothing else": Fault("streams/width", "end.eq(self.last == 0)", "end.eq(0)"),
    "o stays": Fault("streams/width", "(self.o.ready & end)", "end"),
}
_BLOCK_QUEUE = {
    "order": Fault("memory/block_queue", "write.addr + 1", "write.addr + 2"),
    "nothing else": Fault("memory/block_queue", "read_valid.eq(some)", "read_valid.eq(1)"),
    "capacity": Fault("memory/block_queue", "self.freed.eq(get)", "self.freed.eq(move_read)"),
    "no overrun": Fault("memory/block_queue", "self.freed.eq(get)", "self.freed.eq(move_read)"),
    "o stays": Fault("memory/block_queue", "m.If(move_out)", "m.If(move_read)"),
}


def _queue(depth, says, faults):
    return Proof(
        "streams/queue", says, f"depth {depth}, 8 bits",
        lambda: QueueInOrder(StreamQueue(8, depth=depth), depth), faults=faults,
    )  # fmt: skip


_ORDER = "each payload comes out once, in order; an offer stays as it is until taken"
PROOFS = [
    Proof("streams/skid", _ORDER, "8 bits", lambda: InOrder(Skid(8), 1), faults=_SKID),
    Proof(
        "streams/register", _ORDER, "8 bits",
        lambda: InOrder(StreamRegister(8), 1), faults=_REGISTER,
    ),
    _queue(2, _ORDER, _QUEUE),
    *[_queue(depth, _ORDER, {}) for depth in (4, 8, 16, 32, 64)],
    Proof(
        "streams/queue RegisterQueue", _ORDER, "depth 3, 8 bits",
        lambda: RegistersInOrder(RegisterQueue(8, depth=3)), faults=_REGISTERS,
    ),
    Proof(
        "streams/credit_queue", f"{_ORDER}; what has reserved its place finds one",
        "depth 2, 8 bits", lambda: Reserved(8, 2), faults=_CREDIT_QUEUE,
    ),
    Proof(
        "streams/credit_queue", f"{_ORDER}; what has reserved its place finds one",
        "depth 16, 8 bits", lambda: Reserved(8, 16),
    ),
    Proof(
        "streams/credits", "no place is given away twice, whoever takes late",
        "4 places, none in reserve", lambda: Counted(4, 0), faults=_CREDITS,
    ),
    Proof(
        "streams/credits", "no place is given away twice, whoever takes late",
        "16 places, 2 in reserve", lambda: Counted(16, 2),
    ),
    Proof(
        "streams/width", "Widener: each part once, in its place", "4 parts of 8 bits",
        lambda: Widened(8), faults=_WIDENER,
    ),
    Proof(
        "streams/width", "Narrower: each wanted part once, in order", "4 parts of 8 bits",
        lambda: Narrowed(8), faults=_NARROWER,
    ),
    Proof(
        "memory/block_queue", f"{_ORDER}; no overrun, if who sends counts what was freed",
        "depth 4, 8 bits", lambda: Blocks(8, 4), faults=_BLOCK_QUEUE,
    ),
    Proof(
        "memory/block_queue", f"{_ORDER}; no overrun, if who sends counts what was freed",
        "depth 128, 2 bits", lambda: Blocks(2, 128),
    ),
]  # fmt: skip
