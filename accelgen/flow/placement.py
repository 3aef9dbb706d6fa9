"""Where the last fully connected layers run: on the PL, or on the PS beside the next frame."""

from __future__ import annotations

from dataclasses import replace

from accelgen.errors import ScheduleError
from accelgen.flow.compiled import Compiled, Offload, estimated, scheduled
from accelgen.flow.hardware import Target
from accelgen.flow.network import Loaded
from accelgen.ir.offload import tail_nodes
from accelgen.quant import QuantizedModel

__all__ = ["place"]

#: Less of a gain is within the processor model's error.
LEAST_GAIN = 1.01


def place(
    loaded: Loaded, int8: QuantizedModel, hardware: Target, *, se: bool = False,
) -> Compiled:  # fmt: skip
    """The faster of both places, by the estimate.

    They go to the PS if frames come at least 1 % sooner then: also where it is the PS that binds.
    """
    on_pl = scheduled(loaded, int8, hardware, offload=Offload(se=se))
    if tail_nodes(int8.graph, fc=True) == tail_nodes(int8.graph, fc=False):
        return on_pl
    try:
        offload = Offload(fc=True, se=se)
        on_ps = scheduled(loaded, int8, hardware, offload=offload)
    except ScheduleError:  # nothing would be left for the PL
        return on_pl
    there, here = estimated(on_ps), estimated(on_pl)
    rates = f"estimated {there.fps:,.1f} frames per second there, {here.fps:,.1f} on the PL"
    if there.fps > LEAST_GAIN * here.fps:
        reason = f"the last fully connected layers go to the PS: {rates} (--fc-on)"
        return replace(on_ps, reason=reason, numbers=there)
    return replace(on_pl, numbers=here)
