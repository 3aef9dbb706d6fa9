"""Window reader: feeds the window engine from the window ring."""

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts
from accelgen.rtl.memory.pixel_memory import RunPort
from accelgen.rtl.memory.window_ring import RING_BITS

__all__ = ["WindowReader"]


class WindowReader(wiring.Component):
    """Walks ``step.ring_raster`` over the ring's map, group after group.

    A beat is issued when the rows it reads are written, its tap (MAC) or its group's vector word
    (SCALE) is there and, for a vector's first beat, a credit; its operands leave
    ``timing.window_read_latency`` cycles later. Full rate.

    * MAC: activations with ``pad_value`` outside the map; weights are the tap's.
    * MAX: the same activations; weights undefined.
    * SCALE: activations minus ``pad_value``; weights are the vector word minus ``vector_zero``.

    Parameters
    ----------
    arch : ArchParams
        Hardware knobs. Uses ``lanes``, ``pixels``, ``tap_words`` and ``acc_depth``.

    Members
    -------
    step, start : In(fields(EXEC)), In(1)
        The step; without ``window`` nothing happens.
    run : Out(RunPort)
        To the window ring.
    written, free_to : In(RING_BITS), Out(RING_BITS)
        Rows of the step written to the ring; rows not read any more.
    taps : In(stream of tap)
        ``kernel_h * kernel_w`` taps per group of a MAC step.
    vector : In(stream of row)
        Rows whose lane 0 is the group's vector word, one per group of a SCALE step.
    o : Out(stream of window_operands, always ready)
        To the window engine.
    credit : In(1)
        A vector has left the accumulator queue. ``acc_depth`` vectors fit at reset.
    busy, wait_pixels, wait_weights, wait_drain : Out(1)
        This cycle: a beat issued; one waits for rows; for a tap or vector word; for a credit.
    idle : Out(1)
        Nothing is left to issue or in flight.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "run": Out(RunPort(arch)),
            "written": In(RING_BITS),
            "free_to": Out(RING_BITS),
            "taps": In(stream.Signature(layouts.tap(arch))),
            "vector": In(stream.Signature(layouts.row(arch))),
            "o": Out(stream.Signature(layouts.window_operands(arch), always_ready=True)),
            "credit": In(1),
            "busy": Out(1),
            "wait_pixels": Out(1),
            "wait_weights": Out(1),
            "wait_drain": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        raise NotImplementedError
