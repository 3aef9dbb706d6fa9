"""Weight loader: WEIGHTS commands, one contiguous run of beats per step, routed by counting."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts

__all__ = ["WeightLoader"]


class WeightLoader(wiring.Component):
    """Reads tables, parameters, taps and weights and hands each to its engine.

    The run is [table 1][table 2], 16 beats each, then per group [parameters 1][parameters 2][taps]
    [weight words]; absent parts take no beats. Taps are ``lanes`` signed bytes each, packed, the
    last beat of a group padded. Weight words move one beat per cycle; runs follow one another
    without a gap. Tables of WEIGHTS number n (since ``start``) are written when
    ``execs_done >= n - 1``: the step before the last that read this bank has ended.

    Parameters
    ----------
    arch : ArchParams
        Uses ``lanes``, ``burst_beats`` and ``outstanding``.

    Members
    -------
    command : In(stream of fields(isa.WEIGHTS))
        Runs to read. ``header`` is not looked at.
    base : In(40)
        Address of the image; static while busy.
    start : In(1)
        Pulse: WEIGHTS number 0 comes next. Only when idle.
    execs_done : In(16)
        EXECs completed since ``start``.
    request : Out(stream of dma_request)
        To the DMA reader. What is requested has a place: ``i`` is always ready.
    i : In(stream of beat)
        From the DMA reader.
    table1, table2 : Out(stream of table_write)
        Tables of both requantizers.
    params1, params2 : Out(stream of channel_param)
        Parameters of both requantizers, channel by channel.
    taps : Out(stream of tap)
        Window weights, tap by tap.
    weights : Out(stream of weight_word)
        Array weights, word by word.
    idle : Out(1)
        No command is in work.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "command": In(stream.Signature(layouts.fields(isa.WEIGHTS))),
            "base": In(40),
            "start": In(1),
            "execs_done": In(16),
            "request": Out(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "table1": Out(stream.Signature(layouts.table_write(arch))),
            "table2": Out(stream.Signature(layouts.table_write(arch))),
            "params1": Out(stream.Signature(layouts.channel_param())),
            "params2": Out(stream.Signature(layouts.channel_param())),
            "taps": Out(stream.Signature(layouts.tap(arch))),
            "weights": Out(stream.Signature(layouts.weight_word(arch))),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        return Module()
