"""Array path: feature memory -> PE array -> requantized rows."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams, isa, limits
from accelgen.rtl import layouts
from accelgen.rtl.array.array_reader import ArrayReader
from accelgen.rtl.array.pe_array import PeArray
from accelgen.rtl.dsp.double_pump import Clocking
from accelgen.rtl.memory.block_ring import WeightRing
from accelgen.rtl.memory.pixel_memory import RunPort
from accelgen.rtl.output.row_assembler import RowAssembler
from accelgen.rtl.requantize.acc_join import AccJoin
from accelgen.rtl.requantize.acc_queue import AccQueue
from accelgen.rtl.requantize.requantizer import Requantizer
from accelgen.rtl.streams.queue import StreamQueue

__all__ = ["ArrayPath"]


class ArrayPath(wiring.Component):
    """Standard, pointwise, group and dilated convolution, or a copy of the input.

    A block diagram in code: instances and connections only. Keep it so.

    Parameters
    ----------
    arch : ArchParams
    clocking : Clocking
        Of the array and what follows it.
    queue : type of AccQueue
        The one for this clocking.

    Members
    -------
    front, front_start, front_tag, may_read, held_tag : In
        The reader's step, and which one must not leave the accumulators (control/step_control.py).
    step, start : In(fields(EXEC)), In(1)
        Of everything after them.
    run : Out(RunPort)
        To the feature memory.
    table1, params1, weights : In(streams)
        From the weight loader.
    scaled : In(stream of accumulator_beat, D pixels)
        What SCALE made: it is requantized here, D pixels per cycle.
    copy : Out(stream of row)
        Input rows, when ``step.array`` is 0.
    o : Out(stream of row)
        Requantized pixels, group after group, each from a fresh row; in phases as their reader has
        them.
    busy, wait_weights, wait_drain, front_idle, past : Out(1)
        Of the reader.
    """

    def __init__(self, arch: ArchParams, *, clocking: Clocking, queue: type[AccQueue]):
        self.arch = arch
        self.clocking = clocking
        self.queue = queue
        beats = layouts.accumulator_beat(
            arch.lanes, arch.array_width, arch.acc_bits, turns=clocking.turns
        )
        rows = stream.Signature(layouts.pixels(arch.lanes, arch.pixels))
        super().__init__({
            "front": In(layouts.front()),
            "front_start": In(1),
            "front_tag": In(layouts.TAG_BITS),
            "may_read": In(1),
            "held_tag": In(layouts.TAG_BITS),
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "run": Out(RunPort(arch.lanes, arch.pixels)),
            "table1": In(stream.Signature(layouts.table_write())),
            "params1": In(stream.Signature(layouts.channel_param())),
            "weights": In(stream.Signature(layouts.weight_word(arch.lanes))),
            "scaled": In(stream.Signature(beats)),
            "copy": Out(rows),
            "o": Out(rows),
            "busy": Out(1),
            "wait_weights": Out(1),
            "wait_drain": Out(1),
            "front_idle": Out(1),
            "past": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        arch, step = self.arch, self.step
        lanes, width = arch.lanes, arch.array_width
        numbers: dict[str, Any] = {"lanes": lanes, "acc_bits": arch.acc_bits}
        clocked: dict[str, Any] = {**numbers, "clocking": self.clocking}
        m.submodules.weight_ring = weight_ring = WeightRing(
            lanes=lanes, pixels=arch.pixels, depth=arch.weight_words
        )
        m.submodules.params = params = StreamQueue(
            layouts.channel_param(), depth=limits.PARAM_GROUPS_WAITING * lanes
        )
        m.submodules.reader = reader = ArrayReader(
            lanes=lanes, pixels=arch.pixels, vectors=arch.acc_depth
        )
        m.submodules.pe_array = pe_array = PeArray(
            **clocked, pixels=arch.pixels, packed=arch.packed
        )
        m.submodules.acc_queue = acc_queue = self.queue(
            **numbers, pixels=arch.pixels, depth=arch.acc_depth, width=width, tagged=True
        )
        m.submodules.source = source = AccJoin(**clocked, width=width)
        m.submodules.requantizer = requantizer = Requantizer(**clocked, width=width)
        m.submodules.assembler = assembler = RowAssembler(lanes=lanes, row=arch.pixels, width=width)

        # run -> reader -> PE array -> accumulators, or scaled -> requantizer -> rows -> o
        connect(m, reader.run, flipped(self.run))
        connect(m, reader.o, pe_array.i)
        connect(m, pe_array.o, acc_queue.i)
        connect(m, acc_queue.o, source.i0)
        connect(m, flipped(self.scaled), source.i1)
        connect(m, source.o, requantizer.i)
        connect(m, requantizer.o, assembler.i)
        connect(m, assembler.o, flipped(self.o))
        connect(m, reader.copy, flipped(self.copy))

        # Weights, parameters, table
        connect(m, flipped(self.weights), weight_ring.i)
        connect(m, reader.weights, weight_ring.read)
        connect(m, flipped(self.params1), params.i)
        connect(m, params.o, requantizer.params)
        connect(m, flipped(self.table1), requantizer.table)

        # Settings and events
        phases = Signal()
        with m.If(step.window & step.array):
            m.d.sync += phases.eq(step.ring_raster.phases)
        with m.Else():
            m.d.sync += phases.eq(step.out_phases & ~step.chained)
        m.d.comb += [
            reader.step.eq(self.front),
            reader.start.eq(self.front_start),
            reader.tag.eq(self.front_tag),
            reader.may_read.eq(self.may_read),
            acc_queue.held.eq(self.held_tag),
            reader.held_tag.eq(self.held_tag),
            reader.credit.eq(acc_queue.credit),
            source.select.eq(step.window & (step.window_op == isa.WindowOp.SCALE)),
            requantizer.config.eq(step.requant1),
            requantizer.table_bank.eq(step.table_bank),
            requantizer.start.eq(self.start),
            assembler.pixels.eq(step.requant1.pixels),
            assembler.phases.eq(phases),
            assembler.start.eq(self.start),
            self.busy.eq(reader.busy),
            self.wait_weights.eq(reader.wait_weights),
            self.wait_drain.eq(reader.wait_drain),
            self.front_idle.eq(reader.idle),
            self.past.eq(reader.past),
        ]

        return m
