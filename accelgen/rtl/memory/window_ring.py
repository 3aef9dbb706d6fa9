"""Window ring: the rows between the array (or the copy) and the window engine."""

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts
from accelgen.rtl.memory.pixel_memory import RunPort

__all__ = ["RING_BITS", "WindowRing"]

#: Width of row counts within a step, modulo which they are compared: the rows of one channel
#: group (16 bits) and the depth of any ring fit in half of it.
RING_BITS = 18


class WindowRing(wiring.Component):
    """Ring of ``arch.ring_rows`` rows. Row n of the step is written to row n mod ``ring_rows``.

    Takes ``step.ring_rows`` rows for each of ``step.groups`` groups, one after another, as long
    as there is room. Rows are counted from the step's start, modulo 2 ** RING_BITS.

    Parameters
    ----------
    arch : ArchParams
        Hardware knobs. Uses ``lanes``, ``pixels`` and ``ring_rows``.

    Members
    -------
    step, start : In(fields(EXEC)), In(1)
        The step; without ``window`` nothing happens.
    i : In(stream of row)
        Rows in.
    run : In(RunPort)
        The reader's port, ``timing.run_latency(pixels)`` cycles.
    written : Out(RING_BITS)
        Rows that may be read: all below this count.
    free_to : In(RING_BITS)
        Rows below this count are not read any more, from the cycle on in which they are shown
        here. May run ahead of ``written``.
    idle : Out(1)
        All rows of the step have been written (whether or not they were read).
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "i": In(stream.Signature(layouts.row(arch))),
            "run": In(RunPort(arch)),
            "written": Out(RING_BITS),
            "free_to": In(RING_BITS),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        raise NotImplementedError
