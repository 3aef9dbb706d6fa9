"""Core: all but registers and abort control, which outlive its resets."""

from amaranth import Cat, DomainRenamer, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams
from accelgen.arch.ports import AXI_MASTERS
from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4
from accelgen.rtl.control.registers import events
from accelgen.rtl.control.sequencer import Sequencer
from accelgen.rtl.control.weight_loader import WeightLoader
from accelgen.rtl.datapath import Datapath, weight_streams
from accelgen.rtl.memory.feature_memory import FeatureMemory
from accelgen.rtl.transfer.dma_read import DmaRead
from accelgen.rtl.transfer.read_arbiter import ReadArbiter
from accelgen.rtl.transfer.transfer_path import TransferPath

__all__ = ["Core"]


class Core(wiring.Component):
    """Runs a program of commands (arch/isa.py) over maps in DDR.

    A block diagram in code: instances and connections only. Keep it so. Its parts are in four
    clock domains, ``DOMAINS``, that differ in nothing but the register their reset comes from.

    Members
    -------
    start, base, image_bytes, program_offset, program_bytes
        Of the registers: the pulse to run, and where the image and the program are.
    stop : In(1)
        Level: the masters end (transfer/dma_read.py, dma_write.py).
    done : Out(1)
        Pulse: the program has completed.
    faults : Out(ArrayLayout(fault, 3))
        Of the masters for the program and weights, LOAD and STORE.
    command_fault : Out(1)
        Level: the sequencer cannot go on.
    axi_idle : Out(1)
        Every burst has been answered.
    events : Out(events())
        Strobes to count.
    m_axi_w, ... : Out(axi4.signature_of(master))
        The masters of arch/ports.py: of the program and weights, and of maps.
    """

    DOMAINS = ("control", "engines", Datapath.OUTPUT_DOMAIN, "maps")

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "start": In(1),
            "base": In(40),
            "image_bytes": In(32),
            "program_offset": In(32),
            "program_bytes": In(32),
            "stop": In(1),
            "done": Out(1),
            "faults": Out(data.ArrayLayout(layouts.fault(), 3)),
            "command_fault": Out(1),
            "axi_idle": Out(1),
            "events": Out(events()),
            **{master.port: Out(axi4.signature_of(master)) for master in AXI_MASTERS},
        })

    def elaborate(self, platform):
        m = Module()

        arch = self.arch
        rows = {"lanes": arch.lanes, "row": arch.pixels}
        bursts = {"burst_beats": arch.burst_beats, "outstanding": arch.outstanding}
        control, engines, _, maps = map(DomainRenamer, self.DOMAINS)
        m.submodules.sequencer = sequencer = control(Sequencer())
        m.submodules.program_dma = program_dma = control(DmaRead(**bursts, queued=False))
        m.submodules.program_arbiter = program_arbiter = control(ReadArbiter())
        m.submodules.weight_loader = weight_loader = control(WeightLoader(**rows, **bursts))
        m.submodules.datapath = datapath = engines(Datapath(arch))
        m.submodules.transfers = transfers = maps(TransferPath(arch))
        m.submodules.feature_memory = memory = maps(
            FeatureMemory(**rows, depth=arch.feature_rows, ultra=arch.feature_ram == "ultra")
        )

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
        for port, member in TransferPath.MASTERS.items():
            connect(m, getattr(transfers, member), flipped(getattr(self, port)))

        # Settings
        for dma in (program_dma, transfers):
            for name in ("base", "image_bytes", "stop"):
                m.d.comb += getattr(dma, name).eq(getattr(self, name))
        for name in ("start", "program_offset", "program_bytes"):
            m.d.comb += getattr(sequencer, name).eq(getattr(self, name))
        m.d.comb += [
            weight_loader.start.eq(self.start),
            weight_loader.execs_done.eq(sequencer.execs_done),
            self.done.eq(sequencer.done),
        ]

        # Events and faults
        events = self.events
        m.d.comb += [getattr(events, name).eq(getattr(datapath, name)) for name in Datapath.EVENTS]
        m.d.comb += [
            events.execs.eq(sequencer.completed),
            events.exec_wait.eq(sequencer.exec_wait),
            events.fetch_wait.eq(sequencer.fetch_wait),
            events.weight_beats.eq(self.m_axi_w.rvalid & self.m_axi_w.rready),
            events.load_beats.eq(transfers.load_beat),
            events.store_beats.eq(transfers.store_beat),
            self.faults.eq(Cat(program_dma.fault, transfers.faults)),
            self.command_fault.eq(sequencer.fault),
            self.axi_idle.eq(program_dma.idle & transfers.axi_idle),
        ]

        return m
