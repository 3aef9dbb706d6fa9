"""Registers: what the host sees over AXI4-Lite, and the counters behind it."""

from amaranth import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.arch.registers import REGISTERS, offset_of
from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4lite

__all__ = ["COUNTERS", "Registers", "events"]

#: Registers that count the cycles in which an event of the same name is high.
COUNTERS = tuple(r.name for r in REGISTERS if r.offset > offset_of("cycles"))


def events() -> data.StructLayout:
    """One bit per counter, by its register's name."""
    return data.StructLayout(dict.fromkeys(COUNTERS, 1))


class Registers(wiring.Component):
    """Control, status, counters and step log (arch/registers.py).

    All counters are cleared at start. Events that come with ``done`` or a cycle later still count.
    Any order of AW and W; byte strobes are obeyed; reads and writes of no register answer OKAY.

    Parameters
    ----------
    arch : ArchParams
        Its CRC-32 is the ``config`` register.

    Members
    -------
    axil : In(axi4lite.Signature)
        The host.
    base, program_offset : Out(40), Out(32)
        Where the image and the program are.
    start : Out(1)
        Pulse: run. Not given while a program runs.
    done : In(1)
        Pulse: the program has completed.
    events : In(events())
        Strobes to count, by register name. ``execs`` also writes the step log.
    faults : In(ArrayLayout(layouts.fault(), FAULTS))
        Error reports of the AXI masters.
    busy : Out(1)
        A program runs.
    irq : Out(1)
        Level: ``(done | error) & irq_enable``.
    """

    FAULTS = 3

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "axil": In(axi4lite.Signature()),
            "base": Out(40),
            "program_offset": Out(32),
            "start": Out(1),
            "done": In(1),
            "events": In(events()),
            "faults": In(data.ArrayLayout(layouts.fault(), self.FAULTS)),
            "busy": Out(1),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        return Module()
