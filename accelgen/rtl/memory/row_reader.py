"""Row reader: streams the rows of a map from the feature memory's row port."""

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.rtl import layouts
from accelgen.rtl.memory.pixel_memory import ROW_BITS

__all__ = ["RowReader"]


class RowReader(wiring.Component):
    """Reads ``rows`` rows of each of ``groups`` channel groups, in order.

    Row r of group g is feature row ``base + g * stride + r``. Asks for no more rows than its
    queue has room for.

    Parameters
    ----------
    arch : ArchParams
        Hardware knobs. Uses ``lanes`` and ``pixels``.

    Members
    -------
    start : In(1)
        Begins a map; latches the four settings. Only when idle.
    base, stride : In(16)
        Feature rows.
    groups, rows : In(12), In(16)
        Counts, at least 1.
    request : Out(stream of row index)
        To the feature memory.
    data : In(stream of row, always ready)
        Its answers, in order.
    o : Out(stream of row)
        Rows.
    idle : Out(1)
        The map has been read, and its last row taken.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "start": In(1),
            "base": In(ROW_BITS),
            "stride": In(ROW_BITS),
            "groups": In(12),
            "rows": In(16),
            "request": Out(stream.Signature(ROW_BITS)),
            "data": In(stream.Signature(layouts.row(arch), always_ready=True)),
            "o": Out(stream.Signature(layouts.row(arch))),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        raise NotImplementedError
