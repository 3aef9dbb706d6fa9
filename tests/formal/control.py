"""Checks of gate and fetch."""

from amaranth import Cat, Const, Signal

from accelgen.arch import ArchParams, isa, limits
from accelgen.arch.isa import FETCH_BYTES
from accelgen.rtl.control.fetch import Fetch
from accelgen.rtl.control.gate import Gate
from tests.formal.check import Check
from tests.formal.proof import Fault, Proof
from tests.formal.streams import help_queue

__all__ = ["PROOFS", "help_fetch"]

_BEATS = FETCH_BYTES // ArchParams.BUS_BYTES


class Held(Check):
    """Commands with any waits, counts that only grow."""

    def __init__(self):
        super().__init__(Gate(isa.STORE))

    def describe(self, m, d):
        came, gone = self.feed(m, d.i, "i"), self.drain(m, d.o, "o")
        over = []
        for unit in ("loads", "execs", "stores"):
            count = self.free(16, unit)
            m.d.comb += d.counts[unit].eq(count)
            self.assume(m, count >= self.past(m, count, unit))
            over.append(count >= d.i.p.header[f"wait_{unit}"])
        reached = Cat(over).all()

        self.claim(m, "each once", (came == gone) & (d.o.payload == d.i.payload))
        self.claim(m, "not early", ~d.o.valid | (d.i.valid & reached))
        due = self.past(m, d.i.valid & reached & ~came, "due")
        self.claim(m, "not late", ~due | d.o.valid)
        self.claim(m, "waiting", d.waiting == (d.i.valid & ~d.o.valid))
        self.claim_steady(m, "o", d.o.valid, d.o.ready, d.o.payload)


def help_fetch(check: Check, m, path: str, ahead: int, owed, request_valid):
    """Invariants of a Fetch at ``path``, of which ``owed`` beats are on their way. Its places."""
    places = check.look(f"{path}places", range(ahead + 1))
    at = check.look(f"{path}at", range(_BEATS))
    o_valid = check.look(f"{path}queue.o__valid")
    level, _ = help_queue(check, m, f"{path}queue.", ahead * _BEATS, o_valid)
    inside = (request_valid << _BEATS.bit_length() - 1) + owed + level + o_valid + at
    check.help(m, places <= ahead)
    check.help(m, (Const(ahead) - places) * _BEATS == inside)
    return places


class Fetched(Check):
    """Any program; a DMA reader that answers at any time; a stop at any time.

    ``ahead`` bursts ahead: one lets a fault be seen in few cycles.
    """

    def __init__(self, ahead: int):
        super().__init__(Fetch())
        self.block.ahead = ahead
        self.cuts.append("queue.memory0")

    def describe(self, m, d):
        start = self.free(1, "start") & d.idle
        owed, runs = Signal(range(8 * _BEATS)), Signal()
        offset = self.constant(m, 32, "program_offset")
        size = self.constant(m, 32, "program_bytes")
        self.assume(m, (offset[:8] == 0) & (size[:8] == 0))
        m.d.comb += [
            d.start.eq(start),
            d.program_offset.eq(offset),
            d.program_bytes.eq(size),
            d.pause.eq(self.free(1, "pause")),
            d.stop.eq(self.free(1, "stop")),
            d.request.ready.eq(self.free(1, "request_ready")),
            d.i.valid.eq(self.free(1, "i_valid") & (owed != 0)),
            d.i.payload.as_value().eq(self.free(128, "i_payload")),
            d.o.ready.eq(self.free(1, "o_ready")),
        ]
        asked = d.request.valid & d.request.ready
        m.d.sync += owed.eq(owed + (asked << _BEATS.bit_length() - 1) - d.i.valid)
        # Bursts asked for since the start.
        count = Signal(24)
        with m.If(start):
            m.d.sync += [count.eq(0), runs.eq(1)]
        with m.Elif(asked):
            m.d.sync += count.eq(count + 1)

        self._claims(m, d, owed, count, offset, size)

    def _claims(self, m, d, owed, count, offset, size):
        due = (offset[8:] + count)[:24]
        wanted = d.request.valid
        self.claim(m, "in order", ~wanted | (d.request.p.offset == Cat(Const(0, 8), due)))
        self.claim(m, "whole bursts", ~wanted | (d.request.p.beats == _BEATS))
        self.claim(m, "none behind the last", ~wanted | (count < size[8:]))
        self.claim(m, "always room", ~d.i.valid | d.i.ready)
        self.claim(m, "idle", ~d.idle | ((owed == 0) & ~wanted & ~d.o.valid))
        self.claim(m, "pause", ~wanted | ~self.past(m, d.pause & ~wanted, "pause"))
        self.claim_steady(m, "request", wanted, d.request.ready, d.request.payload)

        help_fetch(self, m, "", self.block.ahead, owed, wanted)
        running, first, more = self.look("running"), self.look("first"), self.look("more")
        left, at = self.look("left", 24), self.look("offset", 32)
        going = running & ~first
        self.help(m, ~first | (running & ~wanted & (count == 0)))
        self.help(m, ~(going | wanted) | (at == Cat(Const(0, 8), due)))
        self.help(m, ~(going | wanted) | ((count + wanted + left)[:25] == size[8:]))
        self.help(m, ~going | (more == (left != 0)))


def _gate(old, new):
    return Fault("control/gate", old, new)


def _fetch(old, new):
    return Fault("control/fetch", old, new)


_HELD = {
    "each once": _gate("self.i.ready.eq(passes & self.o.ready)", "self.i.ready.eq(passes)"),
    "not early": _gate("(self.counts.execs >= header.wait_execs)", "1"),
    "not late": _gate("self.i.valid & (passes | reached)", "self.i.valid & (passes & reached)"),
    "waiting": _gate("self.i.valid & ~passes", "self.i.valid & ~reached"),
    "o stays": _gate("(passes | reached) & ~self.i.ready", "reached & ~passes"),
}
_FETCHED = {
    "in order": _fetch("offset[low:].eq(offset[low:] + 1)", "offset[low:].eq(offset[low:] + 2)"),
    "whole bursts": _fetch("self.request.p.beats.eq(beats)", "self.request.p.beats.eq(beats - 1)"),
    "none behind the last": _fetch("more.eq(left != 1)", "more.eq(left != 0)"),
    "always room": _fetch("(places != 0) & ", ""),
    "idle": _fetch("self.idle.eq(~running & (places == self.ahead))", "self.idle.eq(~running)"),
    "pause": _fetch(" & ~self.pause", ""),
    "request stays": _fetch("with m.If(self.request.ready)", "with m.If(self.stop)"),
}


def _fetch_proof(ahead, faults):
    return Proof(
        "control/fetch",
        "bursts of the program once, in order, none behind the last; always room for what was "
        "asked for; idle means nothing is owed or held",
        f"any program, reader that takes any time; {ahead} ahead",
        lambda: Fetched(ahead), faults=faults,
    )  # fmt: skip


PROOFS = [
    Proof(
        "control/gate",
        "each command once, unchanged, when all three counts have reached its waits, then at once",
        "any waits, counts that grow", Held, faults=_HELD,
    ),
    _fetch_proof(limits.FETCH_AHEAD, {}),
    _fetch_proof(1, _FETCHED),
]  # fmt: skip
