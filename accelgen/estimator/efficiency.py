"""How much of the PE array's peak is used, and where the rest goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from accelgen.estimator.timeline import Span

__all__ = ["CAUSES", "ArrayUse", "array_use", "total_losses"]

#: Why the array does nothing useful, as :meth:`ArrayUse.losses` names it.
CAUSES = {
    "pixels": "lanes beyond the map's end, or dropped by a stride",
    "channels": "channels that fill a group up; rows computed twice where bands meet",
    "window": "the window engine is slower than the array",
    "drain": "the stages after an engine are slower than it",
    "copy": "the map is copied into the ring, the array has nothing to do",
    "switch": "a step starts, fills its pipeline and ends",
    "ddr": "waiting for weights, loads and stores",
    "ends": "before the first EXEC and after the last",
}


@dataclass(frozen=True, kw_only=True)
class ArrayUse:
    """What a step takes of the engines, undisturbed, in cycles.

    ``useful`` is ``multiply-accumulates on the array / macs_per_cycle``; ``pixels`` and
    ``channels`` are beats of the array that compute nothing; ``behind`` is what a slower engine
    takes beyond the array, by its name; ``switch`` what starting, filling and ending takes.
    """

    useful: float
    pixels: float
    channels: float
    behind: Mapping[str, float]
    switch: float

    def efficiency(self, cycles: float) -> float:
        """Share of the array's peak when the step takes ``cycles``."""
        return self.useful / cycles if cycles else 0.0

    def losses(self, cycles: float) -> dict[str, int]:
        """Cycles lost by cause (:data:`CAUSES`); with ``useful`` they add up to ``cycles``."""
        rest = cycles - self.useful - self.pixels - self.channels - sum(self.behind.values())
        switch = min(self.switch, max(rest, 0.0))
        found = {"pixels": self.pixels, "channels": self.channels, **self.behind}
        found |= {"switch": switch, "ddr": rest - switch}
        return {cause: round(lost) for cause, lost in found.items() if round(lost) > 0}


def array_use(spans: Sequence[Span], macs: int, macs_per_cycle: int) -> ArrayUse:
    """Of a step with EXECs ``spans`` and ``macs`` multiply-accumulates on the array."""
    issued = sum(span.time.array_beats for span in spans)
    pixels = sum(span.time.array_beats * span.time.empty_lanes for span in spans)
    useful = macs / macs_per_cycle
    behind: dict[str, float] = {}
    for span in spans:
        bound = span.time.bound if span.time.bound != "array" else "drain"
        more = span.time.work - span.time.array_beats
        behind[bound] = behind.get(bound, 0.0) + more
    return ArrayUse(
        useful=useful,
        pixels=pixels,
        channels=max(0.0, issued - pixels - useful),
        behind=behind,
        switch=sum(span.overhead for span in spans),
    )


def total_losses(losses: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Sums by cause, the largest first."""
    total: dict[str, int] = {}
    for each in losses:
        for cause, lost in each.items():
            total[cause] = total.get(cause, 0) + lost
    return dict(sorted(total.items(), key=lambda item: -item[1]))
