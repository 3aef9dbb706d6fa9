"""Check of the read arbiter."""

from amaranth import Array, Mux, Signal, Value
from amaranth.lib import data

from accelgen.rtl.transfer.read_arbiter import ReadArbiter
from tests.formal.check import Check
from tests.formal.proof import Fault, Proof
from tests.formal.streams import help_queue

__all__ = ["PROOFS"]

_MOST = ReadArbiter.MOST_BEATS


class Shared(Check):
    """Runs of 1 to 16 beats from both, a reader and takers that take any time."""

    def __init__(self, depth: int):
        super().__init__(ReadArbiter(depth=depth))
        self.depth = depth

    def describe(self, m, d):
        takes = [self.feed(m, d.request0, "request0"), self.feed(m, d.request1, "request1")]
        out = self.drain(m, d.request, "request")
        for request in (d.request0, d.request1):
            self.assume(m, (request.p.beats >= 1) & (request.p.beats <= _MOST))
        self.feed(m, d.i, "i")
        beats = [self.drain(m, d.o0, "o0"), self.drain(m, d.o1, "o1")]

        # What was granted and not yet given to the reader.
        taken, held = takes[0] | takes[1], Signal()
        chosen = Mux(takes[1], *(Value.cast(r.payload) for r in (d.request1, d.request0)))
        kept = Signal.like(d.request.payload)
        m.d.sync += held.eq(taken | (held & ~out))
        with m.If(taken):
            m.d.sync += kept.eq(chosen)
        self.claim(m, "one grant", ~(takes[0] & takes[1]))
        self.claim(m, "first goes first", ~takes[1] | ~d.request0.valid)
        self.claim(m, "no run lost", ~taken | ~held | out)
        same = ~held | (d.request.payload == kept)
        self.claim(m, "each run once", (d.request.valid == held) & same)
        level = self._beats(m, d, takes, beats)
        asks = d.request0.valid | d.request1.valid
        free = (~d.request.valid | d.request.ready) & (level < self.depth)
        self.claim(m, "a grant at once", ~asks | ~free | taken)
        self.claim_steady(m, "request", d.request.valid, d.request.ready, d.request.payload)

    def _beats(self, m, d, takes, beats):
        """Beats go to the requesters of runs in the order of their grants. Returns runs granted
        and not answered."""
        depth = self.depth
        layout = data.StructLayout({"second": 1, "last": range(_MOST)})
        runs = [Signal(layout, name=f"run{n}") for n in range(depth + 1)]
        level, at = Signal(range(depth + 3)), Signal(range(_MOST))
        beat, taken = beats[0] | beats[1], takes[0] | takes[1]
        ends = beat & (at == runs[0].last)
        size = Mux(takes[1], d.request1.p.beats, d.request0.p.beats) - 1
        m.d.sync += level.eq(level + taken - ends)
        with m.If(beat):
            m.d.sync += at.eq(Mux(ends, 0, at + 1))
        for n, run in enumerate(runs):
            with m.If(taken & (level - ends == n)):
                m.d.sync += [run.second.eq(takes[1]), run.last.eq(size)]
            with m.Elif(ends & (n < depth)):
                m.d.sync += run.eq(runs[min(n + 1, depth)])
        self.claim(m, "beats to whose turn", ~beat | ((level != 0) & (beats[1] == runs[0].second)))
        self.claim(m, "beat once", (beats[0] & beats[1]) == 0)
        moved = d.i.valid & d.i.ready
        self.claim(m, "no beat lost", moved == beat)
        content = (d.o0.payload == d.i.payload) & (d.o1.payload == d.i.payload)
        self.claim(m, "same beat", content)

        o_valid = self.look("turns.o__valid")
        o_run = self.look("turns.o__payload", layout.size)
        inside, read = help_queue(self, m, "turns.", depth, o_valid)
        words = Array(self.look(f"turns.memory0[{n}]", layout.size) for n in range(depth))
        self.help(m, level == inside + o_valid)
        self.help(m, self.look("at", range(_MOST)) == at)
        self.help(m, ~o_valid | (o_run == runs[0].as_value()))
        self.help(m, (at == 0) | (level != 0))
        for n in range(depth):
            word = words[(read + n)[: len(read)]]
            place = Mux(o_valid, runs[n + 1].as_value(), runs[n].as_value())
            self.help(m, (inside <= n) | (word == place))
        return level


def _fault(old, new):
    return Fault("transfer/read_arbiter", old, new)


_FAULTS = {
    "one grant": _fault("self.request1.ready.eq(move & second)", "self.request1.ready.eq(move)"),
    "first goes first": _fault("second.eq(~self.request0.valid)", "second.eq(self.request1.valid)"),
    "no run lost": _fault(" & (~self.request.valid | self.request.ready)", ""),
    "each run once": _fault("self.request.valid.eq(0)", "self.request.valid.eq(1)"),
    "a grant at once": _fault("(~self.request.valid | self.request.ready)", "~self.request.valid"),
    "request stays": _fault("with m.If(self.request.ready)", "with m.If(self.i.valid)"),
    "beats to whose turn": _fault("Mux(last, 0, at + 1)", "at + 1"),
    "beat once": _fault(" & ~turns.o.p.second)", ")"),
    "no beat lost": _fault("self.i.ready.eq(turns.o.valid & ", "self.i.ready.eq("),
    "same beat": _fault("self.o1.payload.eq(self.i.payload)", "self.o1.payload.eq(0)"),
}


def _proof(depth, faults):
    return Proof(
        "transfer/read_arbiter",
        "one grant at a time, the first requester before the second, and at once if there is room; "
        "each run goes to the reader once, its beats to who asked, in order (no bound for how long "
        "the second waits: the first has priority)",
        f"{depth} runs unanswered", lambda: Shared(depth), faults=faults,
    )  # fmt: skip


PROOFS = [_proof(2, _FAULTS), _proof(16, {})]
