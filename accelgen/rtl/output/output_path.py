"""Output path: pixels or rows -> (add -> squeeze -> rows) -> feature memory."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams, isa, limits
from accelgen.rtl import layouts
from accelgen.rtl.dsp.double_pump import Clocking
from accelgen.rtl.output.adder import Adder
from accelgen.rtl.output.feature_writer import FeatureWriter
from accelgen.rtl.output.row_assembler import RowAssembler
from accelgen.rtl.output.row_cutter import RowCutter
from accelgen.rtl.output.squeeze import Squeeze
from accelgen.rtl.streams.queue import StreamQueue
from accelgen.rtl.streams.skid import Skid
from accelgen.rtl.streams.switch import StreamJoin

__all__ = ["OutputPath"]


class OutputPath(wiring.Component):
    """Residual add, squeeze sums and the way back to the feature memory.

    A block diagram in code: instances and connections only. Keep it so.

    Parameters
    ----------
    arch : ArchParams
    clocking : Clocking
        Of the adder.

    Members
    -------
    step, start : In(fields(EXEC)), In(1)
    pixels : In(stream of pixels)
        What the window path made.
    straight, chained : In(streams of row)
        What the array path made, if the window path does not take it; ``valid`` means nothing
        to the one that the step does not want.
    residual : In(stream of row)
        The map to add.
    write : Out(stream of row_choice)
        To the feature memory.
    done : Out(1)
        Pulse: all of the step has been written.
    """

    def __init__(self, arch: ArchParams, *, clocking: Clocking):
        self.arch = arch
        self.clocking = clocking
        rows = stream.Signature(layouts.pixels(arch.lanes, arch.pixels))
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "pixels": In(stream.Signature(layouts.pixels(arch.lanes, arch.chain_pixels))),
            "straight": In(rows),
            "chained": In(rows),
            "residual": In(rows),
            "write": Out(stream.Signature(layouts.row_choice(arch.lanes, arch.pixels))),
            "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        arch, step = self.arch, self.step
        beat = layouts.pixels(arch.lanes, arch.chain_pixels)
        sizes = {"lanes": arch.lanes, "row": arch.pixels, "width": arch.chain_pixels}
        m.submodules.cutter = cutter = RowCutter(**sizes)
        m.submodules.chain = chain = StreamJoin(beat)  # pixels or rows -> adder
        m.submodules.queue = queue = StreamQueue(beat, depth=limits.ADDER_QUEUE_BEATS)
        m.submodules.adder = adder = Adder(
            **sizes, clocking=self.clocking, in_luts=arch.adder_in == "lut"
        )
        m.submodules.squeeze = squeeze = Squeeze(**sizes)
        m.submodules.skid = skid = Skid(beat)
        m.submodules.assembler = assembler = RowAssembler(**sizes)
        m.submodules.writer = writer = FeatureWriter(lanes=arch.lanes, row=arch.pixels)

        # chained -> pixels, or pixels -> add -> squeeze -> rows, or straight -> write
        chained = Signal()
        m.d.sync += chained.eq(step.chained)
        m.d.comb += [
            cutter.i.payload.eq(self.chained.payload),
            cutter.i.valid.eq(self.chained.valid & chained),
            self.chained.ready.eq(cutter.i.ready),
        ]
        connect(m, cutter.o, chain.i1)
        connect(m, flipped(self.pixels), chain.i0)
        connect(m, chain.o, queue.i)
        connect(m, queue.o, adder.i)
        connect(m, flipped(self.residual), adder.residual)
        connect(m, adder.o, squeeze.i)
        connect(m, squeeze.o, skid.i)
        connect(m, skid.o, assembler.i)
        connect(m, assembler.o, writer.i)
        connect(m, flipped(self.straight), writer.straight)
        connect(m, squeeze.vector, writer.vector)
        connect(m, writer.o, flipped(self.write))

        # Settings and events
        windowed = Signal()
        m.d.sync += windowed.eq(step.window & (step.window_op != isa.WindowOp.SCALE))
        m.d.comb += [
            chain.select.eq(~windowed),
            writer.from_straight.eq(~windowed & ~step.chained),
            cutter.pixels.eq(step.out_pixels),
            assembler.pixels.eq(step.out_pixels),
            assembler.phases.eq(step.out_phases),
            self.done.eq(writer.done),
        ]
        for told in (adder, squeeze, writer):
            m.d.comb += told.step.eq(self.step)
        for block in (cutter, adder, squeeze, assembler, writer):
            m.d.comb += block.start.eq(self.start)

        return m
