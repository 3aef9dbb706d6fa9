"""Step control: one EXEC after the other, the array's reader up to one ahead."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import isa
from accelgen.rtl import layouts

__all__ = ["StepControl", "StepPort"]


class StepPort(wiring.Signature):
    """From step control to the datapath: the step, and the one its reader has.

    Members
    -------
    front : Out(front)
        Step of the array's reader. Changes only when ``front_idle``.
    front_start : Out(1)
        Pulse, when ``front`` has changed.
    front_tag : Out(TAG_BITS)
        Number of that step, modulo four. Changes with it.
    front_idle : In(1)
        The reader can take a step.
    may_read : Out(1)
        The waits of that step are over, and it is ``step`` or early. A step that may read when the
        next one comes may do so to its end.
    step : Out(fields(isa.EXEC))
        Step of all after the array's accumulators. Changes only between ``done`` and ``start``.
    start : Out(1)
        Pulse, one cycle after ``step`` has changed.
    held_tag : Out(TAG_BITS)
        Number of the step after it, which must not leave the accumulators. Changes after
        ``start``.
    done : In(1)
        Pulse: the step has written its last row, and has no more to read.
    """

    def __init__(self):
        super().__init__({
            "front": Out(layouts.front()),
            "front_start": Out(1),
            "front_tag": Out(layouts.TAG_BITS),
            "front_idle": In(1),
            "may_read": Out(1),
            "step": Out(layouts.fields(isa.EXEC)),
            "start": Out(1),
            "held_tag": Out(layouts.TAG_BITS, init=1),  # type: ignore[call-arg]  # not in the stubs
            "done": In(1),
        })


class StepControl(wiring.Component):
    """Latches a step, starts the datapath, waits until it is done.

    The reader gets a step as soon as it can take one, so that its walk is made ready while the one
    before is read and drains, or data comes; everything else gets it when that one is done and its
    waits are over.

    Members
    -------
    command : In(stream of fields(isa.EXEC))
        Steps whose waits are over.
    coming : In(1)
        There is a step, over or not.
    o : Out(StepPort())
        To the datapath.
    completed : Out(1)
        Pulse a cycle after ``o.done``.
    idle : Out(1)
        No step runs.
    """

    def __init__(self):
        super().__init__({
            "command": In(stream.Signature(layouts.fields(isa.EXEC))),
            "coming": In(1),
            "o": Out(StepPort()),
            "completed": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        o, command = self.o, self.command
        running, tag = Signal(), Signal.like(self.o.front_tag)
        m.d.comb += [command.ready.eq(~running), self.idle.eq(~running)]

        # The step.
        settle, taken = Signal(), Signal()
        m.d.comb += taken.eq(command.valid & ~running)
        m.d.sync += [
            settle.eq(taken),
            o.start.eq(settle),
            self.completed.eq(o.done),
        ]
        with m.If(~running):
            m.d.sync += [o.step.eq(command.payload), running.eq(command.valid)]
        with m.Elif(o.done):
            m.d.sync += running.eq(0)
        with m.If(taken):
            m.d.sync += tag.eq(tag + 1)
        with m.If(o.start):
            m.d.sync += o.held_tag.eq(tag + 1)

        # The reader's: the same command, now or before.
        front_taken, free, ahead, next_ahead = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            # What is idle may have been told to start.
            free.eq(o.front_idle & ~ahead & ~o.front_start),
            front_taken.eq(self.coming & free),
            next_ahead.eq((ahead | front_taken) & ~taken),
        ]
        m.d.sync += o.front_start.eq(front_taken)
        with m.If(free):
            m.d.sync += [o.front[name].eq(command.p[name]) for name in isa.FRONT]
        with m.If(front_taken):
            m.d.sync += o.front_tag.eq(o.front_tag + 1)
        m.d.sync += [
            ahead.eq(next_ahead),
            o.may_read.eq(~next_ahead | (ahead & o.front.early & command.valid)),
        ]

        return m
