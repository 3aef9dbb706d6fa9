"""Array reader: feeds the PE array, or the copy path, from the feature memory."""

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts
from accelgen.rtl.memory.block_ring import BlockPort
from accelgen.rtl.memory.pixel_memory import RunPort

__all__ = ["ArrayReader"]


class ArrayReader(wiring.Component):
    """Walks ``step.in_raster`` over the input map and reads a run of P pixels per beat.

    With ``step.array``: a beat is issued when a weight word is there and, for a vector's first
    beat, a credit; its operands leave ``timing.array_read_latency`` cycles later. Without: each
    beat's run is a row of the copy, issued when there is room for it. Full rate.

    Parameters
    ----------
    arch : ArchParams
        Hardware knobs. Uses ``lanes``, ``pixels`` and ``acc_depth``.

    Members
    -------
    step, start : In(fields(EXEC)), In(1)
        The step.
    run : Out(RunPort)
        To the feature memory.
    weights : Out(BlockPort of weight_word)
        To the weight ring.
    o : Out(stream of array_operands, always ready)
        To the PE array.
    copy : Out(stream of row)
        To the window ring, when ``step.array`` is 0.
    credit : In(1)
        A vector has left the accumulator queue. ``acc_depth`` vectors fit at reset.
    busy, wait_weights, wait_drain : Out(1)
        This cycle: a beat issued to the array; one waits for a weight word; for a credit.
    idle : Out(1)
        Nothing is left to issue, in flight or in the copy's queue.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "run": Out(RunPort(arch)),
            "weights": Out(BlockPort(layouts.weight_word(arch))),
            "o": Out(stream.Signature(layouts.array_operands(arch), always_ready=True)),
            "copy": Out(stream.Signature(layouts.row(arch))),
            "credit": In(1),
            "busy": Out(1),
            "wait_weights": Out(1),
            "wait_drain": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        raise NotImplementedError
