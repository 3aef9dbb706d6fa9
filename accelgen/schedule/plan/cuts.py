"""Cut a program's first and last steps unevenly: the first load and the last store should be small.

Nothing is computed while they run.

:mod:`~accelgen.schedule.plan.tiling` cuts evenly. From there, and from other even cuts, a search by
small changes: bands of rows and, within a band, ranges of output groups are split, joined, or give
each other some of what they have, as long as the step alone then takes fewer cycles (overlap.py).
Steps in between are left alone: their neighbours hide their ends. What comes close to the best is
kept beside it (``Tiling.others``): a better judge, if there is one, chooses (schedule/judged.py).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import fields, replace

from accelgen.arch import ArchParams, overhead, timing
from accelgen.cost import Memory
from accelgen.ir.ops import Pair
from accelgen.schedule.overlap import Pace, TileCost, overlapped_cycles
from accelgen.schedule.plan.tiling import Tiling, distinct, place_buffers
from accelgen.schedule.steps.work import OTHER, OUT, SQUEEZED, Tile, Work

__all__ = ["cut_unevenly"]

#: Buffers per role, the most first.
_COPIES = (4, 3, 2)
#: Share that the result must save, as the model is no better; and each change on the way, with so
#: many cycles at least.
_LEAST_GAIN, _LEAST_STEP, _LEAST_CYCLES = 0.02, 0.0005, 5
#: Changes at most, and EXECs of a step that is still looked at.
_ROUNDS, _MOST_TILES = 24, 16
#: Other cuts that are climbed from besides the one at hand.
_STARTS = 3
#: Cuts that are kept beside the chosen one; of those that were only looked at, so many.
_OTHERS, _LOOKED_AT = 8, 4
#: Tiles ahead of which something is loaded; 0: as soon as there is a buffer.
_AHEAD = (0, 1)

#: Rows of a band, and output groups of each of its tiles.
_Cut = tuple[tuple[int, tuple[int, ...]], ...]
#: What was found for steps before, by all it depends on: places of the last layers, and parts of
#: a network, are tried with the same first step.
_found: dict[Hashable, Tiling] = {}
_MOST_FOUND = 64
#: Fields of Work that hold more than cuts depend on.
_BY_PARTS = ("chain", "weights", "tensors", "strands")

#: Cycles of the step, buffers per role, tiles ahead.
_Rating = tuple[float, int, int]
_Found = tuple[_Rating, _Cut]


def cut_unevenly(
    work: Work, tiling: Tiling, gaps: list[tuple[int, int]], arch: ArchParams,
    memories: tuple[Memory, ...],
) -> Tiling:  # fmt: skip
    """``tiling`` or one that takes fewer cycles, in the mean over ``memories``; its buffers lie in
    ``gaps``, as before. Its ``others`` are the next best, the best first."""
    staged = frozenset(tiling.buffers)
    if not staged or work.streamed or SQUEEZED in work.tensors or len(tiling.tiles) > _MOST_TILES:
        return tiling
    # A tiling's buffers follow from what is staged, its cut and the gaps.
    even = tuple((t.groups, t.band.rows) for t in tiling.tiles)
    asked = _content(work), staged, even, tiling.cost, tuple(gaps), arch, memories
    if asked not in _found:
        if len(_found) >= _MOST_FOUND:
            _found.clear()
        _found[asked] = _searched(work, tiling, gaps, arch, memories)
    return _found[asked]


def _content(work: Work) -> Hashable:
    """All of a step that decides how it can be cut, and nothing of the network around it."""
    chain, weights = work.chain, work.weights
    of_chain = tuple(bool(x) for x in (chain.array, chain.window, chain.vector, chain.squeeze))
    of_weights = len(weights.tables), weights.blocks.shape, weights.fields, weights.word_bytes
    kept = tuple(getattr(work, f.name) for f in fields(work) if f.name not in _BY_PARTS)
    return kept, frozenset(work.tensors), of_chain, of_weights


def _searched(
    work: Work, tiling: Tiling, gaps: list[tuple[int, int]], arch: ArchParams,
    memories: tuple[Memory, ...],
) -> Tiling:  # fmt: skip
    """As :func:`cut_unevenly`, of a step that can be cut."""
    staged = frozenset(tiling.buffers)
    search = _Search(work, staged, gaps, arch, memories)
    old = search.cut_of(work, tiling.tiles)
    first, *others = search.rated([old, *search.even(), *search.ramped()])
    if first is None:
        return tiling
    ranked = sorted(found for found in others if found is not None)
    ends = sorted(search.climbed([first, *ranked[:_STARTS]]))
    enough = ends[0][0][0] <= first[0][0] * (1 - _LEAST_GAIN)
    rating, best = ends[0] if enough else (first[0], old)
    chosen = search.tiling(best, rating, tiling.cost) if enough else tiling
    beside = {c: r for r, c in sorted([*ends, *ranked[:_LOOKED_AT], first]) if c != best}
    rest = [search.tiling(c, r, tiling.cost) for c, r in list(beside.items())[:_OTHERS]]
    return replace(chosen, others=tuple(rest))


class _Search:
    """One step's tilings by their cut."""

    def __init__(
        self, work: Work, staged: frozenset[str], gaps: list[tuple[int, int]], arch: ArchParams,
        memories: tuple[Memory, ...],
    ) -> None:  # fmt: skip
        self.work = work = work.by_rows()
        self.staged = staged
        self.gaps = gaps
        self.arch = arch
        self.memories = memories
        self.pace = _pace(work, arch)
        self.unit = work.band_rows
        self.group_unit = 1 if work.chain.array is None else work.window.repeat
        self.known: dict[_Cut, _Rating | None] = {}
        self.tile = functools.cache(work.tile)
        self.engines = functools.cache(lambda rows, groups: work.cycles(self.tile(rows, groups)))

    def cut_of(self, work: Work, tiles: Sequence[Tile]) -> _Cut:
        """The cut of ``tiles`` of ``work``, in this search's rows."""
        cut: list[tuple[int, tuple[int, ...]]] = []
        rows: Pair | None = None
        for tile in tiles:
            groups = tile.groups[1] - tile.groups[0]
            if tile.band.rows == rows:
                cut[-1] = cut[-1][0], (*cut[-1][1], groups)
            else:
                rows = tile.band.rows
                height = (rows[1] - rows[0]) * work.geometry.out_w // self.work.geometry.out_w
                cut.append((height, (groups,)))
        return tuple(cut)

    def tiles(self, cut: _Cut) -> list[Tile]:
        """Band after band."""
        tiles, row = [], 0
        for rows, ranges in cut:
            group = 0
            for groups in ranges:
                tiles.append(self.tile((row, row + rows), (group, group + groups)))
                group += groups
            row += rows
        return tiles

    def climbed(self, starts: Sequence[_Found]) -> list[_Found]:
        """From each of ``starts`` the best change, and from there again, as long as it gains
        something."""
        ends: list[_Found] = []
        climbing = list(starts)
        for _ in range(_ROUNDS):
            changes = [list(dict.fromkeys(self.changed(cut))) for _, cut in climbing]
            self.rated(list(dict.fromkeys(itertools.chain(*changes))))
            higher: list[_Found] = []
            for here, cuts in zip(climbing, changes, strict=True):
                most = here[0][0] - max(here[0][0] * _LEAST_STEP, _LEAST_CYCLES)
                found = min((f for f in self.rated(cuts) if f is not None), default=here)
                if found[0][0] <= most:
                    higher.append(found)
                else:
                    ends.append(here)
            climbing = higher
            if not climbing:
                break
        return ends + climbing

    def even(self) -> Iterator[_Cut]:
        """Even bands of even ranges of groups."""
        out_h = self.work.geometry.out_h
        heights = _even(out_h, self.unit) if self.work.in_bands else [(out_h,)]
        for bands in heights:
            for ranges in _even(self.work.groups, self.group_unit):
                if len(bands) * len(ranges) <= _MOST_TILES // 2:
                    yield tuple((rows, ranges) for rows in bands)

    def ramped(self) -> Iterator[_Cut]:
        """Bands that grow from a small one, and end in ranges of groups that shrink."""
        if not self.work.in_bands:
            return
        out_h, whole = self.work.geometry.out_h, (self.work.groups,)
        for first in (1, 2, 4, 8):
            for most in (2, 3, 4, 6):
                heights = _ramp(out_h, first * self.unit, -(-out_h // most))
                if len(heights) <= _MOST_TILES - 4:
                    ranges = _halves(self.work.groups, self.group_unit)
                    yield (*((rows, whole) for rows in heights[:-1]), (heights[-1], ranges))

    def rated(self, cuts: Sequence[_Cut]) -> list[_Found | None]:
        """Each of ``cuts`` with its rating; None if its buffers do not fit."""
        new = {cut: copies for cut in cuts if cut not in self.known for copies in self._copies(cut)}
        tried = [(c, copies, ahead) for c, copies in new.items() for ahead in _AHEAD]
        self.known |= dict.fromkeys(cuts) | self.known
        for (cut, copies, ahead), cycles in zip(tried, self._cycles(tried), strict=True):
            rating = cycles, copies, ahead
            known = self.known[cut]
            self.known[cut] = rating if known is None else min(known, rating)
        return [None if (r := self.known[cut]) is None else (r, cut) for cut in cuts]

    def _copies(self, cut: _Cut) -> Iterable[int]:
        """Of buffers, as many as fit, if any do."""
        tiles = self.tiles(cut)
        return next(((c,) for c in _COPIES if self._buffers(tiles, c) is not None), ())

    def _cycles(self, chosen: Sequence[tuple[_Cut, int, int]]) -> list[float]:
        costs = [self._costs(self.tiles(cut), *buffers) for cut, *buffers in chosen]
        if not costs:
            return []
        cycles = overlapped_cycles(costs, self.memories, self.pace, row_bytes=self.arch.row_bytes)
        return [float(c) for c in cycles.mean(axis=1)]

    def tiling(self, cut: _Cut, rating: _Rating, cost: float) -> Tiling:
        """The cut with its buffers."""
        _, copies, ahead = rating
        tiles = self.tiles(cut)
        buffers = self._buffers(tiles, copies)
        assert buffers is not None
        heights = {role: max(t.slices[role].size for t in tiles) for role in self.staged}
        return Tiling(
            tiles=tuple(tiles), buffers=buffers, heights=heights, cost=cost, ahead=ahead
        )  # fmt: skip

    def _buffers(self, tiles: list[Tile], copies: int) -> dict[str, tuple[int, ...]] | None:
        wanted = {
            role: (
                max(t.slices[role].size for t in tiles),
                min(copies, len(distinct(tiles, role))),
            )
            for role in sorted(self.staged)
        }
        return place_buffers(wanted, self.gaps)

    def _costs(self, tiles: list[Tile], copies: int, ahead: int) -> list[TileCost]:
        """What each tile moves and waits for."""
        begins: dict[str, list[int]] = {role: [] for role in self.staged - {OUT}}
        costs = []
        keeps, without = self.work.may_keep_words(self.arch), self.work.weights.without_words()
        for number, tile in enumerate(tiles):
            loads, reuses = 0, number - 1 - ahead if ahead else -1
            for role, first in begins.items():
                part = tile.slices[role]
                if number and tiles[number - 1].slices[role] == part:
                    continue
                loads += part.size
                if len(first) >= copies:
                    reuses = max(reuses, [*first, number][len(first) - copies + 1] - 1)
                first.append(number)
            groups = tile.groups[1] - tile.groups[0]
            kept = keeps and tile.band.rows != tiles[0].band.rows
            weights = (without if kept else self.work.weights).stream_bytes(groups)
            stores = tile.slices[OUT].size if OUT in self.staged else 0
            costs.append(
                TileCost(
                    loads=loads * self.arch.row_bytes,
                    stores=stores * self.arch.row_bytes,
                    weights=weights,
                    first_weights=weights // groups,
                    engines=self.engines(tile.band.rows, tile.groups),
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
                if len(ranges) > 1:  # what is before the small ends may be whole
                    whole = (parts[0], (self.work.groups,))
                    yield (*cut[:i], whole, (parts[1], ranges), *cut[i + 1 :])
        for i in range(len(cut) - 1):
            yield (*cut[:i], (heights[i] + heights[i + 1], cut[i][1]), *cut[i + 2 :])
            for pair in _given(heights[i], heights[i + 1], self.unit):
                two = zip(pair, (cut[i][1], cut[i + 1][1]), strict=True)
                yield (*cut[:i], *two, *cut[i + 2 :])


def _pace(work: Work, arch: ArchParams) -> Pace:
    """An EXEC of the array may begin behind another's vectors; the window engine waits for the
    end of the one before, with rows in its ring that the array has made ahead."""
    window, array = work.chain.uses_window, work.chain.array is not None
    end = overhead.step_end_cycles(
        arch, window=window, add=OTHER in work.tensors, squeeze=SQUEEZED in work.tensors
    )
    start = timing.array_read_latency(arch.pixels)
    begin = overhead.walk_cycles(arch.pixels, placed=False) + start
    if not window:
        return Pace(begin=begin, next=overhead.behind_cycles(arch.pixels, placed=True), end=end)
    ring = overhead.ring_cycles(arch, array=array)
    walk = overhead.ring_walk_cycles(arch.window_width, placed=False)
    behind = end + overhead.STEP_NEXT_CYCLES + (walk if array else start + ring)
    return Pace(begin=begin + ring, next=behind, end=end)


def _even(total: int, unit: int) -> list[tuple[int, ...]]:
    """``total`` in 1 to :data:`_MOST_TILES` parts of the same units, the last what is left."""
    sizes = {-(-total // (n * unit)) * unit for n in range(1, _MOST_TILES + 1)}
    return [(*[size] * ((total - 1) // size), total - (total - 1) // size * size) for size in sizes]


def _ramp(total: int, first: int, most: int) -> list[int]:
    """``total`` in parts of ``first``, twice that, and so on; none above about ``most``."""
    sizes: list[int] = []
    size = first
    while total > 0:
        sizes.append(min(size, total))
        total -= sizes[-1]
        size = min(2 * size, max(first, most // first * first))
    return sizes


def _halves(total: int, unit: int) -> tuple[int, ...]:
    """``total`` in half of it, half of the rest, and so on."""
    sizes: list[int] = []
    while total > unit and len(sizes) < 4:
        sizes.append(-(-total // (2 * unit)) * unit)
        total -= sizes[-1]
    return (*sizes, total)


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
    for first in sorted({unit, 2 * unit, 4 * unit, size // 2 // unit * unit, most}):
        if 0 < first < size:
            yield first, size - first


def _given(first: int, second: int, unit: int) -> Iterator[tuple[int, int]]:
    """One or some units from one to the other."""
    for moved in (unit, 2 * unit, 4 * unit):
        if first > moved:
            yield first - moved, second + moved
        if second > moved:
            yield first + moved, second - moved
