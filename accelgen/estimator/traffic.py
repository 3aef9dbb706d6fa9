"""DDR traffic of the processor beside the PL: what it takes, and what that makes of the frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Beside", "fixed_point"]

Frame = TypeVar("Frame")

#: Cycles, and share, of a frame that a further look may still change: far below what the time
#: line itself is off.
_CLOSE, _SHARE = 0.5, 1e-5
#: Looks at most: where a frame's cycles jump, no traffic meets them exactly.
_LOOKS = 12


@dataclass(frozen=True)
class Beside(Generic[Frame]):
    """A frame beside so many ``bytes_per_cycle`` of other traffic.

    ``cycles`` from frame to frame; ``wanted``: the traffic that a frame of that length means.
    """

    frame: Frame
    bytes_per_cycle: float
    cycles: float
    wanted: float


def fixed_point(
    look: Callable[[float], Beside[Frame]], negligible: float, near: float = 0.0
) -> Beside[Frame]:
    """The frame whose traffic is what it was estimated with, to a hundred thousandth of the frame.

    More traffic makes longer frames, and longer frames mean less traffic per cycle: so there is
    one such point, between no traffic and what the undisturbed frame means. It is cut off by
    chords, and by halves where those come no closer.

    Parameters
    ----------
    look : function
        The frame beside a given traffic.
    negligible : float
        Bytes per cycle below which traffic is taken as none.
    near : float
        Where to look first: the closer, the fewer looks.
    """
    first = look(near)
    if first.wanted <= negligible and near <= negligible:
        return first
    # What one side of the point wants is the other side.
    best = look(first.wanted)
    low, high = (first, best) if near <= first.wanted else (best, first)
    for _ in range(_LOOKS):
        close = max(_CLOSE, _SHARE * best.cycles)
        if abs(best.wanted - best.bytes_per_cycle) * _slope(low, high) <= close:
            break
        at = _chord(low, high)
        width = high.bytes_per_cycle - low.bytes_per_cycle
        # Chords that keep one end creep: never nearer to it than a hundredth of the rest.
        at = min(max(at, low.bytes_per_cycle + width / 100), high.bytes_per_cycle - width / 100)
        best = look(at)
        if best.wanted > best.bytes_per_cycle:
            low = best
        else:
            high = best
    return best


def _slope(low: Beside[Frame], high: Beside[Frame]) -> float:
    """Cycles per byte per cycle."""
    width = high.bytes_per_cycle - low.bytes_per_cycle
    return abs(high.cycles - low.cycles) / width if width else 0.0


def _chord(low: Beside[Frame], high: Beside[Frame]) -> float:
    """Where what is wanted meets what is taken, if both are straight between two looks."""
    above, below = (x.wanted - x.bytes_per_cycle for x in (low, high))
    share = above / (above - below) if above > below else 0.5
    return low.bytes_per_cycle + share * (high.bytes_per_cycle - low.bytes_per_cycle)
