"""Cut a step into EXECs so that what is not in the feature memory passes through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from accelgen.arch import ArchParams
from accelgen.cost import Memory
from accelgen.ir.ops import Pair
from accelgen.schedule.steps.work import OUT, SOURCE, SQUEEZED, Slice, Tile, Work

__all__ = ["Tiling", "choose_pair", "choose_tiling", "distinct", "place_buffers", "whole"]

#: What the choice assumes, only to compare: cycles an EXEC costs beside its engines. Between one
#: that begins early (overhead.behind_cycles: 4) and one that waits for a LOAD and the one before
#: (above 150); which it will be is not known before commands are. An EXEC's begin and end alone,
#: 59 cycles of ultra96_double, cost layers of the micro-benchmark up to 1.3 % more.
_EXEC_CYCLES = 100


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Tiles of a step, and for each staged role its buffers' first feature rows.

    The n-th different slice uses buffer ``n % len(buffers[role])``, its rows follow each other
    densely. ``heights`` are the feature rows of one buffer. ``cost`` is in cycles, roughly; 0 when
    there was nothing to choose. ``handed_on``: tile n is followed by tile n of the next step, which
    reads its output from the same buffer; ``taken_over`` is the other side of that. ``ahead`` > 0:
    what a tile loads comes no earlier than so many tiles before it. ``others`` would do as well, or
    nearly, as far as is known: none where nobody asked.
    """

    tiles: tuple[Tile, ...]
    buffers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    heights: dict[str, int] = field(default_factory=dict)
    cost: float = 0
    handed_on: bool = False
    taken_over: bool = False
    ahead: int = 0
    others: tuple[Tiling, ...] = ()

    @property
    def bands(self) -> list[int]:
        """Index of each band's first tile."""
        tiles = self.tiles
        return [i for i, t in enumerate(tiles) if not i or t.band.rows != tiles[i - 1].band.rows]


def whole(work: Work) -> Tiling:
    """One EXEC, everything resident; of a step whose words are streamed one per row."""
    out_h = work.geometry.out_h
    size = work.band_rows if work.streamed else out_h
    bands = [(r, min(r + size, out_h)) for r in range(0, out_h, size)]
    return Tiling(tiles=tuple(work.tile(band, (0, work.groups)) for band in bands))


def choose_tiling(
    work: Work, staged: frozenset[str], gaps: list[tuple[int, int]], arch: ArchParams,
    memory: Memory,
) -> Tiling | None:  # fmt: skip
    """The cheapest tiling whose buffers for the ``staged`` roles fit in ``gaps``; None if none.

    ``gaps`` are (first row, rows) of free feature memory.
    """
    best: Tiling | None = None
    for tiles in _tilings(work, arch.pixels):
        if not all(map(work.fits_ring, tiles)):
            continue
        tiling = _fit(work, tiles, staged, gaps, arch, memory)
        if tiling is not None and (best is None or tiling.cost < best.cost):
            best = tiling
    if best is not None:
        return best
    free = sum(size for _, size in gaps)
    grids = _grids(work, staged, free, arch.pixels)
    fitting = (
        _fit(work, tiles, staged, gaps, arch, memory)
        for tiles in grids
        if all(map(work.fits_ring, tiles))
    )
    return next((tiling for tiling in fitting if tiling is not None), None)


def _fit(
    work: Work, tiles: list[Tile], staged: frozenset[str], gaps: list[tuple[int, int]],
    arch: ArchParams, memory: Memory,
) -> Tiling | None:  # fmt: skip
    """Buffers for ``tiles``, two per role if there is room; None if they do not fit."""
    most = {role: max(t.slices[role].size for t in tiles) for role in staged}
    moves = {role: len(distinct(tiles, role)) for role in staged}
    for copies in (2, 1):
        wanted = {role: (most[role], copies if moves[role] > 1 else 1) for role in sorted(staged)}
        buffers = place_buffers(wanted, gaps)
        if buffers is not None:
            overlapped = copies == 2 or len(tiles) == 1
            cost = _cost([(work, tiles, staged)], overlapped, arch, memory)
            return Tiling(tiles=tuple(tiles), buffers=buffers, heights=most, cost=cost)
    return None


def choose_pair(
    first: Work, second: Work, staged: tuple[frozenset[str], frozenset[str]],
    gaps: list[tuple[int, int]], arch: ArchParams, memory: Memory,
) -> tuple[Tiling, Tiling] | None:  # fmt: skip
    """Tilings of two steps that hand bands of rows on from ``first`` to ``second``, in turns.

    ``first``'s output is ``second``'s map and nobody else's: it never leaves the feature memory,
    which holds one band of it. Bands must match: each band of ``second`` reads just those rows.
    None when they do not, or nothing fits. ``gaps`` are free during both steps.
    """
    if not (first.geometry.in_bands and second.geometry.in_bands):
        return None
    best: tuple[Tiling, Tiling] | None = None
    passing = staged[0] - {OUT}, staged[1] - {SOURCE}
    out_h = second.geometry.out_h
    if first.geometry.out_w != second.geometry.first.width:
        return None  # a band of one is no band of the other: rows were inserted
    # Both are powers of two: the larger is a multiple of the other.
    unit = max(w.band_rows for w in (first, second))
    for size in _sizes(out_h, unit):
        bands = [(r, min(r + size, out_h)) for r in range(0, out_h, size)]
        tiles = [second.tile(band, (0, second.groups)) for band in bands]
        if any(t.band.source_rows != band for t, band in zip(tiles, bands, strict=True)):
            return None
        pair = _fit_pair((first, second), bands, tiles, passing, gaps, arch, memory)
        if pair is not None and (best is None or pair[0].cost < best[0].cost):
            best = pair
    return best


def _fit_pair(
    works: tuple[Work, Work], bands: list[Pair], tiles: list[Tile],
    passing: tuple[frozenset[str], frozenset[str]], gaps: list[tuple[int, int]], arch: ArchParams,
    memory: Memory,
) -> tuple[Tiling, Tiling] | None:  # fmt: skip
    """Buffers for what passes through either step, two each if there is room, and the middle."""
    both = [works[0].tile(band, (0, works[0].groups)) for band in bands], tiles
    if not all(works[i].fits_ring(tile) for i in (0, 1) for tile in both[i]):
        return None
    middle = max(t.slices[OUT].size for t in both[0])
    most = [{r: max(t.slices[r].size for t in both[i]) for r in passing[i]} for i in (0, 1)]
    for copies in (2, 1) if len(bands) > 1 else (1,):
        wanted = {f"{i}{r}": (most[i][r], copies) for i in (0, 1) for r in sorted(passing[i])}
        buffers = place_buffers({**wanted, "middle": (middle, 1)}, gaps)
        if buffers is None:
            continue
        parts = [(works[i], both[i], passing[i]) for i in (0, 1)]
        cost = _cost(parts, copies == 2 or len(bands) == 1, arch, memory)
        at = [{r: buffers[f"{i}{r}"] for r in passing[i]} for i in (0, 1)]
        return (
            Tiling(
                tiles=tuple(both[0]), buffers={**at[0], OUT: buffers["middle"]},
                heights={**most[0], OUT: middle}, cost=cost, handed_on=True,
            ),
            Tiling(
                tiles=tuple(both[1]), buffers={**at[1], SOURCE: buffers["middle"]},
                heights={**most[1], SOURCE: middle}, taken_over=True,
            ),
        )  # fmt: skip
    return None


def _tilings(work: Work, pixels: int) -> Iterator[list[Tile]]:
    """Candidates: bands of rows, or ranges of output groups; the whole first."""
    every_row = (0, work.geometry.out_h)
    unit = 1 if work.chain.array is None else work.window.repeat
    for size in _sizes(work.groups, unit):
        yield [
            work.tile(every_row, (g, min(g + size, work.groups)))
            for g in range(0, work.groups, size)
        ]
    if not work.in_bands:
        return
    out_h = work.geometry.out_h
    for size in _sizes(out_h, work.band_rows):
        if size < out_h:
            yield [
                work.tile((r, min(r + size, out_h)), (0, work.groups))
                for r in range(0, out_h, size)
            ]


def _grids(work: Work, staged: frozenset[str], free: int, pixels: int) -> Iterator[list[Tile]]:
    """Bands of ranges of output groups, for what fits no other way; the largest bands first."""
    if SQUEEZED in work.tensors or not work.in_bands:
        return
    out_h = work.geometry.out_h
    unit = 1 if work.chain.array is None else work.window.repeat
    for rows in _sizes(out_h, work.band_rows):
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


def distinct(tiles: list[Tile], role: str) -> list[Slice]:
    """Slices of ``role`` in order, repeated ones (a map that every group tile reads) once."""
    slices = [t.slices[role] for t in tiles]
    return [s for i, s in enumerate(slices) if i == 0 or s != slices[i - 1]]


def place_buffers(
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
            taken = rows + rows % 2  # the next begins with an even row, as maps in phases must
            free[hole] = (first + taken, size - taken)
        placed[role] = tuple(at)
    return placed


def _cost(
    parts: Sequence[tuple[Work, list[Tile], frozenset[str]]], overlapped: bool, arch: ArchParams,
    memory: Memory,
) -> float:  # fmt: skip
    """Cycles, roughly, of steps that take turns: the busiest unit, plus what runs beside no other.

    ``parts`` are (step, its tiles, the roles that are transferred).
    """
    rows = weight_bytes = bare = engines = switches = 0
    for work, tiles, staged in parts:
        rows += sum(s.size for role in staged for s in distinct(tiles, role))
        bare += sum(tiles[0].slices[r].size for r in staged if r not in (OUT, SQUEEZED))
        bare += sum(tiles[-1].slices[r].size for r in staged if r in (OUT, SQUEEZED))
        for tile in tiles:
            weight_bytes += work.weights.stream_bytes(tile.groups[1] - tile.groups[0])
            engines += work.cycles(tile)
            switches += _EXEC_CYCLES
    ddr = (rows * arch.row_bytes + weight_bytes) / memory.rate
    if not overlapped:
        return ddr + engines + switches
    return max(ddr, engines) + switches + bare * arch.row_bytes / memory.rate
