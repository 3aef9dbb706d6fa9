"""Checks of the sequencer."""

from amaranth import Signal

from accelgen.arch import ArchParams, isa
from accelgen.arch.isa import FETCH_BYTES
from accelgen.rtl.control.sequencer import Sequencer
from tests.formal.check import Check
from tests.formal.proof import Fault, Proof

__all__ = ["PROOFS"]

_BEATS = FETCH_BYTES // ArchParams.BUS_BYTES


class Runs(Check):
    """A program of any commands (their memories answer anything), units that take any time.

    A unit has at most three commands in work, and completes them at any time. The weight loader
    reports nothing but idleness. A start comes at any time, also while busy.
    """

    def __init__(self):
        super().__init__(Sequencer())
        self.cuts.append("fetch.queue.memory0")
        for code, fmt in isa.FORMATS.items():
            beats = isa.command_beats(code)
            self.cuts += [f"dispatch.{fmt.name}_queue.memory{n}" for n in range(beats)]

    def describe(self, m, d):
        m.d.comb += [
            d.start.eq(self.free(1, "start")),
            d.program_offset.eq(self.constant(m, 32, "program_offset")),
            d.program_bytes.eq(self.constant(m, 32, "program_bytes")),
        ]
        owed = self._memory(m, d)
        work = [self._unit(m, name, getattr(d, name)) for name in ("load", "store", "weights")]
        for name, (_busy, done) in zip(("load_done", "store_done"), work, strict=False):
            m.d.comb += getattr(d, name).eq(done)
        m.d.comb += d.units_idle.eq(sum(busy for busy, _ in work) == 0)
        step = self._steps(m, d)

        # From a start that counts to done.
        running = Signal()
        m.d.sync += running.eq(d.start | (running & ~d.done))
        self.claim(m, "done once", ~d.done | running)
        self.claim(m, "busy until done", ~d.busy | running)
        nothing = sum(busy for busy, _ in work) == 0
        self.claim(m, "done after all", ~d.done | (nothing & ~step))
        self.claim(m, "done after reads", ~d.done | ((owed == 0) & ~d.request.valid))

    def _memory(self, m, d):
        """Answers what was asked for at any time. Returns the beats it owes."""
        owed = Signal(range(8 * _BEATS))
        m.d.comb += [
            d.request.ready.eq(self.free(1, "request_ready")),
            d.i.valid.eq(self.free(1, "i_valid") & (owed != 0)),
        ]
        asked = d.request.valid & d.request.ready
        m.d.sync += owed.eq(owed + (asked << _BEATS.bit_length() - 1) - d.i.valid)
        return owed

    def _unit(self, m, name, stream):
        """Commands in work, and the pulse that one is done."""
        busy, done = Signal(2, name=f"{name}_busy"), Signal(name=f"{name}_ends")
        m.d.comb += [
            stream.ready.eq(self.free(1, f"{name}_ready") & (busy != 3)),
            done.eq(self.free(1, f"{name}_done") & (busy != 0)),
        ]
        m.d.sync += busy.eq(busy + (stream.valid & stream.ready) - done)
        return busy, done

    def _steps(self, m, d):
        """A step is done at any time after its start. Returns 1 while one runs."""
        step = Signal()
        m.d.comb += [
            d.steps.front_idle.eq(self.free(1, "front_idle")),
            d.steps.done.eq(self.free(1, "step_done") & step),
        ]
        m.d.sync += step.eq((step | d.steps.start) & ~d.steps.done)
        self.claim(m, "one step at a time", ~d.steps.start | ~step)
        return step


def _fault(old, new):
    return Fault("control/sequencer", old, new)


_FAULTS = {
    "done once": _fault("self.done.eq(self.busy & quiet)", "self.done.eq(quiet)"),
    "busy until done": _fault(
        "self.done.eq(self.busy & quiet)", "self.done.eq(self.busy & dispatch.ended)"
    ),
    "done after all": _fault(" & self.units_idle & fetch.idle", " & fetch.idle"),
    "done after reads": _fault(" & self.units_idle & fetch.idle", " & self.units_idle"),
    "one step at a time": Fault(
        "control/step_control", "command.valid & ~running", "command.valid"
    ),
}
PROOFS = [
    Proof(
        "control/sequencer",
        "done once per start, after every command before END has completed and every beat asked "
        "for has come; one step at a time",
        "any commands, units that take any time", Runs, cycles=28, faults=_FAULTS,
    )
]  # fmt: skip
