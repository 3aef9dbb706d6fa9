"""Feature memory: the pixel memory every tensor lives in, and the arbiter of its row port."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import timing
from accelgen.rtl import layouts
from accelgen.rtl.basics.copies import copies
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.memory.pixel_memory import ROW_BITS, PixelMemory, RunPort

__all__ = ["FeatureMemory"]

#: Lanes of a row that share a register of where they come from.
_LANES_PER_COPY = 4


class FeatureMemory(wiring.Component):
    """Pixel memory of ``depth`` rows with four clients on its row port.

    One client per cycle gets the row port, by fixed priority: ``write`` (never waits),
    ``residual_read``, ``load``, ``store_read``. Reads are answered in order,
    ``timing.FEATURE_READ_LATENCY`` cycles after they were accepted, whether or not anybody is
    ready: a client asks for no more than it has room for. An accepted write is seen by every read
    accepted, on either port, two or more cycles later.

    Parameters
    ----------
    lanes, row, depth : int
        Channels, pixels of a row, rows.
    ultra : bool
        In ultra RAM, not in block RAM.

    Members
    -------
    run : In(RunPort)
        Run port of the array's reader, ``timing.run_latency(row)`` cycles.
    write, load : In(stream of row_choice), In(stream of row_write)
        Rows to write; ``load`` in no phases.
    residual_read, store_read : In(stream of row index)
        Rows to read.
    residual_data, store_data : Out(stream of row, always ready)
        Their answers.
    """

    def __init__(self, *, lanes: int, row: int, depth: int, ultra: bool = False):
        self.lanes = lanes
        self.row = row
        self.depth = depth
        self.ultra = ultra
        rows = stream.Signature(layouts.pixels(lanes, row), always_ready=True)
        super().__init__({
            "run": In(RunPort(lanes, row)),
            "write": In(stream.Signature(layouts.row_choice(lanes, row))),
            "load": In(stream.Signature(layouts.row_write(lanes, row))),
            "residual_read": In(stream.Signature(ROW_BITS)),
            "store_read": In(stream.Signature(ROW_BITS)),
            "residual_data": Out(rows),
            "store_data": Out(rows),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.memory = memory = PixelMemory(
            lanes=self.lanes,
            pixels=self.row,
            depth=self.depth,
            ultra=self.ultra,
        )
        wiring.connect(m, wiring.flipped(self.run), memory.run)

        # What is written is held for a cycle, with copies of what its data are chosen by.
        choice = Signal(self.write.p.shape(), reset_less=True)
        held = choice.write
        writing = Signal()
        m.d.sync += [writing.eq(self.write.valid), choice.eq(self.write.payload)]
        count = -(-self.row // _LANES_PER_COPY)
        strobes = copies(m, self.write.valid, count, name="write")
        straights = copies(m, self.write.p.from_straight, count, name="straight")

        # Cycle 0: choose a client.
        busy = Signal(3)  # write, residual_read, load
        m.d.comb += [
            busy.eq(Cat(writing, self.residual_read.valid, self.load.valid)),
            self.write.ready.eq(1),
            self.residual_read.ready.eq(~busy[0]),
            self.load.ready.eq(~busy[:2].any()),
            self.store_read.ready.eq(~busy.any()),
        ]

        # Cycle 1: the row port's register, in reach of every bank. A write has many pins in each
        # RAM: banks have copies.
        enable = Signal()
        writes = copies(m, busy[0] | (busy[2] & ~busy[1]), count, name="row_write")
        mask = Signal(self.row, reset_less=True)
        m.d.sync += mask.eq(Mux(busy[0], choice.mask, ~0))
        residual, store = Signal(), Signal()
        address = Signal(ROW_BITS, reset_less=True)
        phases = Signal(reset_less=True)
        data = Signal(layouts.pixels(self.lanes, self.row), reset_less=True)
        m.d.sync += [
            enable.eq(busy.any() | self.store_read.valid),
            phases.eq(busy[0] & held.phases),
            residual.eq(self.residual_read.valid & self.residual_read.ready),
            store.eq(self.store_read.valid & self.store_read.ready),
        ]
        for n in range(self.row):
            write_here, straight = strobes[n // _LANES_PER_COPY], straights[n // _LANES_PER_COPY]
            written = Mux(straight, choice.straight[n], held.data[n])
            m.d.sync += data[n].eq(Mux(write_here, written, self.load.p.data[n]))
        with m.If(busy[0]):
            m.d.sync += address.eq(held.row)
        with m.Elif(busy[1]):
            m.d.sync += address.eq(self.residual_read.payload)
        with m.Elif(busy[2]):
            m.d.sync += address.eq(self.load.payload.row)
        with m.Else():
            m.d.sync += address.eq(self.store_read.payload)
        m.d.comb += [
            memory.row_en.eq(enable),
            memory.row_write.eq(Cat(writes[n // _LANES_PER_COPY] for n in range(self.row)) & mask),
            memory.row_addr.eq(address),
            memory.row_phases.eq(phases),
            memory.row_wdata.eq(data),
        ]

        # The answers, to whoever asked.
        m.d.comb += [
            self.residual_data.valid.eq(delay(m, residual, timing.ROW_LATENCY, reset=True)),
            self.residual_data.payload.eq(memory.row_rdata),
            self.store_data.valid.eq(delay(m, store, timing.ROW_LATENCY, reset=True)),
            self.store_data.payload.eq(memory.row_rdata),
        ]

        return m
