"""Output path: pixels -> add -> squeeze -> rows -> feature memory."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts
from accelgen.rtl.engine.adder import Adder
from accelgen.rtl.engine.feature_writer import FeatureWriter
from accelgen.rtl.engine.row_assembler import RowAssembler
from accelgen.rtl.engine.squeeze import Squeeze

__all__ = ["OutputPath"]


class OutputPath(wiring.Component):
    """Residual add, squeeze sums and the way back to the feature memory.

    A block diagram in code: instances and connections only. Keep it so.

    Members
    -------
    clk2x : In(1)
        Twice the clock, in phase; only used in mode ``"double"``.
    step, start : In(fields(EXEC)), In(1)
    i : In(stream of pixels)
        Requantized pixels of the step's last engine.
    residual : In(stream of row)
        The map to add.
    write : Out(stream of row_write)
        To the feature memory.
    done : Out(1)
        Pulse: all of the step has been written.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "clk2x": In(1),
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "i": In(stream.Signature(layouts.pixels(arch))),
            "residual": In(stream.Signature(layouts.row(arch))),
            "write": Out(stream.Signature(layouts.row_write(arch))),
            "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.adder = adder = Adder(self.arch)
        m.submodules.squeeze = squeeze = Squeeze(self.arch)
        m.submodules.assembler = assembler = RowAssembler(self.arch)
        m.submodules.writer = writer = FeatureWriter(self.arch)

        # i -> add -> squeeze -> rows -> write
        connect(m, flipped(self.i), adder.i)
        connect(m, flipped(self.residual), adder.residual)
        connect(m, adder.o, squeeze.i)
        connect(m, squeeze.o, assembler.i)
        connect(m, assembler.o, writer.i)
        connect(m, squeeze.vector, writer.vector)
        connect(m, writer.o, flipped(self.write))

        # Settings and events
        m.d.comb += [
            adder.clk2x.eq(self.clk2x),
            assembler.pixels.eq(self.step.out_pixels),
            assembler.phases.eq(self.step.out_phases),
            self.done.eq(writer.done),
        ]
        for block in (adder, squeeze, writer):
            m.d.comb += block.step.eq(self.step)
        for block in (adder, squeeze, assembler, writer):
            m.d.comb += block.start.eq(self.start)

        return m
