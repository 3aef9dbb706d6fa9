"""Store unit: STORE commands, rows from the feature memory to DDR or to the weight loader."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams, isa, limits
from accelgen.rtl import layouts
from accelgen.rtl.memory.row_reader import RowReader
from accelgen.rtl.streams.queue import StreamQueue
from accelgen.rtl.streams.width import Narrower

__all__ = ["StoreUnit"]


class StoreUnit(wiring.Component):
    """Copies ``groups`` runs of ``rows`` rows.

    Group g is read from rows ``row + g * row_stride`` on and written to byte
    ``offset + g * stride`` of the image on. One beat per cycle. The next command's rows are read
    while the responses of this one are awaited. With ``weights`` the beats go to ``parked``
    instead; such a command begins when those before it are done, and ends before the next begins.

    Parameters
    ----------
    lanes, row : int
        Channels, pixels of a row: whole beats.

    Members
    -------
    command : In(stream of fields(isa.STORE))
        What to copy; ``groups`` and ``rows`` at least 1. ``header`` is not looked at.
    row_request : Out(stream of 16)
        Row index, to the feature memory's ``store_read`` client.
    row_data : In(stream of row, always ready)
        Its answers.
    request : Out(stream of dma_request)
        To the DMA writer.
    o : Out(stream of beat)
        To the DMA writer.
    parked : Out(stream of beat)
        To the weight loader.
    written : In(1)
        The DMA writer's ``done``.
    done : Out(1)
        Pulse per command, after its last response, or when its last beat was taken.
    idle : Out(1)
        No command is in work.
    """

    def __init__(self, *, lanes: int, row: int):
        self.lanes = lanes
        self.row = row
        self.row_beats = lanes * row // ArchParams.BUS_BYTES
        super().__init__({
            "command": In(stream.Signature(layouts.fields(isa.STORE))),
            "row_request": Out(stream.Signature(16)),
            "row_data": In(stream.Signature(layouts.pixels(lanes, row), always_ready=True)),
            "request": Out(stream.Signature(layouts.dma_request())),
            "o": Out(stream.Signature(layouts.beat())),
            "parked": Out(stream.Signature(layouts.beat())),
            "written": In(1),
            "done": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        # feature memory -> reader -> narrower -> DMA writer, or weight loader
        m.submodules.reader = reader = RowReader(
            lanes=self.lanes, row=self.row, slow=self.row_beats >= 4
        )
        m.submodules.narrower = narrower = Narrower(self.row_data.p.shape(), layouts.beat())
        connect(m, reader.request, flipped(self.row_request))
        connect(m, flipped(self.row_data), reader.data)
        connect(m, reader.o, narrower.i)
        parking = Signal()  # the command in the reader is one of weights
        m.d.comb += [
            self.o.payload.eq(narrower.o.payload),
            self.parked.payload.eq(narrower.o.payload),
            self.o.valid.eq(narrower.o.valid & ~parking),
            self.parked.valid.eq(narrower.o.valid & parking),
            narrower.o.ready.eq(Mux(parking, self.parked.ready, self.o.ready)),
        ]

        m.submodules.pending = pending = StreamQueue(
            12, depth=limits.RUNS_AHEAD
        )  # groups of each command
        started = Signal()  # the reader's idle is a cycle old
        taken = Signal()
        m.d.comb += taken.eq(parking & reader.idle & ~reader.start & ~started & ~narrower.o.valid)
        self._request_runs(m, reader, pending, parking, started)
        self._count_responses(m, pending, taken)
        with m.If(taken):
            m.d.sync += parking.eq(0)

        return m

    def _request_runs(self, m, reader, pending, parking, started):
        """Starts the reader, and one DMA request per group unless the command is one of weights."""
        command = self.command.p
        offset, stride = Signal(32, reset_less=True), Signal(32, reset_less=True)
        m.d.comb += self.request.p.offset.eq(offset)
        left = Signal(12, reset_less=True)
        begin = Signal()
        ready, free = Signal(), Signal()
        m.d.comb += [
            free.eq(~parking & (~command.weights | self.idle)),
            self.command.ready.eq(ready),
            begin.eq(self.command.valid & self.command.ready),
            pending.i.valid.eq(begin & ~command.weights),
            pending.i.payload.eq(command.groups),
        ]
        m.d.sync += [
            started.eq(begin),
            reader.start.eq(begin),
            # A register: what lets a command begin stays so until one does.
            ready.eq(
                self.command.valid
                & ~ready
                & ~self.request.valid
                & reader.idle
                & ~started
                & pending.i.ready
                & free
            ),
        ]
        with m.If(self.command.ready):
            m.d.sync += [
                reader.base.eq(command.row),
                reader.stride.eq(command.row_stride),
                reader.groups.eq(command.groups),
                reader.rows.eq(command.rows),
            ]
        with m.If(begin):
            beats = Cat(Const(0, (self.row_beats - 1).bit_length()), command.rows)
            m.d.sync += [
                parking.eq(command.weights),
                self.request.valid.eq(~command.weights),
                offset.eq(command.offset),
                self.request.p.beats.eq(beats),
                stride.eq(command.stride),
                left.eq(command.groups),
            ]
        with m.Elif(self.request.valid & self.request.ready):
            m.d.sync += [
                # Multiples of a beat.
                offset[4:].eq(offset[4:] + stride[4:]),
                left.eq(left - 1),
                self.request.valid.eq(left != 1),
            ]

    def _count_responses(self, m, pending, taken):
        """A command is done when all its groups were written, one of weights when it is taken."""
        working = Signal(range(limits.RUNS_AHEAD + 3))
        begun, last = Signal(), Signal()
        written = Signal(12)
        m.d.comb += [
            begun.eq(self.command.valid & self.command.ready),
            last.eq(self.written & (written + 1 == pending.o.payload)),
            pending.o.ready.eq(last),
            self.idle.eq(working == 0),
        ]
        m.d.sync += [
            self.done.eq(last | taken),
            working.eq(working + begun - self.done),
        ]
        with m.If(self.written):
            m.d.sync += written.eq(Mux(last, 0, written + 1))
