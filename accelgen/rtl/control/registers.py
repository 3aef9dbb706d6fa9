"""Registers: what the host sees over AXI4-Lite, and the counters behind it."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from accelgen.arch.isa import FETCH_BYTES
from accelgen.arch.registers import (
    CONTROL,
    IDENTITY,
    PAGE_BYTES,
    REGISTERS,
    STATUS,
    offset_of,
)
from accelgen.rtl.bus import axi4lite
from accelgen.rtl.control.step_log import StepLog

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
    config : int
        CRC-32 of the configuration: the ``config`` register's value.

    Members
    -------
    axil : In(axi4lite.Signature)
        The host.
    base, image_bytes : Out(40), Out(32)
        Where the image is; multiples of PAGE_BYTES.
    program_offset, program_bytes : Out(32), Out(32)
        Where in it the program is; multiples of FETCH_BYTES.
    start : Out(1)
        Pulse: run. Not given while a program runs.
    done : In(1)
        Pulse: the program has completed.
    events : In(events())
        Strobes to count, by register name. ``execs`` also writes the step log.
    abort : Out(1)
        Pulse: end what runs.
    ending, finished, aborted, cause, master, error_address
        Of control/abort_control.py. ``ending`` ends a program: its ``done`` counts no more.
    clear : Out(1)
        Pulse: the host has taken note of an error or an abort.
    irq : Out(1)
        Level: ``(done | error | aborted) & irq_enable``.
    """

    def __init__(self, config: int):
        self.config = config
        super().__init__({
            "axil": In(axi4lite.Signature()),
            "base": Out(40),
            "image_bytes": Out(32),
            "program_offset": Out(32),
            "program_bytes": Out(32),
            "start": Out(1),
            "done": In(1),
            "events": In(events()),
            "abort": Out(1),
            "ending": In(1),
            "finished": In(1),
            "aborted": In(1),
            "cause": In(8),
            "master": In(8),
            "error_address": In(32),
            "clear": Out(1),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.log = log = StepLog()
        m.submodules.host = host = _HostPort()
        connect(m, flipped(self.axil), host.axil)

        values = {"id": IDENTITY, "config": self.config}
        running, clear = self._control(m, host, values)
        self._count(m, running, clear, values)
        # The cycle counter is two registers behind, so the log waits as long: a step that
        # completes together with the program is logged with the count that ``cycles`` stops at.
        late = Signal(2)
        m.d.sync += late.eq(Cat(self.events.execs, late))
        m.d.comb += [
            log.clear.eq(clear),
            log.write.eq(late[-1]),
            log.cycles.eq(values["cycles"]),
            log.read_address.eq(host.read_word),
        ]

        # Reads: a register after the choice of register, as deep as the log.
        chosen = Signal(32)
        with m.Switch(host.read_word):
            for register in REGISTERS:
                with m.Case(register.offset // 4):
                    m.d.sync += chosen.eq(values[register.name])
            with m.Default():
                m.d.sync += chosen.eq(0)
        m.d.comb += host.read_data.eq(Mux(host.read_word[-1], log.read_data, chosen))

        return m

    def _control(self, m, host, values):
        """What the host writes, and status. Returns "a program runs", and the pulse that clears
        counters."""
        running = Signal()
        reset = Signal()
        idle, clear = Signal(), Signal()
        irq_enable = Signal()
        bits = host.write_data & host.mask
        m.d.comb += [
            idle.eq(~running & ~self.start & ~self.ending),
            clear.eq(self.start | reset),
        ]
        self._settings(m, host, idle, values)
        m.d.sync += [self.start.eq(0), self.abort.eq(0), reset.eq(0)]
        with m.If(_written(host, "control")):
            abort = bits[CONTROL["abort"]]
            m.d.sync += [
                self.start.eq(bits[CONTROL["start"]] & ~abort & idle),
                self.abort.eq(abort),
                reset.eq(bits[CONTROL["reset"]] & idle),
            ]
            with m.If(host.mask[CONTROL["irq_enable"]]):
                m.d.sync += irq_enable.eq(bits[CONTROL["irq_enable"]])
        values["control"] = irq_enable << CONTROL["irq_enable"]

        # Later lines win: an event in the cycle of a clearing write is not lost, and what ends
        # hides a done of the same cycle.
        flags = {name: Signal(name=f"{name}_flag") for name in ("done", "error", "aborted")}
        for name, flag in flags.items():
            with m.If((_written(host, "status") & bits[STATUS[name]]) | reset):
                m.d.sync += flag.eq(0)
                if name != "done":
                    m.d.comb += self.clear.eq(~self.ending)
        with m.If(self.start):
            m.d.sync += [running.eq(1), flags["done"].eq(0)]
        with m.If(self.done):
            m.d.sync += [running.eq(0), flags["done"].eq(1)]
        with m.If(self.ending):
            m.d.sync += [running.eq(0), flags["done"].eq(0)]
        with m.If(self.finished):
            # Only the one that rises: the other may be cleared in this cycle.
            with m.If(self.aborted):
                m.d.sync += flags["aborted"].eq(1)
            with m.Else():
                m.d.sync += flags["error"].eq(1)
        m.d.sync += self.irq.eq(Cat(flags.values()).any() & irq_enable)
        status = {"busy": ~idle, **flags}
        values["status"] = Cat(status[name] for name in sorted(STATUS, key=STATUS.__getitem__))
        values["cause"] = Cat(self.cause, self.master)
        values["error_address"] = self.error_address
        return running, clear

    def _settings(self, m, host, idle, values):
        """Where the image and the program are: whole pages and fetches; written only when idle."""
        base = Signal(64)
        m.d.comb += self.base.eq(base)
        stored = (
            ("base_low", base[:32], PAGE_BYTES),
            ("base_high", base[32:40], 1),
            ("image_bytes", self.image_bytes, PAGE_BYTES),
            ("program_offset", self.program_offset, FETCH_BYTES),
            ("program_bytes", self.program_bytes, FETCH_BYTES),
        )
        for name, register, unit in stored:
            low = exact_log2(unit)
            coming = (host.write_data & host.mask) | (register & ~host.mask)
            with m.If(_written(host, name) & idle):
                m.d.sync += register[low:].eq(coming[low:])
            values[name] = register

    def _count(self, m, running, clear, values):
        """Counters: each event is a cycle old when it counts."""
        strobes = {"cycles": running} | {name: self.events[name] for name in COUNTERS}
        for name, strobe in strobes.items():
            counter = Signal(32, name=name)
            event = Signal(name=f"{name}_event")
            m.d.sync += event.eq(strobe)
            with m.If(event):
                m.d.sync += counter.eq(counter + 1)
            with m.If(clear):
                m.d.sync += [counter.eq(0), event.eq(0)]
            values[name] = counter


def _written(host, name):
    """The host writes register ``name`` in this cycle."""
    return host.write & (host.write_word == offset_of(name) // 4)


class _HostPort(wiring.Component):
    """AXI4-Lite to a write strobe, and to a read answered READ_LATENCY cycles after its address.

    One write and one read at a time. ``write`` is a one-cycle pulse with ``write_word``,
    ``write_data`` and ``mask`` (strobes, bit by bit) from registers. ``read_data`` is taken
    READ_LATENCY cycles after ``read_word`` changed.
    """

    READ_LATENCY = StepLog.LATENCY

    def __init__(self):
        word_bits = axi4lite.ADDRESS_BITS - 2
        super().__init__({
            "axil": In(axi4lite.Signature()),
            "write": Out(1),
            "write_word": Out(word_bits),
            "write_data": Out(32),
            "mask": Out(32),
            "read_word": Out(word_bits),
            "read_data": In(32),
        })

    def elaborate(self, platform):
        m = Module()
        axil = self.axil

        # Writes: address and data in either order, each into its register.
        address_held, data_held = Signal(), Signal()
        strobes = Signal(4)
        m.d.comb += [
            axil.awready.eq(~address_held),
            axil.wready.eq(~data_held),
            self.write.eq(address_held & data_held & (~axil.bvalid | axil.bready)),
            self.mask.eq(Cat(strobe.replicate(8) for strobe in strobes)),
        ]
        with m.If(axil.bready):
            m.d.sync += axil.bvalid.eq(0)
        with m.If(self.write):
            m.d.sync += [address_held.eq(0), data_held.eq(0), axil.bvalid.eq(1)]
        with m.If(axil.awready):
            m.d.sync += [address_held.eq(axil.awvalid), self.write_word.eq(axil.awaddr[2:])]
        with m.If(axil.wready):
            m.d.sync += [
                data_held.eq(axil.wvalid),
                self.write_data.eq(axil.wdata),
                strobes.eq(axil.wstrb),
            ]

        # Reads: the address, as many cycles as the answer takes, the answer.
        wait = Signal(self.READ_LATENCY + 1)  # one bit travels up
        m.d.comb += axil.arready.eq(~wait.any() & ~axil.rvalid)
        m.d.sync += wait.eq(wait << 1)
        with m.If(axil.arready):
            m.d.sync += [self.read_word.eq(axil.araddr[2:]), wait[0].eq(axil.arvalid)]
        with m.If(wait[-1]):
            m.d.sync += [axil.rvalid.eq(1), axil.rdata.eq(self.read_data)]
        with m.If(axil.rvalid & axil.rready):
            m.d.sync += axil.rvalid.eq(0)

        return m
