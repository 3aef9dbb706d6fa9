"""Packer: pixels with holes in, dense pixels out."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.rtl import layouts

__all__ = ["Packer", "packer_beat"]


def packer_beat(arch: ArchParams) -> data.StructLayout:
    """What the packer is told about a beat besides its pixels."""
    return data.StructLayout({
        "keep": arch.chain_pixels,  # lanes that hold pixels
        "fill": range(arch.chain_pixels),  # pixels left over from the beats before
        "emit": 1,  # a beat leaves: it is full, or the group ends
    })


class Packer(wiring.Component):
    """Drops the lanes not kept and packs the others W to a beat, in order. ``LATENCY`` cycles.

    The caller counts (it must, to know where a group ends): before a beat, ``fill`` pixels are
    left over here; with its own they are sent when ``emit`` says so, at most W at a time. More than
    W at a group's end are two beats: the caller adds one that has nothing to keep.

    Parameters
    ----------
    arch : ArchParams
        Uses ``lanes`` and ``chain_pixels``.

    Members
    -------
    valid : In(1)
        A beat comes in.
    beat : In(packer_beat)
    i : In(pixels)
    emit : Out(1)
        A packed beat is at ``o``.
    o : Out(pixels)
        Lanes past a group's last pixel hold anything.
    """

    LATENCY = 2

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "valid": In(1),
            "beat": In(packer_beat(arch)),
            "i": In(layouts.pixels(arch)),
            "emit": Out(1),
            "o": Out(layouts.pixels(arch)),
        })

    def elaborate(self, platform):
        m = Module()
        width = self.arch.chain_pixels

        # Cycle 1: the kept lanes move together.
        valid = Signal()
        beat = Signal.like(self.beat, reset_less=True)
        m.d.sync += [valid.eq(self.valid), beat.eq(self.beat)]
        together = []
        for to in range(width):
            pixel = Signal(layouts.pixel(self.arch), name=f"together{to}", reset_less=True)
            # The kept lane with `to` kept ones below it; anything if there is none.
            m.d.sync += pixel.eq(self.i[width - 1])
            for lane in range(to, width - 1):
                with m.If(self.beat.keep[lane] & (sum(self.beat.keep[:lane]) == to)):
                    m.d.sync += pixel.eq(self.i[lane])
            together.append(pixel)

        # Cycle 2: they go behind those left over.
        left = [
            Signal(layouts.pixel(self.arch), name=f"left{n}", reset_less=True)
            for n in range(width - 1)
        ]
        merged = [Signal(layouts.pixel(self.arch), name=f"merged{n}") for n in range(2 * width - 1)]
        with m.Switch(beat.fill):
            for fill in range(width):
                with m.Case(fill):
                    m.d.comb += [
                        to.eq(pixel)
                        for to, pixel in zip(merged, left[:fill] + together, strict=False)
                    ]
        m.d.sync += self.emit.eq(valid & beat.emit)
        for n, pixel in enumerate(left):
            with m.If(valid):
                m.d.sync += pixel.eq(Mux(beat.emit, merged[width + n], merged[n]))
        for n in range(width):
            packed = Signal(layouts.pixel(self.arch), name=f"packed{n}", reset_less=True)
            m.d.sync += packed.eq(merged[n])
            m.d.comb += self.o[n].eq(packed)

        return m
