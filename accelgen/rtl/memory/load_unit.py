"""Load unit: LOAD commands, rows from DDR to the feature memory."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts

__all__ = ["LoadUnit"]


class LoadUnit(wiring.Component):
    """Copies ``groups`` runs of ``rows`` rows.

    Group g is read from byte ``base + offset + g * stride`` on and written to rows
    ``row + g * row_stride`` on. One beat per cycle. Runs of coming groups and commands are
    requested ahead.

    Parameters
    ----------
    arch : ArchParams
        Uses ``lanes`` and ``pixels``.

    Members
    -------
    command : In(stream of fields(isa.LOAD))
        What to copy; ``groups`` and ``rows`` at least 1. ``header`` is not looked at.
    base : In(40)
        Address of the image; static while busy.
    request : Out(stream of dma_request)
        To the DMA reader.
    i : In(stream of beat)
        From the DMA reader.
    o : Out(stream of row_write)
        To the feature memory's ``load`` client.
    done : Out(1)
        Pulse per command, after its last row was accepted.
    idle : Out(1)
        No command is in work.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "command": In(stream.Signature(layouts.fields(isa.LOAD))),
            "base": In(40),
            "request": Out(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "o": Out(stream.Signature(layouts.row_write(arch))),
            "done": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        return Module()
