"""Store unit: STORE commands, rows from the feature memory to DDR."""

from amaranth import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts

__all__ = ["StoreUnit"]


class StoreUnit(wiring.Component):
    """Copies ``groups`` runs of ``rows`` rows.

    Group g is read from rows ``row + g * row_stride`` on and written to byte
    ``base + offset + g * stride`` on. One beat per cycle. The next command's rows are read while
    the responses of this one are awaited.

    Parameters
    ----------
    arch : ArchParams
        Uses ``lanes`` and ``pixels``.

    Members
    -------
    command : In(stream of fields(isa.STORE))
        What to copy; ``groups`` and ``rows`` at least 1. ``header`` is not looked at.
    base : In(40)
        Address of the image; static while busy.
    row_request : Out(stream of 16)
        Row index, to the feature memory's ``store_read`` client.
    row_data : In(valid + row)
        Its answers.
    request : Out(stream of dma_request)
        To the DMA writer.
    o : Out(stream of beat)
        To the DMA writer.
    written : In(1)
        The DMA writer's ``done``.
    done : Out(1)
        Pulse per command, after its last response.
    idle : Out(1)
        No command is in work.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "command": In(stream.Signature(layouts.fields(isa.STORE))),
            "base": In(40),
            "row_request": Out(stream.Signature(16)),
            "row_data": In(data.StructLayout({"valid": 1, "payload": layouts.row(arch)})),
            "request": Out(stream.Signature(layouts.dma_request())),
            "o": Out(stream.Signature(layouts.beat())),
            "written": In(1),
            "done": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        return Module()
