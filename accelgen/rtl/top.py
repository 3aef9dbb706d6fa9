"""Accelerator: the whole design, from the AXI ports in."""

from amaranth import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams
from accelgen.arch.ports import AXI_MASTERS
from accelgen.rtl.bus import axi4, axi4lite
from accelgen.rtl.control.abort_control import AbortControl
from accelgen.rtl.control.registers import Registers
from accelgen.rtl.core import Core
from accelgen.rtl.dsp.double_pump import fast_domain

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """Registers, the core, and what brings it back from faults.

    A block diagram in code: instances and connections only. Keep it so.

    Parameters
    ----------
    arch : ArchParams
        Hardware knobs. The design knows nothing of any network.

    Members
    -------
    clk, rst : In(1)
        Clock, and a synchronous reset of all.
    clk2x : In(1)
        Twice the clock, in phase: for the multipliers in mode ``"double"``, else not used.
    s_axil : In(axi4lite.Signature)
        Registers (arch/registers.py).
    m_axi_w, ... : Out(axi4.signature_of(master))
        The masters of arch/ports.py, which says what each carries.
    irq : Out(1)
        Interrupt, level.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "clk": In(1),
            "rst": In(1),
            "clk2x": In(1),
            "s_axil": In(axi4lite.Signature()),
            **{master.port: Out(axi4.signature_of(master)) for master in AXI_MASTERS},
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.registers = registers = Registers(self.arch.crc)
        m.submodules.abort_control = abort = AbortControl()
        m.submodules.core = core = Core(self.arch)
        self._add_domain(m, "sync", self.rst)
        fast_domain(m, self.clk2x)
        for name, reset in zip(Core.DOMAINS, abort.resets, strict=True):
            self._add_domain(m, name, reset)

        # Host <-> registers
        connect(m, flipped(self.s_axil), registers.axil)
        m.d.comb += self.irq.eq(registers.irq)

        # Registers <-> core <-> DDR
        for name in ("start", "base", "image_bytes", "program_offset", "program_bytes"):
            m.d.comb += getattr(core, name).eq(getattr(registers, name))
        m.d.comb += [
            registers.done.eq(core.done),
            registers.events.eq(core.events),
        ]
        for master in AXI_MASTERS:
            connect(m, getattr(core, master.port), flipped(getattr(self, master.port)))

        # Faults and aborts
        m.d.comb += [
            abort.abort.eq(registers.abort),
            abort.clear.eq(registers.clear),
            abort.base.eq(registers.base),
            abort.faults.eq(core.faults),
            abort.command.eq(core.command_fault),
            abort.idle.eq(core.axi_idle),
            core.stop.eq(abort.stop),
        ]
        for name in ("ending", "finished", "aborted", "cause", "master", "error_address"):
            m.d.comb += getattr(registers, name).eq(getattr(abort, name))

        return m

    def _add_domain(self, m, name, reset):
        """A domain with a reset of its own, and the very clock of the others.

        The same signal, not one driven by it: simulators would see two clocks and a race.
        """
        domain = ClockDomain(name)
        domain.clk = self.clk
        domain.rst = reset
        m.domains += domain
