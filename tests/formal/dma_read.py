"""Checks of the DMA reader."""

from amaranth import Signal

from accelgen.rtl.transfer.dma_read import DmaRead
from tests.formal.bursts import beats_of, help_bursts, in_page
from tests.formal.check import Check
from tests.formal.proof import Fault, Proof
from tests.formal.streams import help_queue

__all__ = ["PROOFS", "in_window", "settings"]


def settings(check: Check, m, d) -> None:
    """Any image in whole pages, anywhere; ``stop`` at any time, for good."""
    for name in ("base", "image_bytes"):
        port = getattr(d, name)
        m.d.comb += port[12:].eq(check.constant(m, len(port) - 12, f"{name}_pages"))
    stopped = Signal()
    m.d.comb += d.stop.eq(stopped | check.free(1, "stop"))
    m.d.sync += stopped.eq(d.stop)


def in_window(d, address, length):
    """Nothing of a burst is outside the image; also where it wraps at 40 bits."""
    offset = (address - d.base)[:40]
    return offset + ((length + 1) << 4) <= d.image_bytes


class Reads(Check):
    """Addresses are in the image and in a page each; data is what came before the first error.

    The slave answers any burst at any time, in order, beat by beat, RLAST with its last: it owes
    beats of bursts, and each of those it has not begun has at least one.
    """

    def __init__(self, *, queued: bool, burst_beats: int = 16, outstanding: int = 8):
        block = DmaRead(burst_beats=burst_beats, outstanding=outstanding, queued=queued)
        super().__init__(block)
        if queued:
            self.cuts.append("queue.memory")

    def describe(self, m, d):
        axi, most = d.axi, d.outstanding + 1
        settings(self, m, d)
        self.feed(m, d.request, "request")
        m.d.comb += d.o.ready.eq(self.free(1, "o_ready") if d.queued else 1)

        # The slave.
        owed, bursts = Signal(range(16 * most + 1)), Signal(range(most + 1))
        m.d.comb += [
            axi.arready.eq(self.free(1, "arready")),
            axi.rvalid.eq(self.free(1, "rvalid") & (owed != 0)),
            axi.rlast.eq(self.free(1, "rlast")),
            axi.rresp.eq(self.free(2, "rresp")),
            axi.rdata.eq(self.free(128, "rdata")),
        ]
        asked, ended = axi.arvalid & axi.arready, axi.rvalid & axi.rlast
        still, begun = owed - 1, bursts - axi.rlast
        self.assume(m, ~axi.rvalid | ((still >= begun) & (still <= begun << 4)))
        m.d.sync += [
            owed.eq(owed + beats_of(asked, axi.arlen[:4]) - axi.rvalid),
            bursts.eq(bursts + asked - ended),
        ]
        self.help(m, (owed >= bursts) & (owed <= bursts << 4))

        # Addresses.
        self.claim(m, "page", ~axi.arvalid | in_page(axi.araddr, axi.arlen))
        self.claim(m, "window", ~axi.arvalid | in_window(d, axi.araddr, axi.arlen))
        fixed = (axi.arsize == 4) & (axi.arburst == 1) & (axi.arlen < 16)
        self.claim(m, "fixed", ~axi.arvalid | fixed)
        self.claim_steady(m, "ar", axi.arvalid, axi.arready, (axi.araddr << 8) | axi.arlen)
        fresh = axi.arvalid & ~self.past(m, axi.arvalid & ~axi.arready, "ar_waits")
        self.claim(m, "stop", ~fresh | ~self.past(m, d.stop, "stop"))
        self.claim(m, "outstanding", bursts + axi.arvalid <= most)
        self.claim(m, "idle", ~d.idle | ((bursts == 0) & (owed == 0) & ~axi.arvalid))

        self._data(m, d, owed, self._bursts(m, d, fresh, bursts, self.past(m, ended, "ended")))

    def _bursts(self, m, d, fresh, bursts, popped):
        """Each burst that is cut is asked for once; what is in flight is known."""
        axi = d.axi
        valid, ready, o = help_bursts(self, m, "bursts.", d.burst_beats, d.image_bytes)
        taken = self.past(m, valid & ready, "taken")
        address = self.past(m, (d.base + o.offset)[:40], "address")
        same = (axi.araddr == address) & (axi.arlen == self.past(m, o.length, "length"))
        self.claim(m, "each burst once", (fresh == taken) & (~fresh | same))

        flying = self.look("flying.o__valid")
        level, _ = help_queue(self, m, "flying.", d.outstanding, flying)
        self.claim(m, "answers the oldest", ~popped | flying)
        self.help(m, level + flying == bursts + axi.arvalid + popped)
        self.help(m, ~self.look("flying.fills") | fresh)
        return beats_of(valid, o.length)

    def _data(self, m, d, owed, offered):
        """Beats up to the first error, each once, unchanged; room for all of them."""
        axi, bad = d.axi, Signal()
        m.d.sync += bad.eq(bad | (axi.rvalid & (axi.rresp != 0)))
        came = self.past(m, axi.rvalid, "came")
        good = self.past(m, axi.rvalid & (axi.rresp == 0) & ~bad, "good")
        beat = self.past(m, axi.rdata, "beat")
        self.help(m, self.look("valid") == came)
        began = self.past(m, self.running, "began")
        for name, value in (("last", axi.rlast), ("bad", axi.rresp != 0)):
            self.help(m, ~began | (self.look(name) == self.past(m, value, f"r_{name}")))
        self.help(m, self.look("was_bad") == self.past(m, bad, "bad"))
        if d.queued:
            valid, payload = self.look("queue.i__valid"), self.look("queue.i__payload", 128)
        else:
            valid, payload = d.o.valid, d.o.payload.as_value()
        self.claim(m, "beats", (valid == good) & (~valid | (payload == beat)))
        if not d.queued:
            return
        room = d.burst_beats * d.outstanding
        level, lost = self.look("queue.level", range(room + 1)), Signal(range(room + 1))
        m.d.sync += lost.eq(lost + (came & ~good))
        on_their_way = offered + beats_of(axi.arvalid, axi.arlen[:4]) + owed + came
        free, freed = self.look("bursts.free", range(room + 1)), self.look("queue.freed")
        self.claim(m, "no overrun", ~valid | (level < room))
        self.help(m, free + on_their_way + level + freed + lost == room)
        self.help(m, self.look("queue.some") == (level != 0))


_FAULTS = {
    "page": Fault("transfer/bursts", "Const(beats - 1) - into ", "Const(beats - 1) "),
    "window": Fault("transfer/bursts", "page < pages", "page <= pages"),
    "fixed": Fault("transfer/dma_read", "axi.arsize.eq(axi4.SIZE)", "axi.arsize.eq(0)"),
    "ar stays": Fault(
        "transfer/dma_read", "m.If(~axi.arvalid | axi.arready)", "m.If(~axi.arvalid | self.stop)"
    ),
    "stop": Fault("transfer/dma_read", "bursts.o.p.inside & ~self.stop", "bursts.o.p.inside"),
    "outstanding": Fault("transfer/dma_read", "take.eq(go & flying.i.ready &", "take.eq(go &"),
    "idle": Fault(
        "transfer/dma_read", "self.idle.eq(flying.empty)", "self.idle.eq(~flying.o.valid)"
    ),
    "each burst once": Fault(
        "transfer/dma_read", "bursts.o.ready.eq(take)", "bursts.o.ready.eq(go)"
    ),
    "answers the oldest": Fault(
        "transfer/dma_read", "flying.o.ready.eq(valid & last)", "flying.o.ready.eq(valid)"
    ),
    "beats": Fault("transfer/dma_read", "valid & ~bad & ~was_bad", "valid & ~bad"),
}
_SAYS = (
    "every address is in the image, its burst in one page of 4 KiB; none is raised after `stop`, "
    "and raised ones stay; each burst is asked for once, at most `outstanding` + 1 are in flight, "
    "the oldest is answered; idle means nothing is owed; beats come out once, none from the first "
    "error on"
)
PROOFS = [
    Proof(
        "transfer/dma_read", _SAYS, "any image, runs and slave; 8 outstanding; without queue",
        lambda: Reads(queued=False), faults=_FAULTS,
    ),
    Proof(
        "transfer/dma_read", f"{_SAYS}; its queue is never overrun",
        "the same with a queue of 128 beats", lambda: Reads(queued=True),
    ),
    Proof(
        "transfer/dma_read", f"{_SAYS}; its queue is never overrun",
        "2 outstanding, bursts of 4, queue of 8",
        lambda: Reads(queued=True, outstanding=2, burst_beats=4),
        faults={"no overrun": Fault("transfer/bursts", "free > length", "free >= length")},
    ),
]  # fmt: skip
