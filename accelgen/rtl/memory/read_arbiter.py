"""Read arbiter: two requesters on one DMA reader."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl import layouts

__all__ = ["ReadArbiter"]


class ReadArbiter(wiring.Component):
    """Merges two request streams, the first with priority, and hands each its beats.

    Both requesters must have reserved room for what they request: ``o0`` and ``o1`` are always
    ready, or one would block the other's data.

    Parameters
    ----------
    depth : int
        Runs requested and not yet answered.

    Members
    -------
    request0, request1 : In(stream of dma_request)
        Runs of both requesters.
    request : Out(stream of dma_request)
        To the DMA reader.
    i : In(stream of beat)
        From the DMA reader.
    o0, o1 : Out(stream of beat)
        Beats of the requesters' runs.
    """

    def __init__(self, *, depth: int = 16):
        self.depth = depth
        super().__init__({
            "request0": In(stream.Signature(layouts.dma_request())),
            "request1": In(stream.Signature(layouts.dma_request())),
            "request": Out(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "o0": Out(stream.Signature(layouts.beat())),
            "o1": Out(stream.Signature(layouts.beat())),
        })

    def elaborate(self, platform):
        return Module()
