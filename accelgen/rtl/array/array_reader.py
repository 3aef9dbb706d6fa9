"""Array reader: feeds the PE array, or the copy path, from the feature memory."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import timing
from accelgen.rtl import layouts
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.memory.block_ring import BlockPort
from accelgen.rtl.memory.pixel_memory import ROW_BITS, RunPort
from accelgen.rtl.raster.raster import Raster
from accelgen.rtl.streams.credits import Credits
from accelgen.rtl.streams.queue import StreamQueue

__all__ = ["ArrayReader"]

#: Rows the copy's queue holds: covers the memory's latency and the way back of its room.
_COPY_QUEUE = 16
#: What is needed of a step while its beats are issued.
_NOW = ("array", "in_row", "weight_words")


def _now() -> data.StructLayout:
    front = layouts.front()
    raster = front["in_raster"].shape
    return data.StructLayout({
        **{name: front[name].shape for name in _NOW},
        **{name: raster[name].shape for name in ("phases", "pad_value")},
        "tag": layouts.TAG_BITS,
    })


class ArrayReader(wiring.Component):
    """Walks ``step.in_raster`` over the input map and reads a run of P pixels per beat.

    With ``step.array``: a beat is issued when a weight word is there and, for a vector's first
    beat, a credit; its operands leave ``timing.array_read_latency`` cycles later. Without: each
    beat's run is a row of the copy, issued when there is room for it. Full rate.

    Two steps at most: the raster may walk the next one while beats of the one before are issued.
    Where nothing waits, ``timing.RASTER_SWITCH`` cycles pass between them. Until ``may_read`` the
    walk is only made ready.

    Parameters
    ----------
    lanes, pixels : int
        Channels, pixels of a run.
    vectors : int
        Credits at reset.

    Members
    -------
    step, start : In(front), In(1)
        The step; static from ``start`` until ``idle``.
    tag : In(layouts.TAG_BITS)
        The step's, for its vectors. Static like ``step``.
    may_read : In(1)
        Beats may be issued from the next cycle on: nothing that they read is still to be written.
        Once high for a step, it stays high until that step's end.
    held_tag : In(layouts.TAG_BITS)
        Of the step that :attr:`past` asks about, the next one's.
    run : Out(RunPort)
        To the feature memory.
    weights : Out(BlockPort of weight_word)
        To the weight ring.
    o : Out(stream of array_operands, always ready)
        To the PE array.
    copy : Out(stream of row)
        To the window ring, when ``step.array`` is 0.
    credit : In(1)
        A vector has left the accumulator queue. ``vectors`` fit at reset.
    busy, wait_weights, wait_drain : Out(1)
        In the cycle before: a beat issued to the array; one waits for a weight word; for a credit.
    idle : Out(1)
        The next step may be at ``step``, with ``start``, in the next cycle.
    past : Out(1)
        No beat of the step before ``held_tag`` is left to issue.
    """

    def __init__(self, *, lanes: int, pixels: int, vectors: int):
        self.lanes = lanes
        self.pixels = pixels
        self.vectors = vectors
        operands = layouts.array_operands(lanes, pixels)
        super().__init__({
            "step": In(layouts.front()),
            "start": In(1),
            "tag": In(layouts.TAG_BITS),
            "may_read": In(1),
            "held_tag": In(layouts.TAG_BITS),
            "run": Out(RunPort(lanes, pixels)),
            "weights": Out(BlockPort(layouts.weight_word(lanes))),
            "o": Out(stream.Signature(operands, always_ready=True)),
            "copy": Out(stream.Signature(layouts.pixels(lanes, pixels))),
            "credit": In(1),
            "busy": Out(1),
            "wait_weights": Out(1),
            "wait_drain": Out(1),
            "idle": Out(1),
            "past": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        step = self.step
        m.submodules.raster = raster = Raster(self.pixels)
        m.submodules.room = room = Credits(self.vectors)
        m.submodules.copy_room = copy_room = Credits(_COPY_QUEUE)
        m.d.comb += [
            raster.raster.eq(step.in_raster),
            raster.groups.eq(step.groups),
            raster.in_groups.eq(step.in_groups),
            raster.in_stride.eq(step.in_stride),
            raster.in_step.eq(step.in_step),
            raster.in_repeat.eq(step.in_repeat),
            raster.start.eq(self.start),
        ]

        # Cycle 0: issue a beat.
        beat = raster.o.p
        has_word, has_room, issue = Signal(), Signal(), Signal()
        may_multiply, may_copy, to_multiply, to_copy = Signal(), Signal(), Signal(), Signal()
        now, array, copy = self._turns(m, raster, issue & beat.end)
        m.d.comb += [
            has_word.eq(self.weights.available),
            has_room.eq(~beat.first | room.some),
            may_multiply.eq(array & has_word & has_room),
            may_copy.eq(copy & copy_room.some),
            raster.o.ready.eq(may_multiply | may_copy),
            to_multiply.eq(raster.o.valid & may_multiply),
            to_copy.eq(raster.o.valid & may_copy),
            issue.eq(to_multiply | to_copy),
            self.weights.take.eq(to_multiply),
            self.weights.last_use.eq(beat.last_vector),
            room.take.eq(to_multiply & beat.first),
            room.give.eq(self.credit),
            copy_room.take.eq(to_copy),
            copy_room.give.eq(self.copy.valid & self.copy.ready),
        ]
        m.d.sync += [
            self.busy.eq(to_multiply),
            self.wait_weights.eq(raster.o.valid & array & ~has_word),
            self.wait_drain.eq(raster.o.valid & array & has_word & ~has_room),
        ]

        # in_flight[n]: a beat was issued n + 1 cycles ago; to_array[n]: it was one for the array.
        latency = timing.array_read_latency(self.pixels)
        in_flight, to_array = Signal(latency), Signal(latency)
        m.d.sync += [
            in_flight.eq(Cat(issue, in_flight)),
            to_array.eq(Cat(to_multiply, to_array)),
        ]

        # Cycles 1 and 2: the row. A negative address is above the map's first row.
        base, rows, row = (
            Signal(signed(ROW_BITS + 2), name=name, reset_less=True)
            for name in ("base", "rows", "row")
        )
        m.d.sync += [
            base.eq(now.in_row + beat.group_rows),
            rows.eq(beat.row),
            row.eq(base + rows),
        ]
        m.d.comb += [
            self.run.en.eq(in_flight[1]),
            self.run.row.eq(row),
            self.run.bank.eq(delay(m, beat.bank, 2)),
            self.run.phases.eq(delay(m, now.phases, 2)),
            self.run.wanted.eq(delay(m, beat.inside | (~now.array).replicate(len(beat.inside)), 2)),
        ]

        self._operands(m, now, beat, to_array)
        self._copy(m, in_flight, to_array)
        return m

    def _turns(self, m, raster, ends):
        """Whose beats are issued: what is needed of that step, and whether it may, as one for the
        array or for the copy. ``ends`` with its last beat."""
        step = self.step
        now: Any = Signal(_now(), reset_less=True)
        # A step is pending until its turn is taken, and in work then, to its end.
        pending, working, turn, taken = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            turn.eq(pending & ~working),
            self.weights.begin.eq(turn),
            self.weights.words.eq(now.weight_words),
            self.weights.keep.eq(step.keep),
            self.weights.rewind.eq(step.rewind),
            self.idle.eq(raster.walked & ~pending),
            self.past.eq(~working | (now.tag == self.held_tag)),
        ]
        m.d.sync += taken.eq(turn)
        with m.If(self.start):
            m.d.sync += pending.eq(1)
        with m.Elif(taken):
            m.d.sync += pending.eq(0)
        with m.If(ends):
            m.d.sync += working.eq(0)
        with m.Elif(turn):
            m.d.sync += working.eq(1)
        with m.If(turn):
            m.d.sync += [
                now.tag.eq(self.tag),
                now.pad_value.eq(step.in_raster.pad_value),
                now.phases.eq(step.in_raster.phases),
                *(now[name].eq(step[name]) for name in _NOW),
            ]

        # Once it may, it may to its end, whatever the next one may.
        allowed, may, array, copy = Signal(), Signal(), Signal(), Signal()
        m.d.comb += may.eq((allowed | (self.may_read & ~pending)) & working & ~ends)
        m.d.sync += [allowed.eq(may), array.eq(may & now.array), copy.eq(may & ~now.array)]
        return now, array, copy

    def _operands(self, m, now, beat, to_array):
        """The run, with padding where a lane is outside the map, beside its weights."""
        latency = len(to_array)
        inside = delay(m, beat.inside, latency - 1)
        o = self.o.p
        # With the step's first operands, not before the last ones of the step before.
        pad_value = delay(m, now.pad_value, latency - 1)
        pads = Signal(o.pads.shape(), reset_less=True)
        for n in range(self.pixels):
            m.d.sync += pads[n].eq(Mux(inside[n], 0, pad_value))

        m.d.comb += [
            self.o.valid.eq(to_array[-1]),
            o.activations.eq(delay(m, self.run.data, 1)),
            o.pads.eq(pads),
            o.weights.eq(self.weights.word),
            Cat(o.first, o.last, o.keep, o.tag).eq(
                delay(m, Cat(beat.first, beat.last, beat.keep, now.tag), latency)
            ),
        ]

    def _copy(self, m, in_flight, to_array):
        """The run as it was read, in the queue that was asked for room before."""
        m.submodules.copy_queue = queue = StreamQueue(self.copy.p.shape(), depth=_COPY_QUEUE)
        wiring.connect(m, queue.o, wiring.flipped(self.copy))
        m.d.comb += [
            queue.i.valid.eq(in_flight[-2] & ~to_array[-2]),
            queue.i.payload.eq(self.run.data),
        ]
