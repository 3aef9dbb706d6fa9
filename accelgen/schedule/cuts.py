"""Cut a program's first and last steps unevenly: what is first loaded and last stored, nothing
hides, so it should be small.

:mod:`~accelgen.schedule.tiling` cuts evenly. From there, and from other even cuts, a search by
small changes: bands of rows and, within a band, ranges of output groups are split, joined, or give
each other some of what they have, as long as the step alone then takes fewer cycles (overlap.py).
Steps in between are left alone: their neighbours hide their ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from accelgen.arch import ArchParams
from accelgen.schedule.overlap import TileCost, overlapped_cycles
from accelgen.schedule.tiling import Tiling, distinct, place_buffers
from accelgen.schedule.work import OUT, SQUEEZED, Tile, Work

__all__ = ["cut_unevenly"]

#: Bytes per cycle that the choice assumes of DDR, the mean of both: beside a processor that reads
#: weights, where it must not be worse, and all that the port takes.
_DDR_BYTES_PER_CYCLE = (10, 16)
#: Buffers per role, the most first.
_COPIES = (4, 3, 2)
#: Shares that the result must save, as the model is no better, and each change on the way.
_LEAST_GAIN, _LEAST_STEP = 0.02, 0.002
#: Changes at most, and EXECs of a step that is still looked at.
_ROUNDS, _MOST_TILES = 24, 16
#: Even cuts that are tried besides the one at hand.
_STARTS = 4

#: Rows of a band, and output groups of each of its tiles.
_Cut = tuple[tuple[int, tuple[int, ...]], ...]
#: Cycles of the step, and buffers per role.
_Rating = tuple[float, int]


def cut_unevenly(
    work: Work, tiling: Tiling, gaps: list[tuple[int, int]], arch: ArchParams
) -> Tiling:
    """``tiling`` or one that takes fewer cycles; its buffers lie in ``gaps``, as before."""
    staged = frozenset(tiling.buffers)
    if not staged or SQUEEZED in work.tensors or len(tiling.tiles) > _MOST_TILES:
        return tiling
    search = _Search(work, staged, gaps, arch)
    first = search.rated([_cut_of(tiling.tiles)])
    if not first:
        return tiling
    starts = sorted(search.rated(search.even()))[:_STARTS]
    (cycles, copies), cut = min(search.climb(*start) for start in [*first, *starts])
    ((least, before), old) = first[0]
    busy = _DDR_BYTES_PER_CYCLE[0]
    slower = search.cycles(cut, copies, busy) > search.cycles(old, before, busy)
    if slower or cycles > least * (1 - _LEAST_GAIN):
        return tiling
    return search.tiling(cut, copies, tiling.cost)


class _Search:
    """One step's tilings by their cut."""

    def __init__(
        self, work: Work, staged: frozenset[str], gaps: list[tuple[int, int]], arch: ArchParams
    ) -> None:
        self.work = work
        self.staged = staged
        self.gaps = gaps
        self.arch = arch
        self.unit = work.band_rows
        self.group_unit = 1 if work.chain.array is None else work.window.repeat

    def tiles(self, cut: _Cut) -> list[Tile]:
        """Band after band."""
        tiles, row = [], 0
        for rows, ranges in cut:
            group = 0
            for groups in ranges:
                tiles.append(self.work.tile((row, row + rows), (group, group + groups)))
                group += groups
            row += rows
        return tiles

    def climb(self, best: _Rating, cut: _Cut) -> tuple[_Rating, _Cut]:
        """The best change, and from there again, as long as it gains something."""
        for _ in range(_ROUNDS):
            found, candidate = min(self.rated(self.changed(cut)), default=(best, cut))
            if found[0] > best[0] * (1 - _LEAST_STEP):
                break
            best, cut = found, candidate
        return best, cut

    def even(self) -> Iterator[_Cut]:
        """Even bands of even ranges of groups."""
        out_h = self.work.geometry.out_h
        heights = _even(out_h, self.unit) if self.work.in_bands else [(out_h,)]
        for bands in heights:
            for ranges in _even(self.work.groups, self.group_unit):
                if len(bands) * len(ranges) <= _MOST_TILES // 2:
                    yield tuple((rows, ranges) for rows in bands)

    def rated(self, cuts: Iterable[_Cut]) -> list[tuple[_Rating, _Cut]]:
        """Those of ``cuts`` whose buffers fit, with their ratings."""
        return [(rating, cut) for cut in cuts if (rating := self._rating(cut)) is not None]

    def _rating(self, cut: _Cut) -> _Rating | None:
        tiles = self.tiles(cut)
        for copies in _COPIES:
            if self._buffers(tiles, copies) is not None:
                rates = _DDR_BYTES_PER_CYCLE
                return sum(self.cycles(cut, copies, r) for r in rates) / len(rates), copies
        return None

    def cycles(self, cut: _Cut, copies: int, bytes_per_cycle: float) -> float:
        """Of the step, with so many buffers."""
        return overlapped_cycles(self._costs(self.tiles(cut), copies), bytes_per_cycle)

    def tiling(self, cut: _Cut, copies: int, cost: float) -> Tiling:
        """The cut with its buffers."""
        tiles = self.tiles(cut)
        buffers = self._buffers(tiles, copies)
        assert buffers is not None
        heights = {role: max(t.slices[role].size for t in tiles) for role in self.staged}
        return Tiling(tiles=tuple(tiles), buffers=buffers, heights=heights, cost=cost)

    def _buffers(self, tiles: list[Tile], copies: int) -> dict[str, tuple[int, ...]] | None:
        wanted = {
            role: (
                max(t.slices[role].size for t in tiles),
                min(copies, len(distinct(tiles, role))),
            )
            for role in sorted(self.staged)
        }
        return place_buffers(wanted, self.gaps)

    def _costs(self, tiles: list[Tile], copies: int) -> list[TileCost]:
        """What each tile moves and waits for."""
        begins: dict[str, list[int]] = {role: [] for role in self.staged - {OUT}}
        costs = []
        for number, tile in enumerate(tiles):
            loads, reuses = 0, -1
            for role, first in begins.items():
                part = tile.slices[role]
                if number and tiles[number - 1].slices[role] == part:
                    continue
                loads += part.size
                if len(first) >= copies:
                    reuses = max(reuses, [*first, number][len(first) - copies + 1] - 1)
                first.append(number)
            groups = tile.groups[1] - tile.groups[0]
            weights = self.work.weights.stream_bytes(groups)
            stores = tile.slices[OUT].size if OUT in self.staged else 0
            costs.append(
                TileCost(
                    loads=loads * self.arch.row_bytes,
                    stores=stores * self.arch.row_bytes,
                    weights=weights,
                    first_weights=weights // groups,
                    engines=self.work.cycles(tile),
                    reuses=reuses,
                    restores=number - copies,
                )
            )
        return costs

    def changed(self, cut: _Cut) -> Iterator[_Cut]:
        """Every cut that differs by one change."""
        for i, (rows, ranges) in enumerate(cut):
            for groups in _changed(ranges, self.group_unit):
                yield (*cut[:i], (rows, groups), *cut[i + 1 :])
        if not self.work.in_bands:
            return
        heights = [rows for rows, _ in cut]
        for i, (rows, ranges) in enumerate(cut):
            for parts in _parts(rows, self.unit):
                yield (*cut[:i], *((r, ranges) for r in parts), *cut[i + 1 :])
        for i in range(len(cut) - 1):
            yield (*cut[:i], (heights[i] + heights[i + 1], cut[i][1]), *cut[i + 2 :])
            for pair in _given(heights[i], heights[i + 1], self.unit):
                two = zip(pair, (cut[i][1], cut[i + 1][1]), strict=True)
                yield (*cut[:i], *two, *cut[i + 2 :])


def _even(total: int, unit: int) -> list[tuple[int, ...]]:
    """``total`` in 1 to :data:`_MOST_TILES` parts of the same units, the last what is left."""
    sizes = {-(-total // (n * unit)) * unit for n in range(1, _MOST_TILES + 1)}
    return [(*[size] * ((total - 1) // size), total - (total - 1) // size * size) for size in sizes]


def _cut_of(tiles: Sequence[Tile]) -> _Cut:
    cut: list[tuple[int, tuple[int, ...]]] = []
    rows: tuple[int, int] | None = None
    for tile in tiles:
        groups = tile.groups[1] - tile.groups[0]
        if tile.band.rows == rows:
            cut[-1] = cut[-1][0], (*cut[-1][1], groups)
        else:
            rows = tile.band.rows
            cut.append((rows[1] - rows[0], (groups,)))
    return tuple(cut)


def _changed(sizes: tuple[int, ...], unit: int) -> Iterator[tuple[int, ...]]:
    """One size split, or two joined, or one giving another."""
    for i, size in enumerate(sizes):
        for parts in _parts(size, unit):
            yield (*sizes[:i], *parts, *sizes[i + 1 :])
    for i in range(len(sizes) - 1):
        yield (*sizes[:i], sizes[i] + sizes[i + 1], *sizes[i + 2 :])
        for pair in _given(sizes[i], sizes[i + 1], unit):
            yield (*sizes[:i], *pair, *sizes[i + 2 :])


def _parts(size: int, unit: int) -> Iterator[tuple[int, int]]:
    """Into halves, and a unit off either end. The first part is whole units."""
    most = (size - 1) // unit * unit
    for first in sorted({unit, size // 2 // unit * unit, most}):
        if 0 < first < size:
            yield first, size - first


def _given(first: int, second: int, unit: int) -> Iterator[tuple[int, int]]:
    """One or some units from one to the other."""
    for moved in (unit, 4 * unit):
        if first > moved:
            yield first - moved, second + moved
        if second > moved:
            yield first + moved, second - moved
