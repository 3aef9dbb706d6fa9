"""Gate: holds a command until its wait counts are reached."""

from amaranth import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import isa
from accelgen.rtl import layouts

__all__ = ["Gate", "counts"]


def counts() -> data.StructLayout:
    """Commands completed since the program's start, per unit that others wait for."""
    return data.StructLayout({"loads": 16, "execs": 16, "stores": 16})


class Gate(wiring.Component):
    """Passes a command when ``counts`` have reached its ``wait_*``, a cycle or more after it came.

    Parameters
    ----------
    fmt : isa.Format
        Format of the commands.

    Members
    -------
    i : In(stream of fields(fmt))
        Commands.
    counts : In(counts())
        Grow only, while a program runs.
    o : Out(stream of fields(fmt))
        The same commands.
    waiting : Out(1)
        A command is held because of its counts.
    """

    def __init__(self, fmt: isa.Format):
        super().__init__({
            "i": In(stream.Signature(layouts.fields(fmt))),
            "counts": In(counts()),
            "o": Out(stream.Signature(layouts.fields(fmt))),
            "waiting": Out(1),
        })

    def elaborate(self, platform):
        return Module()
