"""Where the last fully connected layers run: on the PL, or on the PS beside the next frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from accelgen import pipeline
from accelgen.errors import ConfigError, ScheduleError
from accelgen.estimate import Estimate
from accelgen.ir.offload import tail_nodes
from accelgen.pipeline import Compiled, Given, Loaded, Offload, Target
from accelgen.quant import QuantizedModel

__all__ = ["FC_ON", "Placed", "compile_placed", "place"]

#: What --fc-on takes.
FC_ON = ("auto", "pl", "ps")
#: Less of a gain is within the processor model's error.
LEAST_GAIN = 1.01


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A compiled network, a sentence if it was not the user who chose the place, and the estimate
    if one was made."""

    compiled: Compiled
    reason: str = ""
    numbers: Estimate | None = None


def compile_placed(
    model: str | Path,
    hardware: Target,
    *,
    fc_on: str = "auto",
    se_on: str = "pl",
    calib: Given = None,
    seed: int = 0,
) -> Placed:
    """As :func:`pipeline.compile_model`; under "auto" the estimate places the last fully connected
    layers.

    Raises ConfigError for another word than those of :data:`FC_ON`.
    """
    if fc_on not in FC_ON:
        raise ConfigError(f"--fc-on is auto, pl or ps, not {fc_on!r}")
    offload = Offload.of("pl" if fc_on == "auto" else fc_on, se_on)
    loaded = pipeline.load(model)
    pipeline.judge(loaded, hardware.arch, offload)
    int8, warnings = pipeline.quantized(loaded, calib=calib, seed=seed)
    if fc_on == "auto":
        placed = place(loaded, int8, hardware, se=offload.se)
    else:
        compiled = pipeline.scheduled(loaded, int8, arch=hardware.arch, offload=offload)
        placed = Placed(compiled=compiled)
    return replace(placed, compiled=placed.compiled.warned(warnings))


def place(loaded: Loaded, int8: QuantizedModel, hardware: Target, *, se: bool = False) -> Placed:
    """The faster of both places, by the estimate.

    The PS must be done before the PL wants its next frame, and frames come at least 1 % sooner.
    """
    on_pl = pipeline.scheduled(loaded, int8, arch=hardware.arch, offload=Offload(se=se))
    if tail_nodes(int8.graph, fc=True) == tail_nodes(int8.graph, fc=False):
        return Placed(compiled=on_pl)
    try:
        offload = Offload(fc=True, se=se)
        on_ps = pipeline.scheduled(loaded, int8, arch=hardware.arch, offload=offload)
    except ScheduleError:  # nothing would be left for the PL
        return Placed(compiled=on_pl)
    there, here = (pipeline.estimate(c, hardware) for c in (on_ps, on_pl))
    rates = f"estimated {there.fps:,.1f} frames per second there, {here.fps:,.1f} on the PL"
    if there.ps.hidden and there.fps > LEAST_GAIN * here.fps:
        reason = f"the last fully connected layers go to the PS: {rates} (--fc-on)"
        return Placed(compiled=on_ps, reason=reason, numbers=there)
    return Placed(compiled=on_pl, numbers=here)
