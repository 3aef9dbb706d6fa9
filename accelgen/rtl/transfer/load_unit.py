"""Load unit: LOAD commands, rows from DDR to the feature memory."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams, isa, limits
from accelgen.rtl import layouts
from accelgen.rtl.streams.queue import StreamQueue
from accelgen.rtl.streams.width import Widener

__all__ = ["LoadUnit"]


def _walk() -> data.StructLayout:
    """Where the rows of a command go."""
    return data.StructLayout({"row": 16, "row_stride": 16, "groups": 12, "rows": 16})


class LoadUnit(wiring.Component):
    """Copies ``groups`` runs of ``rows`` rows.

    Group g is read from byte ``offset + g * stride`` of the image on and written to rows
    ``row + g * row_stride`` on. One beat per cycle. Runs of coming groups and commands are
    requested ahead.

    Parameters
    ----------
    lanes, row : int
        Channels, pixels of a row: whole beats.

    Members
    -------
    command : In(stream of fields(isa.LOAD))
        What to copy; ``groups`` and ``rows`` at least 1. ``header`` is not looked at.
    request : Out(stream of dma_request)
        To the DMA reader.
    i : In(stream of beat)
        From the DMA reader.
    o : Out(stream of row_write)
        To the feature memory's ``load`` client.
    done : Out(1)
        Pulse per command, after its last row was accepted.
    idle : Out(1)
        No command is in work.
    """

    def __init__(self, *, lanes: int, row: int):
        self.lanes = lanes
        self.row = row
        self.row_beats = lanes * row // ArchParams.BUS_BYTES
        super().__init__({
            "command": In(stream.Signature(layouts.fields(isa.LOAD))),
            "request": Out(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "o": Out(stream.Signature(layouts.row_write(lanes, row))),
            "done": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.walks = walks = StreamQueue(_walk(), depth=limits.RUNS_AHEAD)
        self._request_runs(m, walks)
        last = self._place_rows(m, walks)

        # A command is in work from its acceptance to its last row's.
        working = Signal(range(limits.RUNS_AHEAD + 3))
        begun = Signal()
        m.d.comb += begun.eq(self.command.valid & self.command.ready)
        m.d.sync += [
            self.done.eq(self.o.valid & self.o.ready & last),
            working.eq(working + begun - self.done),
        ]
        m.d.comb += self.idle.eq(working == 0)

        return m

    def _request_runs(self, m, walks):
        """One DMA request per group."""
        command = self.command.p
        offset, stride = Signal(32, reset_less=True), Signal(32, reset_less=True)
        m.d.comb += self.request.p.offset.eq(offset)
        left = Signal(12, reset_less=True)
        m.d.comb += [
            self.command.ready.eq(~self.request.valid & walks.i.ready),
            walks.i.valid.eq(self.command.valid & self.command.ready),
        ]
        m.d.comb += [walks.i.p[name].eq(command[name]) for name, _ in _walk()]
        with m.If(self.command.valid & self.command.ready):
            beats = Cat(Const(0, (self.row_beats - 1).bit_length()), command.rows)
            m.d.sync += [
                self.request.valid.eq(1),
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

    def _place_rows(self, m, walks):
        """Rows to their addresses. Returns whether ``o`` holds a command's last row."""
        m.submodules.widener = widener = Widener(layouts.beat(), self.o.p.data.shape())
        connect(m, flipped(self.i), widener.i)

        active = Signal()
        walk = Signal(_walk(), reset_less=True)
        following = Signal(16, reset_less=True)  # first row of the next group
        row = Signal(16, reset_less=True)
        rows_left, groups_left = Signal(16, reset_less=True), Signal(12, reset_less=True)
        last = Signal()
        move, row_ends, ends = Signal(), Signal(), Signal()
        m.d.comb += [
            move.eq(active & (~self.o.valid | self.o.ready)),
            widener.o.ready.eq(move),
            row_ends.eq(rows_left == 1),
            ends.eq(row_ends & (groups_left == 1)),
            walks.o.ready.eq(~active),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(~active):
            m.d.sync += [
                walk.eq(walks.o.payload),
                following.eq(walks.o.p.row + walks.o.p.row_stride),
                row.eq(walks.o.p.row),
                rows_left.eq(walks.o.p.rows),
                groups_left.eq(walks.o.p.groups),
                active.eq(walks.o.valid),
            ]
        with m.Elif(move & widener.o.valid):
            m.d.sync += [
                row.eq(Mux(row_ends, following, row + 1)),
                rows_left.eq(Mux(row_ends, walk.rows, rows_left - 1)),
                active.eq(~ends),
            ]
            with m.If(row_ends):
                m.d.sync += [
                    following.eq(following + walk.row_stride),
                    groups_left.eq(groups_left - 1),
                ]
        with m.If(move):
            m.d.sync += [
                self.o.valid.eq(widener.o.valid),
                self.o.p.row.eq(row),
                self.o.p.data.eq(widener.o.payload),
                last.eq(ends),
            ]
        return last
