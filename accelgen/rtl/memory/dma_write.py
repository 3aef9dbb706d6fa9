"""DMA writer: contiguous runs of beats into DDR, as AXI4 bursts."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4

__all__ = ["DmaWrite"]


class DmaWrite(wiring.Component):
    """Writes runs of beats, any number of them queued back to back.

    One beat per cycle into a slave that takes one. Bursts end at multiples of ``burst_beats``
    beats, so only a run's first can be short and none crosses 4 KiB. Addresses go out ahead of
    the data, up to ``outstanding`` bursts. Error responses are reported; the run goes on.

    Parameters
    ----------
    arch : ArchParams
        Uses ``burst_beats`` and ``outstanding``.

    Members
    -------
    request : In(stream of dma_request)
        Runs to write; ``beats`` at least 1.
    i : In(stream of beat)
        Their beats, in order.
    done : Out(1)
        Pulse for each run, in order, after its last response.
    axi : Out(axi4.WriteSignature)
        AW, W and B channels.
    fault : Out(layouts.fault)
        Error responses; the address is the burst's first.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "request": In(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "done": Out(1),
            "axi": Out(axi4.WriteSignature()),
            "fault": Out(layouts.fault()),
        })

    def elaborate(self, platform):
        return Module()
