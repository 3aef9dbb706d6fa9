"""DMA reader: contiguous runs of beats out of DDR, as AXI4 bursts."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4

__all__ = ["DmaRead"]


class DmaRead(wiring.Component):
    """Reads runs of beats, any number of them queued back to back.

    One beat per cycle from a slave that gives one. Bursts end at multiples of ``burst_beats``
    beats, so only a run's first can be short and none crosses 4 KiB. A burst is requested when
    its beats have a place in the data queue and fewer than ``outstanding`` bursts are in flight:
    the slave never waits for the consumer. Error responses are reported; their beats count as data.

    Parameters
    ----------
    arch : ArchParams
        Uses ``burst_beats`` and ``outstanding``.
    queued : bool
        False when whoever requests has reserved room for what it requests: there is no data queue
        then, and ``o`` must always be ready.

    Members
    -------
    request : In(stream of dma_request)
        Runs to read; ``beats`` at least 1.
    o : Out(stream of beat)
        Their beats, in order.
    axi : Out(axi4.ReadSignature)
        AR and R channels.
    fault : Out(layouts.fault)
        Error responses.
    """

    def __init__(self, arch: ArchParams, *, queued: bool = True):
        self.arch = arch
        self.queued = queued
        super().__init__({
            "request": In(stream.Signature(layouts.dma_request())),
            "o": Out(stream.Signature(layouts.beat())),
            "axi": Out(axi4.ReadSignature()),
            "fault": Out(layouts.fault()),
        })

    def elaborate(self, platform):
        return Module()
