"""Cut a step into EXECs so that what is not in the feature memory passes through it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from accelgen.arch import ArchParams
from accelgen.schedule.raster import aligned_rows
from accelgen.schedule.work import OUT, SQUEEZED, Slice, Tile, Work

__all__ = ["Tiling", "choose_tiling", "whole"]

#: What the choice assumes, only to compare: bytes DDR moves per cycle, cycles an EXEC costs.
_DDR_BYTES_PER_CYCLE = 12
_EXEC_CYCLES = 200


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Tiles of a step, and for each staged role its buffers' first feature rows.

    The n-th different slice uses buffer ``n % len(buffers[role])``, its rows follow each other
    densely. ``heights`` are the feature rows of one buffer.
    """

    tiles: tuple[Tile, ...]
    buffers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    heights: dict[str, int] = field(default_factory=dict)


def whole(work: Work) -> Tiling:
    """One EXEC, everything resident."""
    return Tiling(tiles=(work.tile((0, work.geometry.out_h), (0, work.groups)),))


def choose_tiling(
    work: Work, staged: frozenset[str], gaps: list[tuple[int, int]], arch: ArchParams
) -> Tiling | None:
    """The cheapest tiling whose buffers for the ``staged`` roles fit in ``gaps``; None if none.

    ``gaps`` are (first row, rows) of free feature memory.
    """
    best: tuple[float, Tiling] | None = None
    for tiles in _tilings(work, arch.pixels):
        tiling, overlapped = _fit(tiles, staged, gaps)
        if tiling is not None:
            cost = _cost(work, tiles, staged, overlapped, arch)
            if best is None or cost < best[0]:
                best = cost, tiling
    if best is not None:
        return best[1]
    free = sum(size for _, size in gaps)
    fitting = (_fit(t, staged, gaps)[0] for t in _grids(work, staged, free, arch.pixels))
    return next((tiling for tiling in fitting if tiling is not None), None)


def _fit(
    tiles: list[Tile], staged: frozenset[str], gaps: list[tuple[int, int]]
) -> tuple[Tiling | None, bool]:
    """Buffers for ``tiles``, two per role if there is room; and whether transfers overlap EXECs."""
    most = {role: max(t.slices[role].size for t in tiles) for role in staged}
    moves = {role: len(_distinct(tiles, role)) for role in staged}
    for copies in (2, 1):
        wanted = {role: (most[role], copies if moves[role] > 1 else 1) for role in sorted(staged)}
        buffers = _place(wanted, gaps)
        if buffers is not None:
            tiling = Tiling(tiles=tuple(tiles), buffers=buffers, heights=most)
            return tiling, copies == 2 or len(tiles) == 1
    return None, False


def _tilings(work: Work, pixels: int) -> Iterator[list[Tile]]:
    """Candidates: bands of rows, or ranges of output groups; the whole first."""
    every_row = (0, work.geometry.out_h)
    unit = 1 if work.chain.array is None else work.window.repeat
    for size in _sizes(work.groups, unit):
        yield [
            work.tile(every_row, (g, min(g + size, work.groups)))
            for g in range(0, work.groups, size)
        ]
    if SQUEEZED in work.tensors:
        return
    out_h = work.geometry.out_h
    for size in _sizes(out_h, aligned_rows(work.geometry.out_w, pixels)):
        if size < out_h:
            yield [
                work.tile((r, min(r + size, out_h)), (0, work.groups))
                for r in range(0, out_h, size)
            ]


def _grids(work: Work, staged: frozenset[str], free: int, pixels: int) -> Iterator[list[Tile]]:
    """Bands of ranges of output groups, for what fits no other way; the largest bands first."""
    if SQUEEZED in work.tensors:
        return
    out_h = work.geometry.out_h
    unit = 1 if work.chain.array is None else work.window.repeat
    for rows in _sizes(out_h, aligned_rows(work.geometry.out_w, pixels)):
        for groups in _sizes(work.groups, unit):
            middle = (out_h - 1) // 2 // rows * rows
            one = work.tile((middle, min(middle + rows, out_h)), (0, min(groups, work.groups)))
            if sum(one.slices[role].size for role in staged) > free:
                continue
            yield [
                work.tile((r, min(r + rows, out_h)), (g, min(g + groups, work.groups)))
                for r in range(0, out_h, rows)
                for g in range(0, work.groups, groups)
            ]


def _sizes(total: int, unit: int) -> list[int]:
    """Multiples of ``unit`` that cut ``total`` evenly, the largest (uncut) first."""
    units = -(-total // unit)
    return sorted({-(-units // n) * unit for n in range(1, units + 1)}, reverse=True)


def _distinct(tiles: list[Tile], role: str) -> list[Slice]:
    """Slices of ``role`` in order, repeated ones (a map that every group tile reads) once."""
    slices = [t.slices[role] for t in tiles]
    return [s for i, s in enumerate(slices) if i == 0 or s != slices[i - 1]]


def _place(
    wanted: dict[str, tuple[int, int]], gaps: list[tuple[int, int]]
) -> dict[str, tuple[int, ...]] | None:
    """First fit of buffers, the largest first: role to first rows."""
    free = list(gaps)
    placed: dict[str, tuple[int, ...]] = {}
    for role, (rows, copies) in sorted(wanted.items(), key=lambda item: -item[1][0]):
        at = []
        for _ in range(copies):
            hole = next((i for i, (_, size) in enumerate(free) if size >= rows), None)
            if hole is None:
                return None
            first, size = free[hole]
            at.append(first)
            free[hole] = (first + rows, size - rows)
        placed[role] = tuple(at)
    return placed


def _cost(
    work: Work, tiles: list[Tile], staged: frozenset[str], overlapped: bool, arch: ArchParams
) -> float:
    """Cycles, roughly: what binds, plus what nothing hides."""
    moved = {role: sum(s.size for s in _distinct(tiles, role)) for role in staged}
    weight_bytes = sum(work.weights.stream_bytes(t.groups[1] - t.groups[0]) for t in tiles)
    ddr = (sum(moved.values()) * arch.row_bytes + weight_bytes) / _DDR_BYTES_PER_CYCLE
    engines = sum(work.cycles(t) for t in tiles)
    switches = _EXEC_CYCLES * len(tiles)
    if not overlapped:
        return ddr + engines + switches
    bare = sum(tiles[0].slices[role].size for role in staged if role not in (OUT, SQUEEZED))
    bare += sum(tiles[-1].slices[role].size for role in staged if role in (OUT, SQUEEZED))
    return max(ddr, engines) + switches + bare * arch.row_bytes / _DDR_BYTES_PER_CYCLE
