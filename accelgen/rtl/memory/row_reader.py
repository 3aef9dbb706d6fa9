"""Row reader: streams the rows of a map from the feature memory's row port."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl import layouts
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.basics.loop_counter import LoopCounter
from accelgen.rtl.memory.pixel_memory import ROW_BITS
from accelgen.rtl.streams.credits import Credits
from accelgen.rtl.streams.queue import RegisterQueue, StreamQueue

__all__ = ["RowReader"]

#: Rows held: a queue of so many covers the memory's latency and the way back of its room, for a
#: row per cycle; so many registers in a row do for one in four.
_QUEUE, _SLOW_QUEUE = 8, 3


class RowReader(wiring.Component):
    """Reads ``rows`` rows of each of ``groups`` channel groups, in order.

    Row r of group g is feature row ``base + g * stride + r``. Asks for no more rows than its
    queue has room for. Who takes a row in four cycles or more (``slow``) gets a queue of registers,
    which take no LUTs; LUT RAM takes half a one per bit.

    Parameters
    ----------
    lanes, row : int
        Channels, pixels of a row.
    slow : bool
        Rows are taken every four cycles at most.

    Members
    -------
    start : In(1)
        Begins a map; latches the four settings. Only when idle.
    base, stride : In(16)
        Feature rows.
    groups, rows : In(12), In(16)
        Counts, at least 1.
    request : Out(stream of row index)
        To the feature memory.
    data : In(stream of row, always ready)
        Its answers, in order.
    o : Out(stream of row)
        Rows.
    idle : Out(1)
        The map has been read, and its last row taken.
    """

    def __init__(self, *, lanes: int, row: int, slow: bool = False):
        self.slow = slow
        rows = layouts.pixels(lanes, row)
        super().__init__({
            "start": In(1),
            "base": In(ROW_BITS),
            "stride": In(ROW_BITS),
            "groups": In(12),
            "rows": In(16),
            "request": Out(stream.Signature(ROW_BITS)),
            "data": In(stream.Signature(rows, always_ready=True)),
            "o": Out(stream.Signature(rows)),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        row_shape = self.o.p.shape()
        m.submodules.room = room = Credits(_SLOW_QUEUE if self.slow else _QUEUE)
        m.submodules.queue = queue = (
            RegisterQueue(row_shape, depth=_SLOW_QUEUE)
            if self.slow
            else StreamQueue(row_shape, depth=_QUEUE)
        )
        wiring.connect(m, queue.o, wiring.flipped(self.o))

        # The map, latched: the next step's settings may be there before its start.
        stride, rows, groups = (
            Signal.like(member, name=name, reset_less=True)
            for name, member in (
                ("map_stride", self.stride), ("map_rows", self.rows), ("map_groups", self.groups),
            )
        )  # fmt: skip
        latched, reading, asked = Signal(), Signal(), Signal()
        m.submodules.row = row = LoopCounter(16)
        m.submodules.group = group = LoopCounter(12)
        m.d.comb += [
            row.count.eq(rows),
            row.step.eq(asked),
            group.count.eq(groups),
            group.step.eq(asked & row.last),
        ]
        next_group, address = (
            Signal(ROW_BITS, name=name, reset_less=True) for name in ("next_group", "address")
        )
        begin = delay(m, latched, 1, reset=True)
        m.d.comb += [row.start.eq(begin), group.start.eq(begin)]
        m.d.sync += latched.eq(self.start)
        with m.If(self.start):
            m.d.sync += [
                stride.eq(self.stride),
                rows.eq(self.rows),
                groups.eq(self.groups),
                next_group.eq(self.base + self.stride),
                address.eq(self.base),
            ]
        with m.If(begin):
            m.d.sync += reading.eq(1)
        with m.If(asked):
            m.d.sync += address.eq(address + 1)
            with m.If(row.last):
                m.d.sync += [address.eq(next_group), next_group.eq(next_group + stride)]
                with m.If(group.last):
                    m.d.sync += reading.eq(0)

        m.d.comb += [
            self.request.valid.eq(reading & room.some),
            self.request.payload.eq(address),
            asked.eq(self.request.valid & self.request.ready),
            room.take.eq(asked),
            room.give.eq(self.o.valid & self.o.ready),
            queue.i.valid.eq(self.data.valid),
            queue.i.payload.eq(self.data.payload),
            self.idle.eq(~(latched | begin | reading) & room.all),
        ]

        return m
