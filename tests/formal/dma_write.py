"""Checks of the DMA writer."""

from amaranth import Array, Cat, Mux, Signal

from accelgen.rtl.transfer.dma_write import DmaWrite
from tests.formal.bursts import help_bursts, in_page
from tests.formal.check import Check
from tests.formal.dma_read import in_window, settings
from tests.formal.proof import Fault, Proof
from tests.formal.streams import help_queue

__all__ = ["PROOFS"]


class Writes(Check):
    """Addresses as of the reader; each burst announced gets its beats and one answer.

    The solver marks any burst as it is announced; the check counts the bursts ahead of it, of those
    that lack beats, and of those that lack an answer. The slave answers at any time after a burst's
    address and last beat.
    """

    def __init__(self):
        super().__init__(DmaWrite(burst_beats=16, outstanding=8))

    def describe(self, m, d):
        axi = d.axi
        self.most = most = d.outstanding + 1
        settings(self, m, d)
        self.feed(m, d.request, "request")
        given = self.feed(m, d.i, "i")

        # What the slave has: addresses and bursts of beats that it has not answered.
        addresses, bursts = Signal(range(most + 2)), Signal(range(most + 2))
        m.d.comb += [
            axi.awready.eq(self.free(1, "awready")),
            axi.wready.eq(self.free(1, "wready")),
            axi.bvalid.eq(self.free(1, "bvalid") & (addresses != 0) & (bursts != 0)),
            axi.bresp.eq(self.free(2, "bresp")),
        ]
        sent = axi.wvalid & axi.wready
        m.d.sync += [
            addresses.eq(addresses + (axi.awvalid & axi.awready) - axi.bvalid),
            bursts.eq(bursts + (sent & axi.wlast) - axi.bvalid),
        ]

        # Addresses.
        self.claim(m, "page", ~axi.awvalid | in_page(axi.awaddr, axi.awlen))
        self.claim(m, "window", ~axi.awvalid | in_window(d, axi.awaddr, axi.awlen))
        fixed = (axi.awsize == 4) & (axi.awburst == 1) & (axi.awlen < 16)
        self.claim(m, "fixed", ~axi.awvalid | fixed)
        self.claim_steady(m, "aw", axi.awvalid, axi.awready, (axi.awaddr << 8) | axi.awlen)
        fresh = axi.awvalid & ~self.past(m, axi.awvalid & ~axi.awready, "aw_waits")
        stopped = self.past(m, d.stop, "stop")
        self.claim(m, "stop", ~fresh | ~stopped)
        self.claim(m, "outstanding", addresses + axi.awvalid <= most)

        # Beats.
        beat = Cat(axi.wdata, axi.wstrb, axi.wlast)
        self.claim_steady(m, "w", axi.wvalid, axi.wready, beat)
        fresh_beat = axi.wvalid & ~self.past(m, axi.wvalid & ~axi.wready, "w_waits")
        strobes = Mux(stopped, 0, (1 << 16) - 1)
        self.claim(m, "strobes", ~fresh_beat | (axi.wstrb == strobes))
        taken = self.past(m, given, "given")
        same = axi.wdata == self.past(m, d.i.payload.as_value(), "data")
        self.claim(m, "each beat once", (fresh_beat & ~stopped) == taken)
        self.claim(m, "data", ~taken | same)
        # Bursts announced that lack beats, with the one whose last beat waits; without answer.
        lacking, open_ = Signal(range(most + 2)), Signal(range(most + 2))
        lack, unanswered = Signal.like(lacking), Signal.like(open_)
        m.d.comb += [lack.eq(lacking + fresh), unanswered.eq(open_ + fresh)]
        m.d.sync += [
            lacking.eq(lack - (sent & axi.wlast)),
            open_.eq(unanswered - axi.bvalid),
        ]
        self.claim(m, "nothing else", ~axi.wvalid | (lack != 0))
        self.claim(m, "idle", ~d.idle | ((unanswered == 0) & ~axi.awvalid & ~axi.wvalid))
        quiet = stopped & self.past(m, stopped, "stop2") & self.past(m, stopped, "stop3")
        self.claim(m, "drains", ~quiet | axi.wvalid | (lack == 0))
        self._marked(m, d, fresh, sent, lack, unanswered)
        self._queues(m, d, fresh, lack, unanswered, addresses, bursts)

    def _marked(self, m, d, fresh, sent, lack, unanswered):
        """A burst marked as it is announced: WLAST with its last beat; done with its answer."""
        axi, most = d.axi, self.most
        runs_last = self.past(m, self.look("bursts.o__payload", 38)[36], "run_last")
        marked, ended = Signal(), Signal()
        length, last = Signal(4), Signal()
        before, ahead = Signal(range(most + 2)), Signal(range(most + 2))
        mark = fresh & ~marked & self.free(1, "mark")
        beats = Signal(4)  # of the burst whose beats are sent
        m.d.sync += beats.eq(Mux(sent, Mux(axi.wlast, 0, beats + 1), beats))
        with m.If(mark):
            m.d.sync += [marked.eq(1), length.eq(axi.awlen), last.eq(runs_last), ended.eq(0)]

        # Bursts before it that lack beats, or an answer.
        lack0 = Mux(mark, lack - 1, before)
        mine = (mark | (marked & ~ended)) & (lack0 == 0)
        size = Mux(mark, axi.awlen, length)
        self.claim(m, "wlast", ~(mine & sent) | (axi.wlast == (beats == size)))
        finishes = sent & axi.wlast
        with m.If(mark | marked):
            m.d.sync += [before.eq(lack0 - (finishes & (lack0 != 0)))]
            with m.If(mine & finishes):
                m.d.sync += ended.eq(1)
        open0 = Mux(mark, unanswered - 1, ahead)
        answered = (mark | marked) & (open0 == 0) & axi.bvalid
        with m.If(mark | marked):
            m.d.sync += ahead.eq(open0 - axi.bvalid)
        with m.If(answered):
            m.d.sync += marked.eq(0)
        self.value = (marked, ended, length, last, before, ahead, beats)

        # A run is done two cycles after the answer to its last burst.
        late = self.past(m, self.past(m, answered, "answered"), "answered2")
        late_last = self.past(m, self.past(m, Mux(mark, runs_last, last), "last1"), "last2")
        self.claim(m, "done", ~late | (d.done == late_last))
        response = self.past(m, self.past(m, axi.bvalid, "b"), "b2")
        self.claim(m, "done once", ~d.done | response)

    def _queues(self, m, d, fresh, lack, unanswered, addresses, bursts):
        """Invariants: what is in the queues is what the check counts."""
        axi, depth = d.axi, d.outstanding
        marked, ended, length, last, before, ahead, beats = self.value
        o_valid, o_ready, o = help_bursts(self, m, "bursts.", d.burst_beats, d.image_bytes)
        taken = self.past(m, o_valid & o_ready, "taken")
        address = self.past(m, (d.base + o.offset)[:40], "address")
        same = (axi.awaddr == address) & (axi.awlen == self.past(m, o.length, "length"))
        self.claim(m, "each burst once", (fresh == taken) & (~fresh | same))

        there = self.look("lengths.o__valid")
        first = self.look("lengths.o__payload", 4)
        level, read = help_queue(self, m, "lengths.", depth, there)
        lasts = axi.wvalid & axi.wlast
        self.help(m, level + there + lasts == lack)
        at = self.look("at", 4)
        waits = axi.wvalid & ~axi.wlast
        self.help(m, at == Mux(lasts, 0, (beats + waits)[:4]))
        self.help(m, ~waits | (there & (at != 0)))
        self.help(m, Mux(there, at <= first, at == 0))
        self.help(m, ~self.look("lengths.fills") | fresh)
        self.help(m, ~fresh | (lack != 1) | ~(there | axi.wvalid))
        words = Array(self.look(f"lengths.memory0[{n}]", 4) for n in range(depth))
        queued = marked & ~ended
        self.help(m, ~queued | (before < lack))
        place = before - lasts
        stored = words[(read + place - there)[:3]]
        here = Mux(there & (place == 0), first == length, stored == length)
        # The one whose last beat waits has left the queue.
        self.help(m, ~queued | Mux(lasts & (before == 0), beats == length, here))

        flying = self.look("flying.o__valid")
        kept = self.look("flying.o__payload", 33)
        level, read = help_queue(self, m, "flying.", depth, flying)
        popped = self.past(m, axi.bvalid, "popped")
        self.claim(m, "answers the oldest", ~popped | flying)
        self.help(m, level + flying == unanswered + popped)
        self.help(m, ~self.look("flying.fills") | fresh)
        self.help(m, unanswered == addresses + axi.awvalid)
        self.help(m, unanswered == bursts + lack)
        words = Array(self.look(f"flying.memory0[{n}]", 33) for n in range(depth))
        place = ahead + popped
        stored = words[(read + place - flying)[:3]]
        self.help(m, ~marked | (ahead < unanswered))
        self.help(m, ~marked | (Mux(flying & (place == 0), kept, stored)[32] == last))
        self.help(m, ~queued | (ahead == bursts + before))
        self.help(m, ~ended | ~marked | (ahead < bursts))


def _fault(old, new):
    return Fault("transfer/dma_write", old, new)


_FAULTS = {
    "page": Fault("transfer/bursts", "Const(beats - 1) - into ", "Const(beats - 1) "),
    "window": Fault("transfer/bursts", "page < pages", "page <= pages"),
    "fixed": _fault("axi.awsize.eq(axi4.SIZE)", "axi.awsize.eq(0)"),
    "aw stays": _fault("m.If(~axi.awvalid | axi.awready)", "m.If(~axi.awvalid | self.stop)"),
    "stop": _fault("bursts.p.inside & ~self.stop", "bursts.p.inside"),
    "outstanding": _fault("go & lengths.ready & flying.ready & ", "go & "),
    "w stays": _fault("~axi.wvalid | axi.wready", "~axi.wvalid | self.i.valid"),
    "strobes": _fault("strobe.eq(~self.stop)", "strobe.eq(1)"),
    "each beat once": _fault("lengths.valid & move & ~self.stop", "lengths.valid & ~self.stop"),
    "data": _fault("axi.wdata.eq(self.i.payload)", "axi.wdata.eq(~self.i.payload.as_value())"),
    "nothing else": _fault("axi.wvalid.eq(given & lengths.valid)", "axi.wvalid.eq(given)"),
    "idle": _fault("self.idle.eq(flying.empty)", "self.idle.eq(~flying.o.valid)"),
    "drains": _fault("given.eq(self.i.valid | self.stop)", "given.eq(self.i.valid)"),
    "wlast": _fault("Mux(last, 0, at + 1)", "at + 1"),
    "done": _fault("valid & flying.o.p.last", "valid"),
    "done once": _fault("valid & flying.o.p.last", "flying.o.p.last"),
    "each burst once": _fault("bursts.ready.eq(take)", "bursts.ready.eq(go)"),
    "answers the oldest": _fault("flying.o.ready.eq(valid)", "flying.o.ready.eq(axi.bvalid)"),
}
_SAYS = (
    "every address is in the image, its burst in one page of 4 KiB, announced once; each beat is "
    "sent once, WLAST with a burst's last only; a run is done once, with its last answer; after "
    "`stop` no new address, and what was announced is completed at once with strobes low; idle "
    "means nothing is owed; at most `outstanding` + 1 in flight; offers stay"
)
PROOFS = [
    Proof(
        "transfer/dma_write", _SAYS, "any image, runs and slave; 8 outstanding", Writes,
        faults=_FAULTS,
    )
]  # fmt: skip
