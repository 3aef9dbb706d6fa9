"""Sequencer: fetch, dispatch, gates and step control, from start to done."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import isa
from accelgen.rtl import layouts
from accelgen.rtl.control.dispatch import Dispatch
from accelgen.rtl.control.fetch import Fetch
from accelgen.rtl.control.gate import Gate, counts
from accelgen.rtl.control.step_control import StepControl, StepPort
from accelgen.rtl.streams.skid import Skid

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Runs a program: fetches its commands and hands them to the units as their waits are over.

    Members
    -------
    start : In(1)
        Pulse: run. Ignored while ``busy``.
    program_offset, program_bytes : In(32), In(32)
        Where in the image the program is; static while ``busy``.
    request, i : Out(stream of dma_request), In(stream of beat)
        To and from the DMA reader; ``i`` is always ready.
    weights, load, store : Out(stream of fields of isa.WEIGHTS, LOAD, STORE)
        Commands whose waits are over.
    load_done, store_done : In(1)
        Pulse per command completed.
    units_idle : In(1)
        Weight loader, load unit and store unit have no command in work.
    steps : Out(StepPort())
        To the datapath.
    execs_done : Out(16)
        EXECs completed since ``start``.
    completed : Out(1)
        Pulse per EXEC completed.
    busy : Out(1)
        A program runs.
    done : Out(1)
        Pulse: END was reached and everything before it has completed.
    fault : Out(1)
        Level: the next command has an unknown opcode, or does not fit into what is left of the
        program. Neither it nor what follows is executed; only a reset ends that.
    exec_wait, fetch_wait : Out(1)
        No EXEC runs because the next one's waits are not over, or because there is none.
    """

    def __init__(self):
        super().__init__({
            "start": In(1),
            "program_offset": In(32),
            "program_bytes": In(32),
            "request": Out(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "weights": Out(stream.Signature(layouts.fields(isa.WEIGHTS))),
            "load": Out(stream.Signature(layouts.fields(isa.LOAD))),
            "store": Out(stream.Signature(layouts.fields(isa.STORE))),
            "load_done": In(1),
            "store_done": In(1),
            "units_idle": In(1),
            "steps": Out(StepPort()),
            "execs_done": Out(16),
            "completed": Out(1),
            "busy": Out(1),
            "done": Out(1),
            "fault": Out(1),
            "exec_wait": Out(1),
            "fetch_wait": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.fetch = fetch = Fetch()
        m.submodules.dispatch = dispatch = Dispatch()
        m.submodules.exec_gate = exec_gate = Gate(isa.EXEC)
        m.submodules.weights_gate = weights_gate = Gate(isa.WEIGHTS)
        m.submodules.load_gate = load_gate = Gate(isa.LOAD)
        m.submodules.store_gate = store_gate = Gate(isa.STORE)
        m.submodules.steps = steps = StepControl()

        # i -> fetch -> dispatch -> gates -> units
        connect(m, fetch.request, flipped(self.request))
        connect(m, flipped(self.i), fetch.i)
        m.submodules.skid = skid = Skid(layouts.beat())
        connect(m, fetch.o, skid.i)
        connect(m, skid.o, dispatch.i)
        connect(m, dispatch.exec, exec_gate.i)
        connect(m, dispatch.weights, weights_gate.i)
        connect(m, dispatch.load, load_gate.i)
        connect(m, dispatch.store, store_gate.i)
        connect(m, exec_gate.o, steps.command)
        connect(m, steps.o, flipped(self.steps))
        connect(m, weights_gate.o, flipped(self.weights))
        connect(m, load_gate.o, flipped(self.load))
        connect(m, store_gate.o, flipped(self.store))

        m.d.comb += [
            steps.coming.eq(dispatch.exec.valid),
            # Data comes sooner if DDR does not read commands meanwhile that nothing needs yet.
            fetch.pause.eq((dispatch.exec.valid & steps.idle) | dispatch.ahead),
            fetch.program_offset.eq(self.program_offset),
            fetch.program_bytes.eq(self.program_bytes),
            fetch.stop.eq(dispatch.ended),
            self.completed.eq(steps.completed),
        ]

        cut = fetch.dry & ~skid.o.valid & ~dispatch.ended
        m.d.sync += self.fault.eq(dispatch.unknown | cut)

        # Counts of what has completed.
        done = Signal(counts())
        m.d.sync += [
            done.loads.eq(done.loads + self.load_done),
            done.execs.eq(done.execs + steps.completed),
            done.stores.eq(done.stores + self.store_done),
        ]
        m.d.comb += self.execs_done.eq(done.execs)
        for gate in (exec_gate, weights_gate, load_gate, store_gate):
            m.d.comb += gate.counts.eq(done)

        # From start until END was seen and all is quiet. Each unit is busy from the cycle after its
        # queue gives up the command, so there is no cycle in between in which both look idle.
        start, quiet = Signal(), Signal()
        m.d.comb += [
            start.eq(self.start & ~self.busy),
            quiet.eq(dispatch.ended & dispatch.empty & steps.idle & self.units_idle & fetch.idle),
            fetch.start.eq(start),
            dispatch.start.eq(start),
        ]
        m.d.sync += self.done.eq(self.busy & quiet)
        with m.If(start):
            m.d.sync += [self.busy.eq(1), done.eq(0)]
        with m.Elif(quiet):
            m.d.sync += self.busy.eq(0)

        # Why no EXEC runs.
        m.d.sync += [
            self.exec_wait.eq(steps.idle & exec_gate.waiting),
            self.fetch_wait.eq(self.busy & steps.idle & ~dispatch.exec.valid & ~dispatch.ended),
        ]

        return m
