"""Which tensors are in the feature memory when, and where; what passes through it in tiles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from accelgen.arch import ArchParams
from accelgen.errors import ScheduleError
from accelgen.schedule.storage import Storages
from accelgen.schedule.tiling import Tiling, choose_tiling, whole
from accelgen.schedule.work import OTHER, OUT, SOURCE, Work

__all__ = ["Apart", "Interval", "MemoryPlan", "plan_memory"]


@dataclass(frozen=True, order=True)
class Interval:
    """Storage ``storage`` is in the feature memory from step ``first`` to ``last``."""

    storage: str
    first: int
    last: int

    def covers(self, step: int) -> bool:
        """The storage is there during ``step``."""
        return self.first <= step <= self.last


@dataclass(frozen=True)
class Apart:
    """There is no plan while GlobalAvgPool ``node`` is part of another step."""

    node: str


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """First feature row of every interval, and the tiling of every step."""

    rows: dict[Interval, int]
    tilings: tuple[Tiling, ...]
    rows_used: int

    def resident(self, storage: str, step: int) -> int | None:
        """First feature row of ``storage`` during ``step``; None when it is only in DDR."""
        for interval, row in self.rows.items():
            if interval.storage == storage and interval.covers(step):
                return row
        return None


def plan_memory(
    works: list[Work], storages: Storages, in_ddr: frozenset[str], arch: ArchParams
) -> MemoryPlan | Apart:
    """Keep everything in the feature memory; where that fails, spill what is idle the longest.

    ``in_ddr`` are storages that are in DDR anyway (graph inputs, outputs): one that only a single
    step touches is not kept, it passes through in tiles.

    Raises
    ------
    ScheduleError
        A step does not fit, however it is tiled.
    """
    planner = _Planner(works, storages, arch)
    intervals = planner.everything(in_ddr)
    while True:
        rows = planner.allocate(intervals)
        if isinstance(rows, int):
            stuck = rows
        else:
            tilings, stuck = planner.tile(rows)
            if stuck < 0:
                used = planner.rows_used(rows, tilings)
                return MemoryPlan(rows=rows, tilings=tuple(tilings), rows_used=used)
        spilled = planner.spill(intervals, stuck)
        if isinstance(spilled, Apart):
            return spilled
        intervals = spilled


class _Planner:
    """The search's fixed facts: who touches what when, sizes, and who may overwrite whom."""

    def __init__(self, works: list[Work], storages: Storages, arch: ArchParams) -> None:
        self.works = works
        self.arch = arch
        self.places = storages.places
        self.size = {s: groups * rows for s, (groups, rows) in storages.sizes.items()}
        self.touches: dict[str, list[int]] = {}
        for step, work in enumerate(works):
            for tensor in dict.fromkeys(work.tensors.values()):
                steps = self.touches.setdefault(self.places[tensor].storage, [])
                if not steps or steps[-1] != step:
                    steps.append(step)
        self.in_place = set(_in_place(works, storages))

    def everything(self, in_ddr: frozenset[str]) -> list[Interval]:
        """One interval per storage, from its first to its last use."""
        return [
            Interval(storage, steps[0], steps[-1])
            for storage, steps in self.touches.items()
            if len(steps) > 1 or storage not in in_ddr
        ]

    def allocate(self, intervals: list[Interval]) -> dict[Interval, int] | int:
        """First row of each interval, or the step at which memory is fullest when there is no room.

        First fit, in the order that works of three.
        """
        orders = (
            lambda i: (-self.size[i.storage], i.first),
            lambda i: (-self.size[i.storage] * (i.last - i.first + 1), i.first),
            lambda i: (i.first, -self.size[i.storage]),
        )
        failed: Interval | None = None
        for order in orders:
            rows, bad = self._first_fit(sorted(intervals, key=order))
            if bad is None:
                return rows
            failed = failed or bad
        assert failed is not None
        return max(
            range(failed.first, failed.last + 1),
            key=lambda step: sum(self.size[i.storage] for i in intervals if i.covers(step)),
        )

    def _first_fit(self, intervals: list[Interval]) -> tuple[dict[Interval, int], Interval | None]:
        rows: dict[Interval, int] = {}
        for interval in intervals:
            size = self.size[interval.storage]
            others = [
                (row, row + self.size[other.storage], self._may_share(interval, other))
                for other, row in rows.items()
                if other.first <= interval.last and interval.first <= other.last
            ]
            shared = [start for start, _, share in others if share]
            for at in [*shared, *sorted({0, *(end for _, end, _ in others)})]:
                free = all(
                    at + size <= start or end <= at or (share and at == start)
                    for start, end, share in others
                )
                if free and at + size <= self.arch.feature_rows:
                    rows[interval] = at
                    break
            else:
                return rows, interval
        return rows, None

    def _may_share(self, a: Interval, b: Interval) -> bool:
        """One is read for the last time by the step that writes the other, row by row."""
        return (a.last == b.first and (a.storage, b.storage, a.last) in self.in_place) or (
            b.last == a.first and (b.storage, a.storage, b.last) in self.in_place
        )

    def tile(self, rows: dict[Interval, int]) -> tuple[list[Tiling], int]:
        """A tiling for each step, and -1; or the step for which there is none."""
        tilings: list[Tiling] = []
        for step, work in enumerate(self.works):
            here = {i.storage for i in rows if i.covers(step)}
            staged = frozenset(
                role for role, t in work.tensors.items() if self.places[t].storage not in here
            )
            if not staged:
                tilings.append(whole(work))
                continue
            tiling = choose_tiling(work, staged, self._gaps(rows, step), self.arch)
            if tiling is None:
                return tilings, step
            tilings.append(tiling)
        return tilings, -1

    def _gaps(self, rows: dict[Interval, int], step: int) -> list[tuple[int, int]]:
        """(first row, rows) of what no interval takes during ``step``."""
        taken = sorted(
            (row, row + self.size[i.storage]) for i, row in rows.items() if i.covers(step)
        )
        gaps, at = [], 0
        for start, end in [*taken, (self.arch.feature_rows, self.arch.feature_rows)]:
            if start > at:
                gaps.append((at, start - at))
            at = max(at, end)
        return gaps

    def rows_used(self, rows: dict[Interval, int], tilings: list[Tiling]) -> int:
        """Highest feature row in use at any time, plus one."""
        ends = [row + self.size[i.storage] for i, row in rows.items()]
        for tiling in tilings:
            ends += [row + tiling.heights[r] for r, at in tiling.buffers.items() for row in at]
        return max(ends, default=0)

    def spill(self, intervals: list[Interval], step: int) -> list[Interval] | Apart:
        """Give up an interval at ``step``: the largest and longest idle, then what it works on."""

        def idle(i: Interval) -> int:
            uses = self.touches[i.storage]
            after = min(u for u in uses if u > step)
            return self.size[i.storage] * (after - max(u for u in uses if u < step))

        live = [i for i in intervals if i.covers(step)]
        waiting = [i for i in live if step not in self.touches[i.storage]]
        if waiting:
            return self._without(intervals, max(waiting, key=idle), step)
        chain = self.works[step].chain
        if chain.squeeze is not None and len(chain.nodes) > 1:
            return Apart(chain.squeeze.name)
        if not live:
            raise ScheduleError(
                f"node '{chain.name}' does not fit the feature memory of"
                f" {self.arch.feature_rows:,} rows, not even in its smallest tiles: raise"
                " feature_rows"
            )
        return self._without(intervals, max(live, key=lambda i: self.size[i.storage]), step)

    def _without(self, intervals: list[Interval], victim: Interval, step: int) -> list[Interval]:
        """``victim`` split around ``step``; a part that a single step uses is not worth keeping."""
        uses = [u for u in self.touches[victim.storage] if victim.covers(u)]
        parts = [[u for u in uses if u < step], [u for u in uses if u > step]]
        kept = [Interval(victim.storage, p[0], p[-1]) for p in parts if len(p) > 1]
        return [i for i in intervals if i != victim] + kept


def _in_place(works: list[Work], storages: Storages) -> Iterable[tuple[str, str, int]]:
    """(storage read, storage written, step): the write of a row comes after its last read."""
    for step, work in enumerate(works):
        if OUT not in work.tensors:
            continue
        geometry = work.geometry
        second = geometry.second
        row_by_row = (
            work.chain.array is None
            and second is not None
            and second.kernel == second.stride == (1, 1)
            and (second.out_h, second.out_w) == (second.height, second.width)
            and second.pad_top == second.pad_left == 0
        )
        out = storages.places[work.tensors[OUT]]
        source = storages.places[work.tensors[SOURCE]]
        candidates = [source] if row_by_row else []
        if work.chain.add is not None:
            other = storages.places[work.tensors[OTHER]]
            if row_by_row or other.storage != source.storage:
                candidates.append(other)
        for place in candidates:
            same = storages.sizes[place.storage] == storages.sizes[out.storage]
            if same and all(p.groups == storages.sizes[p.storage][0] for p in (place, out)):
                yield place.storage, out.storage, step
