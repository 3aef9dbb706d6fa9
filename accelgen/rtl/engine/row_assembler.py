"""Row assembler: beats of W pixels to rows of P pixels."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.rtl import layouts
from accelgen.rtl.engine.beat_counter import BeatCounter

__all__ = ["RowAssembler"]


class RowAssembler(wiring.Component):
    """Collects a group's pixels into rows; each group starts a fresh row.

    A beat every cycle as long as each row is taken in the cycle it is offered, which is the one
    after its last beat (``LATENCY``). A row not taken stops the beats.

    Parameters
    ----------
    arch : ArchParams
        Uses ``lanes``, ``pixels`` and ``chain_pixels``.

    Members
    -------
    pixels : In(20)
        Pixels per group; at least 1. Static from ``start`` until the step's last row has left.
    start : In(1)
        Pulse before a step's first beat.
    i : In(stream of pixels)
        ``ceil(pixels / W)`` beats per group.
    o : Out(stream of row)
        ``ceil(pixels / P)`` rows per group. Past the group's last pixel they hold anything.
    """

    LATENCY = 1

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "pixels": In(20),
            "start": In(1),
            "i": In(stream.Signature(layouts.pixels(arch))),
            "o": Out(stream.Signature(layouts.row(arch))),
        })

    def elaborate(self, platform):
        m = Module()
        width = self.arch.chain_pixels

        m.submodules.counter = counter = BeatCounter(self.arch)
        accept = Signal()
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            accept.eq(self.i.valid & self.i.ready),
            counter.pixels.eq(self.pixels),
            counter.start.eq(self.start),
            counter.advance.eq(accept),
        ]
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid & counter.row_ends)

        for n in range(self.arch.pixels):
            pixel = Signal(layouts.pixel(self.arch), name=f"pixel{n}", reset_less=True)
            m.d.comb += self.o.p[n].eq(pixel)
            with m.If(accept & (counter.slot == n // width)):
                m.d.sync += pixel.eq(self.i.p[n % width])

        return m
