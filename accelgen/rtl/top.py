"""Accelerator: the whole design, from the AXI ports in."""

from amaranth import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams
from accelgen.rtl.bus import axi4, axi4lite
from accelgen.rtl.control.registers import Registers
from accelgen.rtl.control.sequencer import Sequencer
from accelgen.rtl.control.weight_loader import WeightLoader
from accelgen.rtl.datapath import Datapath, weight_streams
from accelgen.rtl.memory.dma_read import DmaRead
from accelgen.rtl.memory.feature_memory import FeatureMemory
from accelgen.rtl.memory.read_arbiter import ReadArbiter
from accelgen.rtl.transfer_path import TransferPath

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """Runs a program of commands (arch/isa.py) over maps in DDR.

    A block diagram in code: instances and connections only. Keep it so.

    Parameters
    ----------
    arch : ArchParams
        Hardware knobs. The design knows nothing of any network.

    Members
    -------
    clk2x : In(1)
        Twice the clock, in phase: for the multipliers in mode ``"double"``, else not used.
    s_axil : In(axi4lite.Signature)
        Registers (arch/registers.py).
    m_axi_w : Out(axi4.ReadSignature)
        Reads the program and weights.
    m_axi_f : Out(axi4.Signature)
        Reads and writes maps.
    irq : Out(1)
        Interrupt, level.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "clk2x": In(1),
            "s_axil": In(axi4lite.Signature()),
            "m_axi_w": Out(axi4.ReadSignature()),
            "m_axi_f": Out(axi4.Signature()),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        arch = self.arch
        m.submodules.registers = registers = Registers(arch)
        m.submodules.sequencer = sequencer = Sequencer(arch)
        m.submodules.program_dma = program_dma = DmaRead(arch, queued=False)
        m.submodules.program_arbiter = program_arbiter = ReadArbiter()
        m.submodules.weight_loader = weight_loader = WeightLoader(arch)
        m.submodules.datapath = datapath = Datapath(arch)
        m.submodules.transfers = transfers = TransferPath(arch)
        m.submodules.feature_memory = memory = FeatureMemory(arch)

        # Host <-> registers
        connect(m, flipped(self.s_axil), registers.axil)
        m.d.comb += self.irq.eq(registers.irq)

        # DDR, feature memory -> commands and weights
        connect(m, program_dma.axi, flipped(self.m_axi_w))
        connect(m, program_arbiter.request, program_dma.request)
        connect(m, program_dma.o, program_arbiter.i)
        connect(m, sequencer.request, program_arbiter.request0)
        connect(m, program_arbiter.o0, sequencer.i)
        connect(m, transfers.parked, weight_loader.parked)
        connect(m, weight_loader.request, program_arbiter.request1)
        connect(m, program_arbiter.o1, weight_loader.i)

        # Commands -> units
        connect(m, sequencer.weights, weight_loader.command)
        connect(m, sequencer.load, transfers.load)
        connect(m, sequencer.store, transfers.store)
        connect(m, sequencer.steps, datapath.steps)
        m.d.comb += [
            datapath.clk2x.eq(self.clk2x),
            sequencer.load_done.eq(transfers.load_done),
            sequencer.store_done.eq(transfers.store_done),
            sequencer.units_idle.eq(weight_loader.idle & transfers.idle),
        ]

        # Weights -> datapath <-> feature memory <-> DDR
        for name in weight_streams(arch):
            connect(m, getattr(weight_loader, name), getattr(datapath, name))
        connect(m, datapath.run, memory.run)
        connect(m, datapath.write, memory.write)
        connect(m, datapath.residual_read, memory.residual_read)
        connect(m, memory.residual_data, datapath.residual_data)
        connect(m, transfers.feature_load, memory.load)
        connect(m, transfers.store_read, memory.store_read)
        connect(m, memory.store_data, transfers.store_data)
        connect(m, transfers.axi, flipped(self.m_axi_f))

        # Settings
        m.d.comb += [
            sequencer.start.eq(registers.start),
            sequencer.base.eq(registers.base),
            sequencer.program_offset.eq(registers.program_offset),
            weight_loader.start.eq(registers.start),
            weight_loader.base.eq(registers.base),
            weight_loader.execs_done.eq(sequencer.execs_done),
            transfers.base.eq(registers.base),
            registers.done.eq(sequencer.done),
        ]

        # Events and faults
        events = registers.events
        m.d.comb += [getattr(events, name).eq(getattr(datapath, name)) for name in Datapath.EVENTS]
        m.d.comb += [
            events.execs.eq(sequencer.completed),
            events.exec_wait.eq(sequencer.exec_wait),
            events.fetch_wait.eq(sequencer.fetch_wait),
            events.weight_beats.eq(self.m_axi_w.rvalid & self.m_axi_w.rready),
            events.load_beats.eq(transfers.load_beat),
            events.store_beats.eq(transfers.store_beat),
            registers.faults.eq(Cat(program_dma.fault, transfers.faults)),
        ]

        return m
