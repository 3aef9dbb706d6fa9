"""Array reader: feeds the PE array, or the copy path, from the feature memory."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa, timing
from accelgen.rtl import layouts
from accelgen.rtl.engine.raster import Raster
from accelgen.rtl.memory.block_ring import BlockPort
from accelgen.rtl.memory.pixel_memory import ROW_BITS, RunPort
from accelgen.rtl.streams.credits import Credits
from accelgen.rtl.streams.delay import delay
from accelgen.rtl.streams.queue import StreamQueue

__all__ = ["ArrayReader"]

#: Rows the copy's queue holds: covers the memory's latency and the way back of its room.
_COPY_QUEUE = 16


class ArrayReader(wiring.Component):
    """Walks ``step.in_raster`` over the input map and reads a run of P pixels per beat.

    With ``step.array``: a beat is issued when a weight word is there and, for a vector's first
    beat, a credit; its operands leave ``timing.array_read_latency`` cycles later. Without: each
    beat's run is a row of the copy, issued when there is room for it. Full rate.

    Parameters
    ----------
    arch : ArchParams
        Hardware knobs. Uses ``lanes``, ``pixels`` and ``acc_depth``.

    Members
    -------
    step, start : In(fields(EXEC)), In(1)
        The step.
    run : Out(RunPort)
        To the feature memory.
    weights : Out(BlockPort of weight_word)
        To the weight ring.
    o : Out(stream of array_operands, always ready)
        To the PE array.
    copy : Out(stream of row)
        To the window ring, when ``step.array`` is 0.
    credit : In(1)
        A vector has left the accumulator queue. ``acc_depth`` vectors fit at reset.
    busy, wait_weights, wait_drain : Out(1)
        This cycle: a beat issued to the array; one waits for a weight word; for a credit.
    idle : Out(1)
        Nothing is left to issue, in flight or in the copy's queue.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "run": Out(RunPort(arch)),
            "weights": Out(BlockPort(layouts.weight_word(arch))),
            "o": Out(stream.Signature(layouts.array_operands(arch), always_ready=True)),
            "copy": Out(stream.Signature(layouts.row(arch))),
            "credit": In(1),
            "busy": Out(1),
            "wait_weights": Out(1),
            "wait_drain": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        step = self.step
        m.submodules.raster = raster = Raster(self.arch)
        m.submodules.room = room = Credits(self.arch.acc_depth)
        m.submodules.copy_room = copy_room = Credits(_COPY_QUEUE)
        m.d.comb += [
            raster.raster.eq(step.in_raster),
            raster.groups.eq(step.groups),
            raster.in_groups.eq(step.in_groups),
            raster.in_stride.eq(step.in_stride),
            raster.in_step.eq(step.in_step),
            raster.in_repeat.eq(step.in_repeat),
            raster.start.eq(self.start),
            self.weights.words.eq(step.weight_words),
        ]

        # Cycle 0: issue a beat.
        beat = raster.o.p
        has_word, has_room, issue = Signal(), Signal(), Signal()
        m.d.comb += [
            has_word.eq(~step.array | self.weights.available),
            has_room.eq(Mux(step.array, ~beat.first | room.some, copy_room.some)),
            raster.o.ready.eq(has_word & has_room),
            issue.eq(raster.o.valid & raster.o.ready),
            self.busy.eq(issue & step.array),
            self.wait_weights.eq(raster.o.valid & ~has_word),
            self.wait_drain.eq(raster.o.valid & has_word & ~has_room & step.array),
            self.weights.take.eq(issue & step.array),
            self.weights.last_use.eq(beat.last_vector),
            room.take.eq(issue & step.array & beat.first),
            room.give.eq(self.credit),
            copy_room.take.eq(issue & ~step.array),
            copy_room.give.eq(self.copy.valid & self.copy.ready),
        ]

        # in_flight[n]: a beat was issued n + 1 cycles ago.
        latency = timing.array_read_latency(self.arch.pixels)
        in_flight = Signal(latency)
        m.d.sync += in_flight.eq(Cat(issue, in_flight))
        m.d.comb += self.idle.eq(raster.idle & ~in_flight.any() & copy_room.all)

        # Cycles 1 and 2: the row. A negative address is above the map's first row.
        base, rows, row = (
            Signal(signed(ROW_BITS + 2), name=name, reset_less=True)
            for name in ("base", "rows", "row")
        )
        m.d.sync += [
            base.eq(step.in_row + beat.group_rows),
            rows.eq(beat.row),
            row.eq(base + rows),
        ]
        m.d.comb += [
            self.run.en.eq(in_flight[1]),
            self.run.row.eq(row),
            self.run.bank.eq(delay(m, beat.bank, 2)),
            self.run.phases.eq(step.in_raster.phases),
        ]

        self._operands(m, beat, in_flight)
        self._copy(m, in_flight)
        return m

    def _operands(self, m, beat, in_flight):
        """The run, with padding where a lane is outside the map, beside its weights."""
        latency = len(in_flight)
        inside = delay(m, beat.inside, latency - 1)
        pad = Signal(layouts.pixel(self.arch), reset_less=True)
        activations = Signal(layouts.row(self.arch), reset_less=True)
        m.d.sync += pad.eq(self.step.in_raster.pad_value.replicate(self.arch.lanes))
        for n in range(self.arch.pixels):
            m.d.sync += activations[n].eq(Mux(inside[n], self.run.data[n], pad))

        o = self.o.p
        m.d.comb += [
            self.o.valid.eq(in_flight[-1] & self.step.array),
            o.activations.eq(activations),
            o.weights.eq(self.weights.word),
            Cat(o.first, o.last, o.keep).eq(
                delay(m, Cat(beat.first, beat.last, beat.keep), latency)
            ),
        ]

    def _copy(self, m, in_flight):
        """The run as it was read, in the queue that was asked for room before."""
        m.submodules.copy_queue = queue = StreamQueue(layouts.row(self.arch), depth=_COPY_QUEUE)
        wiring.connect(m, queue.o, wiring.flipped(self.copy))
        m.d.comb += [
            queue.i.valid.eq(in_flight[-2] & ~self.step.array),
            queue.i.payload.eq(self.run.data),
        ]
