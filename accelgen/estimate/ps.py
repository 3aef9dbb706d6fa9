"""What the processor side costs per frame: crossings and the few nodes it computes."""

from __future__ import annotations

import math

from accelgen.schedule.program import Program

__all__ = ["ps_seconds"]

#: Starting the accelerator and taking its interrupt.
LAUNCH_SECONDS = 5e-6
#: Cleaning or invalidating the cache: 11 us per 80 kB.
CACHE_SECONDS_PER_BYTE = 11e-6 / 80e3
#: One element through float arithmetic with an exponential, one core, not vectorised.
ELEMENT_SECONDS = 40e-9


def ps_seconds(program: Program) -> float:
    """Seconds of one frame on the PS, beside the PL's own time.

    Input and outputs cross once; what the PS computes is priced per element. A cycle model of the
    cores does not exist yet: networks whose tail is more than a softmax deserve one.
    """
    crossing = program.input.size_bytes + sum(p.size_bytes for p in program.outputs)
    elements = sum(
        math.prod(program.graph.tensors[step.output].shape) for step in program.ps_steps
    )  # fmt: skip
    return LAUNCH_SECONDS + crossing * CACHE_SECONDS_PER_BYTE + elements * ELEMENT_SECONDS
