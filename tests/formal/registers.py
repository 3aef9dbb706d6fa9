"""Checks of the registers and their host port."""

from amaranth import Cat, Mux, Signal

from accelgen.arch import ArchParams
from accelgen.arch.registers import STATUS, offset_of
from accelgen.rtl.control.registers import Registers
from tests.formal.check import Check
from tests.formal.proof import Fault, Proof

__all__ = ["PROOFS"]

_FLAGS = ("done", "error", "aborted")
#: Cycles within which the host's port answers, once it has all of a request.
_WITHIN = 4


class Host(Check):
    """A host that writes and reads anything at any time, AW and W in any order.

    The core says done at any time while it runs; abort control ends a program at any time.
    """

    def __init__(self):
        super().__init__(Registers(ArchParams().crc))
        self.cuts.append("log.memory")

    def describe(self, m, d):
        axil = d.axil
        for channel, payload in (("aw", "awaddr"), ("w", "wdata"), ("ar", "araddr")):
            self._offer(m, axil, channel, payload)
        m.d.comb += [
            axil.wstrb.eq(self.free(4, "wstrb")),
            axil.bready.eq(self.free(1, "bready")),
            axil.rready.eq(self.free(1, "rready")),
        ]
        self._answers(m, axil)
        self._status(m, d)

    def _offer(self, m, axil, channel, payload):
        valid, ready = (getattr(axil, f"{channel}{name}") for name in ("valid", "ready"))
        port, waits = getattr(axil, payload), Signal(name=f"{channel}_waits")
        m.d.comb += [
            valid.eq(waits | self.free(1, f"{channel}_valid")),
            port.eq(self.free(len(port), payload)),
        ]
        m.d.sync += waits.eq(valid & ~ready)
        self.assume(m, ~waits | (port == self.past(m, port, payload)))

    def _answers(self, m, axil):
        """Each request has one answer."""
        wrote = axil.bvalid & axil.bready
        owed = {}
        for channel in ("aw", "w"):
            owed[channel] = count = Signal(range(4), name=f"{channel}_owed")
            took = getattr(axil, f"{channel}valid") & getattr(axil, f"{channel}ready")
            m.d.sync += count.eq(count + took - wrote)
        aw, w = owed["aw"], owed["w"]
        self.claim(m, "write answered once", ~axil.bvalid | ((aw != 0) & (w != 0)))
        self.claim(m, "writes owed", (aw <= 2) & (w <= 2))
        self.claim_steady(m, "b", axil.bvalid, axil.bready, axil.bresp)
        lacks = self._soon(m, "write answered", (aw != 0) & (w != 0) & ~axil.bvalid)
        self.help(m, (aw == ~axil.awready + axil.bvalid) & (w == ~axil.wready + axil.bvalid))
        self.help(m, lacks <= 1)

        read = Signal(range(4))
        m.d.sync += read.eq(read + (axil.arvalid & axil.arready) - (axil.rvalid & axil.rready))
        self.claim(m, "read answered once", ~axil.rvalid | (read != 0))
        self.claim(m, "reads owed", read <= 1)
        self.claim_steady(m, "r", axil.rvalid, axil.rready, axil.rdata)
        lacks = self._soon(m, "read answered", (read != 0) & ~axil.rvalid)
        # A bit travels through `wait`.
        wait = self.look("host.wait", 3)
        self.help(m, read == wait.any() + axil.rvalid)
        self.help(m, (wait == 0) | (wait == 1 << lacks))

    def _soon(self, m, name, lacks):
        cycles = Signal(range(_WITHIN + 2), name=f"{name.replace(' ', '_')}_lacks")
        m.d.sync += cycles.eq(Mux(lacks, cycles + (cycles != _WITHIN + 1), 0))
        self.claim(m, name, cycles <= _WITHIN)
        return cycles

    def _status(self, m, d):
        """What starts, and what the status bits say. ``runs``: from start to done or an end."""
        runs, ends = Signal(), Signal()
        m.d.comb += [
            d.done.eq(self.free(1, "done") & runs),
            # Of abort control: begins at any time, lasts until finished.
            d.ending.eq(ends | self.free(1, "ending")),
            d.finished.eq(self.free(1, "finished") & ends),
            d.aborted.eq(self.free(1, "aborted")),
        ]
        m.d.sync += [
            ends.eq(d.ending & ~d.finished),
            runs.eq((runs | d.start) & ~d.done & ~d.ending),
        ]
        ended = ~self.past(m, d.ending, "ending")  # abort control's resets lie within it
        self.claim(m, "start when idle", ~d.start | (~runs & ended))
        self.claim(m, "start is a pulse", ~d.start | ~self.past(m, d.start, "start"))
        self.claim(m, "no clear while ending", ~d.clear | ~d.ending)
        self.help(m, self.look("running") == runs)

        settings = Cat(d.base, d.image_bytes, d.program_offset, d.program_bytes)
        busy = self.past(m, runs | d.start | d.ending, "busy")
        self.claim(m, "static", ~busy | (settings == self.past(m, settings, "settings")))
        pages = (d.base[:12] == 0) & (d.image_bytes[:12] == 0)
        self.claim(m, "pages", pages & (d.program_offset[:8] == 0) & (d.program_bytes[:8] == 0))

        write, word = self.look("host.write"), self.look("host.write_word", 12)
        bits = self.look("host.write_data", 32) & self.look("host.mask", 32)
        noting = write & (word == offset_of("status") // 4)
        reset = self.look("reset")
        clearing = {n: (noting & bits.bit_select(STATUS[n], 1)) | reset for n in _FLAGS}
        flags = {n: self.look(f"{n}_flag") for n in _FLAGS}
        # A program has come to its end since the last start, and nobody has taken note.
        came, noted = Signal(), Signal()
        now = d.done & ~d.ending
        m.d.sync += [
            came.eq((came | d.done) & ~d.start & ~d.ending),
            noted.eq((noted | clearing["done"]) & ~now),
        ]
        self.claim(m, "no stale done", ~flags["done"] | came)
        self.claim(m, "done is not lost", ~came | noted | flags["done"])
        for name, mine in (("aborted", d.aborted), ("error", ~d.aborted)):
            rose = self.past(m, d.finished & mine, f"{name}_rose")
            cleared = self.past(m, clearing[name], f"{name}_cleared")
            before = self.past(m, flags[name], f"{name}_before")
            same = flags[name] == (rose | (before & ~cleared))
            self.claim(m, name, same)


def _fault(old, new):
    return Fault("control/registers", old, new)


_FAULTS = {
    "write answered once": _fault("axil.bvalid.eq(1)", "axil.bvalid.eq(axil.bready)"),
    "writes owed": _fault("axil.awready.eq(~address_held)", "axil.awready.eq(1)"),
    "b stays": _fault("with m.If(axil.bready)", "with m.If(axil.bvalid)"),
    "write answered": _fault("data_held.eq(0), axil.bvalid.eq(1)", "data_held.eq(0)"),
    "read answered once": _fault("wait.eq(wait << 1)", "wait.eq(wait.rotate_left(1))"),
    "reads owed": _fault("~wait.any() & ~axil.rvalid", "~axil.rvalid"),
    "r stays": _fault("axil.rvalid & axil.rready", "axil.rvalid"),
    "read answered": _fault("wait.eq(wait << 1)", "wait.eq(wait & 1)"),
    "start when idle": _fault("~running & ~self.start", "~self.start"),
    "start is a pulse": _fault("self.start.eq(0), ", ""),
    "no clear while ending": _fault("self.clear.eq(~self.ending)", "self.clear.eq(1)"),
    "static": _fault("_written(host, name) & idle", "_written(host, name)"),
    "pages": _fault("register[low:].eq(coming[low:])", "register.eq(coming)"),
    "no stale done": _fault('running.eq(1), flags["done"].eq(0)', "running.eq(1)"),
    "done is not lost": _fault('_written(host, "status") & bits[STATUS[name]]', "host.write"),
    "aborted": _fault('flags["aborted"].eq(1)', 'flags["aborted"].eq(0)'),
    "error": _fault('flags["error"].eq(1)', 'flags["error"].eq(0)'),
}
PROOFS = [
    Proof(
        "control/registers",
        "every read and write is answered once, within 4 cycles, and answers stay; start only when "
        "idle, a pulse; settings are whole pages, and static while busy; no stale done, none lost; "
        "error and aborted rise with the end, and fall by clearing them only",
        "any host, any core", Host, faults=_FAULTS,
    ),
]  # fmt: skip
