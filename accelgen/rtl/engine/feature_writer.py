"""FeatureWriter: signature only, datapath to follow."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts

__all__ = ["FeatureWriter"]


class FeatureWriter(wiring.Component):
    """See docs/architecture.md, "Blocks"."""

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "i": In(stream.Signature(layouts.row(arch))),
            "vector": In(stream.Signature(layouts.row_write(arch))),
            "o": Out(stream.Signature(layouts.row_write(arch))),
            "done": Out(1),
        })

    def elaborate(self, platform):
        return Module()
