"""What one EXEC takes of each engine, from its fields alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accelgen.arch import ArchParams

__all__ = ["StepTime", "step_time"]


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Cycles per output channel group, undisturbed. All zero where an engine is not used.

    Parameters
    ----------
    groups : int
        Output channel groups.
    front_vectors : int
        Vectors per group that the PE array makes, or rows that are copied into the ring.
    front_cycles : float
        Cycles per vector in front: beats, or the drain of P pixels through W, whichever is longer.
    window_vectors, window_cycles
        The same of the window engine; ``window_vectors`` is 0 without it.
    fill : float
        Share of the front's group after which the window engine can begin, 0 to 1.
    tail_vectors : int
        Window vectors left when the front has finished the group.
    ring_rows : int
        Ring rows of one group.
    beats, taps : int
        Array beats and window beats per vector, without drain.
    array, residual : bool
        The PE array is used (not a copy); rows are read for an add.
    params_cycles : int
        Cycles a requantizer takes to fetch a group's parameters: no group is shorter.
    """

    groups: int
    front_vectors: int
    front_cycles: float
    window_vectors: int
    window_cycles: float
    fill: float
    tail_vectors: int
    ring_rows: int
    beats: int
    taps: int
    array: bool
    residual: bool
    params_cycles: int

    @property
    def front(self) -> float:
        """Cycles of the front per group."""
        return max(self.front_vectors * self.front_cycles, self.params_cycles * self.array)

    @property
    def window(self) -> float:
        """Cycles of the window engine per group."""
        if not self.window_vectors:
            return 0
        return max(self.window_vectors * self.window_cycles, self.params_cycles)

    @property
    def tail(self) -> float:
        """Cycles of the window engine after the front has finished its group."""
        return self.tail_vectors * self.window_cycles

    @property
    def work(self) -> float:
        """Cycles of the slower engine, all groups."""
        return self.groups * max(self.front, self.window)

    def bound(self) -> str:
        """Which engine the step is made for: ``array``, ``copy``, ``window`` or ``drain``."""
        if self.window > self.front:
            return "window" if self.taps >= self.window_cycles else "drain"
        if not self.array:
            return "copy"
        return "array" if self.beats >= self.front_cycles else "drain"


def step_time(fields: Mapping[str, Any], arch: ArchParams) -> StepTime:
    """Times of an EXEC with ``fields`` (complete, as ``isa.EXEC.unpack`` gives them)."""
    drain = arch.pixels // arch.chain_pixels
    array, window = bool(fields["array"]), bool(fields["window"])
    beats = _taps(fields["in_raster"]) * fields["in_groups"] if array else 0
    taps = _taps(fields["ring_raster"]) if window else 0
    ring = fields["ring_raster"]
    return StepTime(
        groups=fields["groups"],
        front_vectors=fields["in_raster"]["vectors"] if array else fields["ring_rows"],
        front_cycles=max(beats, drain) if array else 1,
        window_vectors=ring["vectors"] if window else 0,
        window_cycles=max(taps, drain),
        fill=_fill(ring, arch.pixels) if window else 0,
        tail_vectors=_tail_vectors(ring, arch.pixels) if window else 0,
        ring_rows=fields["ring_rows"] if window else 0,
        beats=beats,
        taps=taps,
        array=array,
        residual=bool(fields["add"]),
        params_cycles=arch.lanes + 1,
    )


def _taps(raster: Mapping[str, int]) -> int:
    return raster["kernel_h"] * raster["kernel_w"]


def _fill(raster: Mapping[str, int], lanes: int) -> float:
    """Share of the map that the first vector needs."""
    last_row, last_x = divmod(lanes - 1, raster["pitch"])
    y = last_row * raster["stride_h"] + (raster["kernel_h"] - 1) * raster["dilation_h"]
    x = last_x + (raster["kernel_w"] - 1) * raster["dilation_w"]
    y = min(max(y - raster["pad_top"], 0), raster["height"] - 1)
    x = min(max(x - raster["pad_left"], 0), raster["width"] - 1)
    return (y * raster["width"] + x + 1) / (raster["height"] * raster["width"])


def _tail_vectors(raster: Mapping[str, int], lanes: int) -> int:
    """Vectors of output rows that read nothing new below the map's last row, and one more."""
    reach = (raster["kernel_h"] - 1) * raster["dilation_h"] - raster["pad_top"]
    first = max(0, raster["height"] - 1 - reach)  # position row whose kernel ends in the last row
    rows = max(0, raster["row_limit"] - 1 - first) // raster["stride_h"]
    return min(raster["vectors"], rows * raster["pitch"] // lanes + 1)
