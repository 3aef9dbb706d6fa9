"""RowAssembler: signature only, datapath to follow."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.rtl import layouts

__all__ = ["RowAssembler"]


class RowAssembler(wiring.Component):
    """See docs/architecture.md, "Blocks"."""

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "pixels": In(20),
            "start": In(1),
            "i": In(stream.Signature(layouts.pixels(arch))),
            "o": Out(stream.Signature(layouts.row(arch))),
        })

    def elaborate(self, platform):
        return Module()
