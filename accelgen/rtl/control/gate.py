"""Gate: holds a command until its wait counts are reached."""

from amaranth import Module, Signal
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
        m = Module()

        header = self.i.p.header
        reached, passes = Signal(), Signal()
        m.d.comb += [
            reached.eq(
                (self.counts.loads >= header.wait_loads)
                & (self.counts.execs >= header.wait_execs)
                & (self.counts.stores >= header.wait_stores)
            ),
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(passes),
            self.i.ready.eq(passes & self.o.ready),
            self.waiting.eq(self.i.valid & ~passes),
        ]
        # What has been reached stays reached, so the comparison may be a cycle old.
        m.d.sync += passes.eq(self.i.valid & (passes | reached) & ~self.i.ready)

        return m
