"""Where the last fully connected layers run: on the PL, or on the PS beside the next frame.

Where the PS takes them all and is then what a frame waits for, it takes fewer: MobileNetV3 ends in
two, of which the PS computes one while the PL computes the rest of the next frame.
"""

from __future__ import annotations

from dataclasses import replace

from accelgen.errors import ScheduleError
from accelgen.estimator import Estimate
from accelgen.flow.compiled import Compiled, Offload, estimated, fastest, scheduled
from accelgen.flow.hardware import Target
from accelgen.flow.network import Loaded
from accelgen.ir import Graph
from accelgen.ir.offload import is_dense, tail_nodes
from accelgen.quant import QuantizedModel

__all__ = ["place"]

#: Less of a gain is within the processor model's error.
LEAST_GAIN = 1.01


def place(
    loaded: Loaded, int8: QuantizedModel, hardware: Target, *, se: bool = False,
) -> Compiled:  # fmt: skip
    """The fastest of the places, by the estimate.

    Layers go to the PS if frames come at least 1 % sooner then: also where it is the PS that binds.
    """
    on_pl = scheduled(loaded, int8, hardware, offload=Offload(se=se))
    layers = _layers(int8.graph)
    if not layers:
        return on_pl
    found: tuple[Compiled, Estimate, int] | None = None
    for count in range(layers, 0, -1):
        try:
            offload = Offload(fc=True if count == layers else count, se=se)
            tried = scheduled(loaded, int8, hardware, offload=offload)
        except ScheduleError:  # nothing would be left for the PL
            continue
        numbers = estimated(tried)
        if found is None or numbers.fps > found[1].fps:
            found = tried, numbers, count
        if numbers.ps is None or numbers.ps.bound != "ps":
            break
    if found is None:
        return on_pl
    best, there, taken = found
    here = fastest(on_pl)
    if there.fps <= LEAST_GAIN * here:
        numbers = estimated(on_pl)
        here = numbers.fps
        if there.fps <= LEAST_GAIN * here:
            return replace(on_pl, numbers=numbers)
    which = (
        "the last fully connected layers go"
        if taken == layers
        else f"the last {taken} of {layers} fully connected layers {'goes' if taken == 1 else 'go'}"
    )
    rates = f"estimated {there.fps:,.1f} frames per second there, {here:,.1f} at most on the PL"
    return replace(best, reason=f"{which} to the PS: {rates} (--fc-on)", numbers=there)


def _layers(graph: Graph) -> int:
    """Fully connected layers at the end, which the PS could compute."""
    tail = tail_nodes(graph, fc=True)
    return sum(node.name in tail and is_dense(node, graph) for node in graph.nodes)
