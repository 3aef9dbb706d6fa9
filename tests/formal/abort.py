"""Checks of the end of a fault or an abort."""

from amaranth import Cat, Mux, Signal

from accelgen.arch.registers import CAUSES
from accelgen.rtl.control.abort_control import AbortControl
from tests.formal.check import Check
from tests.formal.proof import Fault, Proof

__all__ = ["PROOFS"]


class Ends(Check):
    """Faults, aborts and an idle bus at any time: stop, quiet, reset, in this order, once."""

    def __init__(self):
        super().__init__(AbortControl())

    def describe(self, m, d):
        quiet_cycles, reset_cycles = d.QUIET_CYCLES, d.RESET_CYCLES
        for name in ("abort", "faults", "command", "idle", "base"):
            port = getattr(d, name)
            port = port.as_value() if name == "faults" else port
            m.d.comb += port.eq(self.free(len(port), name))
        m.d.comb += d.clear.eq(self.free(1, "clear") & ~d.ending)

        began = self.past(m, self.running, "began")
        self.claim(m, "stop", d.stop == self.past(m, d.ending & ~d.finished, "ending"))
        wanted = d.abort | d.command | Cat(fault.valid for fault in d.faults).any()
        self.claim(m, "begins at once", ~wanted | d.ending)

        # Cycles without a burst since stop; cycles of reset.
        quiet, reset = Signal(range(quiet_cycles + 1)), Signal(range(reset_cycles + 1))
        still = d.stop & d.idle
        m.d.sync += [
            quiet.eq(Mux(still, quiet + (quiet != quiet_cycles), 0)),
            reset.eq(Mux(d.reset0, reset + (reset != reset_cycles), 0)),
        ]
        rises = began & d.reset0 & ~self.past(m, d.reset0, "reset")
        was_quiet = self.past(m, quiet, "quiet") == quiet_cycles
        self.claim(m, "reset when quiet", ~rises | was_quiet | self.past(m, ~began, "first"))
        self.claim(m, "resets alike", Cat(one == d.reset0 for one in d.resets).all())
        within = self.past(m, d.ending, "within") | ~began
        self.claim(m, "reset within ending", ~d.reset0 | within)
        finished = self.past(m, d.finished, "finished")
        self.claim(m, "long enough", ~finished | (d.reset0 & (reset == reset_cycles - 1)))

        stopped = self.past(m, d.stop, "stopped")
        report = Cat(d.cause, d.master, d.error_address)
        clear = self.past(m, d.clear, "cleared")
        same = report == self.past(m, report, "report")
        self.claim(m, "first cause stays", ~stopped | clear | same)
        alone = ~stopped & self.past(m, d.abort & (d.faults.as_value() == 0) & ~d.command, "alone")
        self.claim(m, "aborted", ~alone | d.aborted)
        self.help(m, ~d.aborted | (d.cause == CAUSES["aborted"][0]))

        resetting, count = self.look("resetting"), self.look("count", range(reset_cycles))
        self.help(m, ~resetting | d.stop)
        self.help(m, ~(d.stop & ~resetting) | ((count == quiet) & (quiet < quiet_cycles)))
        self.help(m, ~began | (d.reset0 == self.past(m, resetting, "resetting")))
        self.help(m, ~resetting | Mux(d.reset0, count == reset + 1, count == 0))
        self.help(m, ~(resetting & (count == 0)) | (self.past(m, quiet, "q") == quiet_cycles - 1))


def _fault(old, new):
    return Fault("control/abort_control", old, new)


_FAULTS = {
    "stop": _fault("self.stop.eq(active)", "self.stop.eq(active & ~resetting)"),
    "begins at once": _fault(".any() | self.command", ".any()"),
    "reset when quiet": _fault("count == self.QUIET_CYCLES - 1", "count == self.QUIET_CYCLES - 2"),
    "resets alike": _fault(
        "reset.eq(resetting)", "reset.eq(resetting if reset is self.reset0 else active)"
    ),
    "reset within ending": _fault("reset.eq(resetting)", "reset.eq(resetting | reset)"),
    "long enough": _fault("count == self.RESET_CYCLES - 1", "count == 7"),
    "first cause stays": _fault("~active & (fault | self.abort)", "fault | self.abort"),
    "aborted": _fault('number["aborted"])', 'number["none"])'),
}
PROOFS = [
    Proof(
        "control/abort_control",
        "a fault or an abort stops the masters in the next cycle; the core is reset only after 8 "
        "cycles without a burst, for 64 cycles, and in `ending`; the first cause stays",
        "any faults, aborts and bus", Ends, faults=_FAULTS,
    )
]  # fmt: skip
