"""Abort control: from a fault or an abort to a core that is as new, without a word lost on AXI."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch.registers import CAUSES, MASTERS
from accelgen.rtl import layouts

__all__ = ["AbortControl"]


class AbortControl(wiring.Component):
    """Stops the masters, waits until every burst is answered, resets the core.

    The first fault counts, before an abort of the same cycle; what comes until the end is that
    one's consequence. Works alike whether a program runs or not. A bus that never answers keeps
    it waiting for ever: then only the reset of all helps.

    Members
    -------
    abort : In(1)
        Pulse: the host's wish.
    faults : In(ArrayLayout(layouts.fault(), 3))
        Of the masters for the program and weights, LOAD and STORE: pulses or levels.
    command : In(1)
        Level: the sequencer cannot go on (cause "command").
    base : In(40)
        Address of the image.
    idle : In(1)
        Every burst has been answered. Looked at from some cycles after ``stop`` on.
    clear : In(1)
        Pulse: forget ``cause``. Only when not ``ending``.
    ending : Out(1)
        From the first cycle of the fault or abort to the end of the reset.
    finished : Out(1)
        Pulse in the last cycle of ``ending``.
    aborted : Out(1)
        Level: what ends, or has ended, is an abort and no fault.
    stop : Out(1)
        To the masters.
    reset0, ... reset3 : Out(1)
        Resets of the core, one for each of its parts: all the same, also while this is reset.
    cause, master, error_address : Out(8), Out(8), Out(32)
        Numbers in CAUSES and MASTERS; low bits of the address, 0 where there is none.
    """

    #: Cycles without a burst after which none is on its way. More than one only for registers
    #: between ``stop`` and ``idle``.
    QUIET_CYCLES = 8
    #: Longer than anything travels through the core in registers that have no reset.
    RESET_CYCLES = 64
    RESETS = 4

    def __init__(self):
        super().__init__({
            "abort": In(1),
            "faults": In(data.ArrayLayout(layouts.fault(), 3)),
            "command": In(1),
            "base": In(40),
            "idle": In(1),
            "clear": In(1),
            "ending": Out(1),
            "finished": Out(1),
            "aborted": Out(1),
            "stop": Out(1),
            **{
                f"reset{n}": Out(1, init=1)  # type: ignore[call-arg]  # not in the stubs
                for n in range(self.RESETS)
            },
            "cause": Out(8),
            "master": Out(8),
            "error_address": Out(32),
        })

    @property
    def resets(self) -> list[Signal]:
        """``reset0`` and so on."""
        return [getattr(self, f"reset{n}") for n in range(self.RESETS)]

    def elaborate(self, platform):
        m = Module()

        active = Signal()
        resetting = Signal()
        count = Signal(range(self.RESET_CYCLES))
        begin, fault = Signal(), Signal()
        m.d.comb += [
            fault.eq(Cat(f.valid for f in self.faults).any() | self.command),
            begin.eq(~active & (fault | self.abort)),
            self.ending.eq(active | begin),
            self.stop.eq(active),
            self.finished.eq(resetting & (count == self.RESET_CYCLES - 1)),
            self.aborted.eq(self.cause == CAUSES["aborted"][0]),
        ]
        m.d.sync += count.eq(count + 1)
        with m.If(begin):
            m.d.sync += [active.eq(1), count.eq(0)]
        with m.Elif(active & ~resetting):
            with m.If(~self.idle):
                m.d.sync += count.eq(0)
            with m.Elif(count == self.QUIET_CYCLES - 1):
                m.d.sync += [resetting.eq(1), count.eq(0)]
        with m.Elif(self.finished):
            m.d.sync += [active.eq(0), resetting.eq(0)]

        # One register each, so that none has too many loads.
        for reset in self.resets:
            reset.attrs["keep"] = 1
            m.d.sync += reset.eq(resetting)

        with m.If(self.clear):
            m.d.sync += [self.cause.eq(0), self.master.eq(0), self.error_address.eq(0)]
        with m.If(begin):
            self._report(m)
        return m

    def _report(self, m):
        """What begins in this cycle: the first of the faults, in the order of the masters."""
        number = {name: number for name, (number, _) in CAUSES.items()}
        masters = (MASTERS["program"], MASTERS["load"], MASTERS["store"])
        cause = Mux(self.command, number["command"], number["aborted"])
        master = Mux(self.command, MASTERS["program"], MASTERS["none"])
        offset: Value = Const(0, 32)
        for fault, name in reversed(list(zip(self.faults, masters, strict=True))):
            cause = Mux(fault.valid, fault.cause, cause)
            master = Mux(fault.valid, name, master)
            offset = Mux(fault.valid, fault.offset, offset)
        m.d.sync += [self.cause.eq(cause), self.master.eq(master), self.error_address.eq(0)]
        with m.If(Cat(f.valid for f in self.faults).any()):
            address = layouts.image_address(self.base, offset)
            m.d.sync += self.error_address.eq(address)
