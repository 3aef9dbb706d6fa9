"""Step control: one EXEC after the other."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts

__all__ = ["StepControl"]


class StepControl(wiring.Component):
    """Latches a step, starts the datapath, waits until it is done.

    Parameters
    ----------
    arch : ArchParams
        Not looked at; every block takes it.

    Members
    -------
    command : In(stream of fields(isa.EXEC))
        Steps whose waits are over.
    step : Out(fields(isa.EXEC))
        The step. Changes only between ``completed`` and the next ``start``.
    start : Out(1)
        Pulse, one cycle after ``step`` has changed.
    done : In(1)
        Pulse from the datapath: the step has written its last row and is drained.
    completed : Out(1)
        Pulse a cycle after ``done``.
    idle : Out(1)
        No step runs.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "command": In(stream.Signature(layouts.fields(isa.EXEC))),
            "step": Out(layouts.fields(isa.EXEC)),
            "start": Out(1),
            "done": In(1),
            "completed": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        running = Signal()
        settle = Signal()
        m.d.comb += [
            self.command.ready.eq(~running),
            self.idle.eq(~running),
        ]
        m.d.sync += [
            settle.eq(self.command.valid & ~running),
            self.start.eq(settle),
            self.completed.eq(self.done),
        ]
        with m.If(self.command.ready):
            m.d.sync += [
                self.step.eq(self.command.payload),
                running.eq(self.command.valid),
            ]
        with m.Elif(self.done):
            m.d.sync += running.eq(0)

        return m
