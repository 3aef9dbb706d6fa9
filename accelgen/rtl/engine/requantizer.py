"""Requantizer: signature only, datapath to follow."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts

__all__ = ["Requantizer"]


class Requantizer(wiring.Component):
    """See docs/architecture.md, "Blocks"."""

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "config": In(layouts.fields(isa.REQUANT)),
            "table_bank": In(1),
            "start": In(1),
            "params": In(stream.Signature(layouts.channel_param())),
            "table": In(stream.Signature(layouts.table_write(arch), always_ready=True)),
            "i": In(stream.Signature(layouts.accumulator_beat(arch))),
            "o": Out(stream.Signature(layouts.pixels(arch))),
        })

    def elaborate(self, platform):
        return Module()
