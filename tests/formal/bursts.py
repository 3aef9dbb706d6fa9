"""Checks of the cutting into bursts."""

from amaranth import Mux, Signal
from amaranth.lib import data

from accelgen.arch.registers import PAGE_BYTES
from accelgen.rtl.transfer.bursts import Bursts, burst
from tests.formal.check import Check
from tests.formal.proof import Fault, Proof

__all__ = ["PROOFS", "beats_of", "help_bursts", "in_page"]


def in_page(address, length):
    """A burst of ``length + 1`` beats of 16 bytes from ``address`` on does not leave its page."""
    return address[:12] + ((length + 1) << 4) <= PAGE_BYTES


def beats_of(valid, length):
    """Beats of a burst, if there is one."""
    return Mux(valid, length + 1, 0)


def help_bursts(check: Check, m, path: str, burst_beats: int, image_bytes):
    """Invariants of the Bursts at ``path``: its burst, and the one it is about to make.

    Returns its output: valid, ready, payload.
    """
    most = burst_beats - 1
    low = most.bit_length()
    unit, into = check.look(f"{path}unit", 29 - low), check.look(f"{path}into", low)
    length, inside = check.look(f"{path}length", low), check.look(f"{path}inside")
    sized, active = check.look(f"{path}sized"), ~check.look(f"{path}request__ready")
    valid, ready = check.look(f"{path}o__valid"), check.look(f"{path}o__ready")
    o = data.View(burst(), check.look(f"{path}o__payload", burst().size))
    pages = image_bytes[12:]
    check.help(m, ~valid | ((o.offset[:4] == 0) & (o.offset[4 : 4 + low] + o.length <= most)))
    check.help(m, ~valid | ~o.inside | (o.offset[12:] < pages))
    check.help(m, ~sized | (active & (into + length <= most)))
    check.help(m, ~sized | (inside == (unit[8 - low :] < pages)))
    return valid, ready, o


class Cut(Check):
    """Bursts of a run follow one another, end where it ends, and stay within a page each."""

    def __init__(self, room: int):
        super().__init__(Bursts(16, room=room))

    def describe(self, m, d):
        image = self.constant(m, 32, "image_bytes")
        m.d.comb += d.image_bytes[12:].eq(image[12:])
        asked, taken = self.feed(m, d.request, "request"), self.drain(m, d.o, "o")
        o = d.o.p
        self.claim_steady(m, "o", d.o.valid, d.o.ready, d.o.payload.as_value())

        # Of the run: the next beat's offset / 16, and how many are left.
        following, left, going = Signal(29), Signal(25), Signal()
        fresh = d.o.valid & ~self.past(m, d.o.valid & ~d.o.ready, "waits")
        beats = beats_of(fresh, o.length)
        goes_on = going & ~(fresh & o.last)
        with m.If(asked):
            beats0 = d.request.p.beats
            m.d.sync += [
                following.eq(d.request.p.offset[4:]),
                left.eq(Mux(beats0 == 0, 1 << 24, beats0)),
            ]
        with m.Else():
            m.d.sync += [following.eq(following + beats), left.eq(left - beats)]
        m.d.sync += going.eq(asked | goes_on)
        self.claim(m, "follows", ~fresh | (going & (o.offset == (following << 4)[:32])))
        self.claim(m, "ends", ~fresh | ((beats <= left) & (o.last == (beats == left))))
        self.claim(m, "page", ~d.o.valid | in_page(o.offset, o.length))
        end = (following + beats) << 4
        self.claim(m, "inside", ~fresh | (o.inside == (end <= image[12:] << 12)))

        help_bursts(self, m, "", d.burst_beats, d.image_bytes)
        active, sized = ~d.request.ready, self.look("sized")
        at, rest = (following + beats)[:29], (left - beats)[:25]
        left24, length, last = self.look("left", 24), self.look("length", 4), self.look("last")
        self.help(m, active == goes_on)
        self.help(
            m, ~active | ((self.look("into", 4) == at[:4]) & (self.look("unit", 25) == at[4:]))
        )
        self.help(m, ~active | ((left24 == rest[:24]) & (rest != 0) & (rest <= 1 << 24)))
        reach = 16 - self.look("into", 4)
        self.help(m, ~sized | (last == (rest <= reach)))
        self.help(m, ~sized | (length + 1 == Mux(last, rest, reach)))
        self._room(m, d, taken)

    def _room(self, m, d, taken):
        """Room is given back only for beats that were asked for."""
        room = d.room
        if not room:
            return
        owed = Signal(range(room + 17))
        m.d.comb += d.freed.eq(self.free(1, "freed") & (owed != 0))
        m.d.sync += owed.eq(owed + beats_of(taken, d.o.p.length) - d.freed)
        offered = beats_of(d.o.valid, d.o.p.length)
        self.claim(m, "room", owed + offered <= room)
        self.help(m, self.look("free", range(room + 1)) + owed + offered == room)


_FAULTS = {
    "o stays": Fault(
        "transfer/bursts", "m.If(~self.o.valid | self.o.ready)", "m.If(~self.o.valid | ~active)"
    ),
    "follows": Fault("transfer/bursts", "into.eq(0)", "into.eq(into)"),
    "ends": Fault("transfer/bursts", "left.eq(left - length - 1)", "left.eq(left - length)"),
    "page": Fault("transfer/bursts", "Const(beats - 1) - into ", "Const(beats - 1) "),
    "inside": Fault("transfer/bursts", "page < pages", "page <= pages"),
}
_SAYS = (
    "bursts of a run follow one another without a gap and end with it; none crosses 4 KiB; "
    "`inside` is 1 exactly if all of it is in the image; an offer stays"
)
PROOFS = [
    Proof(
        "transfer/bursts", _SAYS, "any offset, beats and image; no limit of room",
        lambda: Cut(0), faults=_FAULTS,
    ),
    Proof(
        "transfer/bursts", f"{_SAYS}; never more beats on their way than there is room",
        "room for 128 beats", lambda: Cut(128),
        faults={"room": Fault("transfer/bursts", "free > length", "free >= length")},
    ),
]  # fmt: skip
