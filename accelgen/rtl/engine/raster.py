"""Raster: the walk of P lanes over a map, one beat per cycle."""

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts

__all__ = ["Raster"]


class Raster(wiring.Component):
    """Beats of a raster walk: for group, vector, tap (ky, kx), input group (innermost).

    Lane l of vector v stands at (row, x) = divmod(v * P + l, pitch). A beat says, for one tap and
    one input group, where lane 0 reads, which lanes are inside the map and which are kept
    (docs/architecture.md, "Rasters"). Input group i of output group g is
    ``(g div in_repeat) * in_step + i``; the beat carries its distance in rows.

    Settings are static from ``start`` to ``idle``. A beat per cycle from
    ``timing.raster_setup(pixels)`` cycles after ``start`` on.

    Parameters
    ----------
    arch : ArchParams
        Hardware knobs. Uses ``pixels``.

    Members
    -------
    raster : In(fields(RASTER))
        The walk.
    groups, in_groups, in_step, in_repeat : In(12)
        Output groups, input groups of each, and how those move.
    in_stride : In(16)
        Rows from one input group to the next.
    start : In(1)
        Begins a walk. Only when idle.
    o : Out(stream of raster_beat)
        Beats.
    idle : Out(1)
        The last beat has been taken.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "raster": In(layouts.fields(isa.RASTER)),
            "groups": In(12),
            "in_groups": In(12),
            "in_stride": In(16),
            "in_step": In(12),
            "in_repeat": In(12),
            "start": In(1),
            "o": Out(stream.Signature(layouts.raster_beat(arch))),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        raise NotImplementedError
