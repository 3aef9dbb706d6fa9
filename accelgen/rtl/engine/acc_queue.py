"""AccQueue: signature only, datapath to follow."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.rtl import layouts

__all__ = ["AccQueue"]


class AccQueue(wiring.Component):
    """See docs/architecture.md, "Blocks"."""

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "i": In(stream.Signature(layouts.accumulators(arch), always_ready=True)),
            "o": Out(stream.Signature(layouts.accumulator_beat(arch))),
            "credit": Out(1),
        })

    def elaborate(self, platform):
        return Module()
