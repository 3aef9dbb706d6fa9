"""Fetch: reads the program's commands ahead of their dispatch."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.rtl import layouts

__all__ = ["Fetch"]


class Fetch(wiring.Component):
    """Reads commands of 16 beats from ``base + program_offset`` on, up to ``AHEAD`` of them ahead.

    A command is requested only when there is a place for all of it. Up to ``AHEAD`` commands
    behind END are read and dropped.

    Parameters
    ----------
    arch : ArchParams
        Not looked at; every block takes it.

    Members
    -------
    start : In(1)
        Pulse: begin to read. Only when idle.
    base : In(40)
        Address of the image; static while busy.
    program_offset : In(32)
        Bytes from it to the first command, a multiple of 256.
    stop : In(1)
        Level: END was seen. What is still on its way is dropped.
    request : Out(stream of dma_request)
        To the DMA reader.
    i : In(stream of beat)
        From the DMA reader; always ready.
    o : Out(stream of beat)
        Commands, beat by beat.
    idle : Out(1)
        Nothing is requested and nothing held.
    """

    AHEAD = 4

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "start": In(1),
            "base": In(40),
            "program_offset": In(32),
            "stop": In(1),
            "request": Out(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "o": Out(stream.Signature(layouts.beat())),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        return Module()
