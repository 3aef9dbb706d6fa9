"""Transfer path: maps between DDR and the feature memory, on their own AXI master."""

from typing import Any, ClassVar

from amaranth import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4
from accelgen.rtl.memory.row_reader import ROW_BITS
from accelgen.rtl.streams.queue import StreamQueue
from accelgen.rtl.streams.skid import Skid
from accelgen.rtl.transfer.dma_read import DmaRead
from accelgen.rtl.transfer.dma_write import DmaWrite
from accelgen.rtl.transfer.load_unit import LoadUnit
from accelgen.rtl.transfer.store_unit import StoreUnit

__all__ = ["TransferPath"]


class TransferPath(wiring.Component):
    """LOAD and STORE side by side.

    A block diagram in code: instances and connections only. Keep it so.

    Members
    -------
    base, image_bytes : In(40), In(32)
        Address and size of the image.
    stop : In(1)
        Level: both DMAs end (transfer/dma_read.py, dma_write.py).
    load, store : In(stream of fields(LOAD), fields(STORE))
        Commands whose waits are over.
    load_done, store_done : Out(1)
        Pulse per command completed.
    feature_load : Out(stream of row_write)
    store_read, store_data : Out(stream of row index), In(stream of row, always ready)
        To the feature memory.
    parked : Out(stream of beat)
        Parked weights, to the weight loader.
    axi : Out(axi4.Signature)
        Master.
    faults : Out(ArrayLayout(fault, 2))
        Of LOAD and of STORE.
    axi_idle : Out(1)
        Every burst has been answered.
    load_beat, store_beat, idle : Out(1)
        Events to count; no command is in work.
    """

    #: Port of the design (arch/ports.py): member.
    MASTERS: ClassVar = {"m_axi_f": "axi"}

    def __init__(self, arch: ArchParams):
        self.arch = arch
        rows = layouts.pixels(arch.lanes, arch.pixels)
        super().__init__({
            "base": In(40),
            "image_bytes": In(32),
            "stop": In(1),
            "load": In(stream.Signature(layouts.fields(isa.LOAD))),
            "store": In(stream.Signature(layouts.fields(isa.STORE))),
            "load_done": Out(1),
            "store_done": Out(1),
            "feature_load": Out(stream.Signature(layouts.row_write(arch.lanes, arch.pixels))),
            "store_read": Out(stream.Signature(ROW_BITS)),
            "store_data": In(stream.Signature(rows, always_ready=True)),
            "parked": Out(stream.Signature(layouts.beat())),
            "axi": Out(axi4.Signature()),
            "faults": Out(data.ArrayLayout(layouts.fault(), 2)),
            "axi_idle": Out(1),
            "load_beat": Out(1),
            "store_beat": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        arch = self.arch
        rows = {"lanes": arch.lanes, "row": arch.pixels}
        bursts: dict[str, Any] = {"burst_beats": arch.burst_beats, "outstanding": arch.outstanding}
        m.submodules.load_unit = load_unit = LoadUnit(**rows)
        m.submodules.store_unit = store_unit = StoreUnit(**rows)
        m.submodules.dma_read = dma_read = DmaRead(**bursts)
        m.submodules.parked = parked = StreamQueue(layouts.beat(), depth=4)
        m.submodules.dma_write = dma_write = DmaWrite(**bursts)

        # DDR -> feature memory
        connect(m, flipped(self.load), load_unit.command)
        connect(m, load_unit.request, dma_read.request)
        m.submodules.skid = skid = Skid(layouts.beat())
        connect(m, dma_read.o, skid.i)
        connect(m, skid.o, load_unit.i)
        connect(m, load_unit.o, flipped(self.feature_load))

        # Feature memory -> DDR
        connect(m, flipped(self.store), store_unit.command)
        connect(m, store_unit.row_request, flipped(self.store_read))
        connect(m, store_unit.request, dma_write.request)
        connect(m, store_unit.o, dma_write.i)
        connect(m, store_unit.parked, parked.i)
        connect(m, parked.o, flipped(self.parked))
        m.d.comb += [
            store_unit.row_data.valid.eq(self.store_data.valid),
            store_unit.row_data.payload.eq(self.store_data.payload),
            store_unit.written.eq(dma_write.done),
        ]

        # One master: read channels of one, write channels of the other
        for dma in (dma_read, dma_write):
            for name, member in dma.axi.signature.members.items():
                outer, inner = getattr(self.axi, name), getattr(dma.axi, name)
                m.d.comb += outer.eq(inner) if member.flow == Out else inner.eq(outer)
            for name in ("base", "image_bytes", "stop"):
                m.d.comb += getattr(dma, name).eq(getattr(self, name))

        # Settings and events
        m.d.comb += [
            self.load_done.eq(load_unit.done),
            self.store_done.eq(store_unit.done),
            self.faults[0].eq(dma_read.fault),
            self.faults[1].eq(dma_write.fault),
            self.axi_idle.eq(dma_read.idle & dma_write.idle),
            self.load_beat.eq(self.axi.rvalid & self.axi.rready),
            self.store_beat.eq(self.axi.wvalid & self.axi.wready),
            self.idle.eq(load_unit.idle & store_unit.idle),
        ]

        return m
