"""Dispatch: commands by opcode into the queues of their units, in program order."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts

__all__ = ["Dispatch"]


class Dispatch(wiring.Component):
    """Splits the command stream. A full queue holds up all that follow.

    Parameters
    ----------
    arch : ArchParams
        Not looked at; every block takes it.

    Members
    -------
    start : In(1)
        Pulse: a new program.
    i : In(stream of beat)
        Commands, 16 beats each. What follows END is dropped.
    exec, weights, load, store : Out(stream of fields of isa.EXEC, WEIGHTS, LOAD, STORE)
        Commands of each unit.
    ended : Out(1)
        END was seen. Level until ``start``.
    empty : Out(1)
        All queues are empty.
    """

    DEPTH = 4

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "start": In(1),
            "i": In(stream.Signature(layouts.beat())),
            "exec": Out(stream.Signature(layouts.fields(isa.EXEC))),
            "weights": Out(stream.Signature(layouts.fields(isa.WEIGHTS))),
            "load": Out(stream.Signature(layouts.fields(isa.LOAD))),
            "store": Out(stream.Signature(layouts.fields(isa.STORE))),
            "ended": Out(1),
            "empty": Out(1),
        })

    def elaborate(self, platform):
        return Module()
