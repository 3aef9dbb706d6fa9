"""Adder: signature only, datapath to follow."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts

__all__ = ["Adder"]


class Adder(wiring.Component):
    """See docs/architecture.md, "Blocks"."""

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "residual": In(stream.Signature(layouts.row(arch))),
            "i": In(stream.Signature(layouts.pixels(arch))),
            "o": Out(stream.Signature(layouts.pixels(arch))),
        })

    def elaborate(self, platform):
        return Module()
