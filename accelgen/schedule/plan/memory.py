"""Which tensors are in the feature memory when, and where; what passes through it in tiles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf

from accelgen.arch import ArchParams
from accelgen.cost import Memory
from accelgen.errors import ScheduleError
from accelgen.lowering.storage import Storages
from accelgen.schedule.plan.cuts import cut_unevenly
from accelgen.schedule.plan.tiling import Tiling, choose_pair, choose_tiling, whole
from accelgen.schedule.steps.work import OTHER, OUT, SOURCE, SQUEEZED, Work

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
    """First feature row of every interval, ``sizes`` of storages, the tiling of every step."""

    rows: dict[Interval, int]
    tilings: tuple[Tiling, ...]
    sizes: dict[str, int]

    @property
    def rows_used(self) -> int:
        """Highest feature row in use at any time, plus one."""
        ends = [row + size for row, size in self.spans().values()]
        for tiling in self.tilings:
            ends += [row + tiling.heights[r] for r, at in tiling.buffers.items() for row in at]
        return max(ends, default=0)

    def spans(self) -> dict[Interval, tuple[int, int]]:
        """(first feature row, rows) of every interval."""
        return {i: (row, self.sizes[i.storage]) for i, row in self.rows.items()}

    def resident(self, storage: str, step: int) -> int | None:
        """First feature row of ``storage`` during ``step``; None when it is only in DDR."""
        for interval, row in self.rows.items():
            if interval.storage == storage and interval.covers(step):
                return row
        return None


def plan_memory(
    works: list[Work], storages: Storages, in_ddr: frozenset[str], arch: ArchParams,
    memories: tuple[Memory, ...], *, layerwise: bool = False,
) -> MemoryPlan | Apart:  # fmt: skip
    """Keep everything in the feature memory; where that fails, spill what is idle the longest.

    ``in_ddr`` are storages that are in DDR anyway (graph inputs, outputs): one that only a single
    step touches is not kept, it passes through in tiles. Cuts must be good in the mean over
    ``memories``; the last is the whole one. ``layerwise``: keep nothing instead, every step reads
    its maps from DDR and leaves its own there.

    Raises
    ------
    ScheduleError
        A step does not fit, however it is tiled.
    """
    planner = _Planner(works, storages, arch, memories)
    intervals = [] if layerwise else planner.everything(in_ddr)
    while True:
        rows = planner.allocate(intervals)
        if isinstance(rows, int):
            stuck = rows
        else:
            tilings, stuck = planner.tile(rows, pairs=not layerwise)
            if stuck < 0:
                tilings = tilings if layerwise else planner.cut(rows, tilings)
                return MemoryPlan(rows=rows, tilings=tuple(tilings), sizes=planner.size)
        spilled = planner.spill(intervals, stuck)
        if isinstance(spilled, Apart):
            return spilled
        intervals = spilled


class _Planner:
    """The search's fixed facts: who touches what when, sizes, and who may overwrite whom."""

    def __init__(
        self, works: list[Work], storages: Storages, arch: ArchParams, memories: tuple[Memory, ...]
    ) -> None:
        self.works = works
        self.memories = memories
        # A processor reads beside any step: tiles go by what is left in the mean. The first step's
        # and the last's are cut again, for each memory.
        rates = [m.bytes_per_cycle for m in memories]
        self.memory = replace(memories[-1], bytes_per_cycle=sum(rates) / len(rates))
        self.arch = arch
        self.places = storages.places
        # Even, so that everything begins with an even row, as maps in phases must.
        self.size = {s: _even(groups * rows) for s, (groups, rows) in storages.sizes.items()}
        self.touches: dict[str, list[int]] = {}
        for step, work in enumerate(works):
            for tensor in dict.fromkeys(work.tensors.values()):
                steps = self.touches.setdefault(self.places[tensor].storage, [])
                if not steps or steps[-1] != step:
                    steps.append(step)
        self.in_place = set(_in_place(works, storages))

    def everything(self, in_ddr: frozenset[str]) -> list[Interval]:
        """One interval per storage that could fit, from its first to its last use."""
        return [
            Interval(storage, steps[0], steps[-1])
            for storage, steps in self.touches.items()
            if self.size[storage] <= self.arch.feature_rows
            and (len(steps) > 1 or storage not in in_ddr)
        ]

    def allocate(self, intervals: list[Interval]) -> dict[Interval, int] | int:
        """First row of each interval, or the step at which memory is fullest when there is no room.

        First fit, in the order that works of three. Better if steps that could hand bands on find
        what the second brings in apart from what the first works on.
        """
        orders = (
            lambda i: (-self.size[i.storage], i.first),
            lambda i: (-self.size[i.storage] * (i.last - i.first + 1), i.first),
            lambda i: (i.first, -self.size[i.storage]),
        )
        turns = self._turns(intervals)
        while True:
            for order in orders:
                rows, failed = self._first_fit(sorted(intervals, key=order), turns)
                if failed is None:
                    return rows
            assert failed is not None
            if not turns:
                break
            # Give up the turns that the failed interval is part of; all of them if it is in none.
            near = {s for s in turns if failed.covers(s) or failed.first == s + 1}
            turns -= near or turns
        return max(
            range(failed.first, failed.last + 1),
            key=lambda step: sum(self.size[i.storage] for i in intervals if i.covers(step)),
        )

    def _turns(self, intervals: list[Interval]) -> frozenset[int]:
        """Steps that could take turns with the next: the tensor between them is not kept."""
        kept = {i.storage for i in intervals}
        between = {step: self._between(step) for step in range(len(self.works) - 1)}
        return frozenset(s for s, tensor in between.items() if tensor and tensor not in kept)

    def _between(self, step: int) -> str:
        """The tensor that ``step`` makes, the next step walks over, and nobody else touches."""
        first, second = self.works[step : step + 2]
        tensor = first.tensors.get(OUT, "")
        fitting = (
            tensor == second.tensors[SOURCE] != second.tensors.get(OTHER)
            and self.places[tensor].storage == tensor
            and self.touches[tensor] == [step, step + 1]
            and not any(SQUEEZED in w.tensors or w.geometry.raw for w in (first, second))
        )
        return tensor if fitting else ""

    def _first_fit(
        self, intervals: list[Interval], turns: frozenset[int]
    ) -> tuple[dict[Interval, int], Interval | None]:
        """Rows of intervals, and the first that found no room. What a step in ``turns`` works on
        must not meet what the next step brings in."""
        rows: dict[Interval, int] = {}

        def meets(a: Interval, b: Interval) -> bool:
            used = a.first <= b.first - 1 <= a.last and b.first - 1 in self.touches[a.storage]
            return b.first - 1 in turns and used

        for interval in intervals:
            size = self.size[interval.storage]
            others = []
            for other, row in rows.items():
                apart = meets(interval, other) or meets(other, interval)
                if apart or (other.first <= interval.last and interval.first <= other.last):
                    share = not apart and self._may_share(interval, other)
                    others.append((row, row + self.size[other.storage], share))
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

    def tile(self, rows: dict[Interval, int], *, pairs: bool) -> tuple[list[Tiling], int]:
        """A tiling for each step, and -1; or the step for which there is none. ``pairs``: steps may
        take turns."""
        tilings: list[Tiling] = []
        alone = [self._tile_alone(rows, step) for step in range(len(self.works))]
        while len(tilings) < len(self.works):
            step = len(tilings)
            now, then = alone[step], alone[step + 1] if step + 1 < len(self.works) else None
            pair = self._tile_pair(rows, step) if pairs else None
            if pair is not None and (
                now is None or then is None or pair[0].cost < now.cost + then.cost
            ):
                tilings += pair
            elif now is not None:
                tilings.append(now)
            else:
                return tilings, step
        return tilings, -1

    def cut(self, rows: dict[Interval, int], tilings: list[Tiling]) -> list[Tiling]:
        """The tilings with small ends where nothing else hides loading and storing: in the first
        step and the last."""
        result = list(tilings)
        for step in {0, len(tilings) - 1}:
            tiling = tilings[step]
            if not (tiling.handed_on or tiling.taken_over):
                gaps = self._gaps(rows, step, step)
                result[step] = cut_unevenly(
                    self.works[step], tiling, gaps, self.arch, self.memories
                )
        return result

    def _staged(self, rows: dict[Interval, int], step: int) -> frozenset[str]:
        """Roles whose storages are not in the feature memory during ``step``."""
        here = {i.storage for i in rows if i.covers(step)}
        tensors = self.works[step].tensors
        return frozenset(r for r, t in tensors.items() if self.places[t].storage not in here)

    def _tile_alone(self, rows: dict[Interval, int], step: int) -> Tiling | None:
        staged = self._staged(rows, step)
        if not staged:
            return whole(self.works[step])
        gaps = self._gaps(rows, step, step)
        end = step in {0, len(self.works) - 1}
        memory = self.memories[-1] if end else self.memory
        return choose_tiling(self.works[step], staged, gaps, self.arch, memory)

    def _tile_pair(self, rows: dict[Interval, int], step: int) -> tuple[Tiling, Tiling] | None:
        """Step and the next taking turns, if the tensor between them is theirs alone and staged."""
        if step + 1 == len(self.works) or not self._between(step):
            return None
        staged = self._staged(rows, step), self._staged(rows, step + 1)
        if OUT not in staged[0] or self._clash(rows, step):
            return None
        first, second = self.works[step : step + 2]
        gaps = self._gaps(rows, step, step + 1)
        return choose_pair(first, second, staged, gaps, self.arch, self.memory)

    def _clash(self, rows: dict[Interval, int], step: int) -> bool:
        """What the next step brings in lies where ``step`` still works: they cannot take turns."""

        def spans(which: Iterable[Interval]) -> list[tuple[int, int]]:
            return [(rows[i], rows[i] + self.size[i.storage]) for i in which]

        new = spans(i for i in rows if i.first == step + 1)
        used = spans(i for i in rows if i.covers(step) and step in self.touches[i.storage])
        return any(a < d and c < b for a, b in new for c, d in used)

    def _gaps(self, rows: dict[Interval, int], first: int, last: int) -> list[tuple[int, int]]:
        """(first row, rows) of what no interval takes from step ``first`` to ``last``."""
        taken = sorted(
            (row, row + self.size[i.storage])
            for i, row in rows.items()
            if i.first <= last and first <= i.last
        )
        gaps, at = [], 0
        for start, end in [*taken, (self.arch.feature_rows, self.arch.feature_rows)]:
            if start > at:
                gaps.append((at, start - at))
            at = max(at, end)
        return gaps

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
        costs = {i: self._cost_without(live, i, step) for i in live}
        # Squeezing takes whole maps: where ranges of groups do not fit, it leaves the step.
        if min(costs.values(), default=inf) == inf and len(chain.nodes) > 1 and chain.squeeze:
            return Apart(chain.squeeze.name)
        if not live:
            raise ScheduleError(
                f"node '{chain.name}' does not fit the feature memory of"
                f" {self.arch.feature_rows:,} rows, not even in its smallest tiles: raise"
                " feature_rows",
                node=chain.name,
            )
        return self._without(
            intervals, min(live, key=lambda i: (costs[i], -self.size[i.storage])), step
        )

    def _cost_without(self, live: list[Interval], victim: Interval, step: int) -> float:
        """Cycles, roughly, of ``step`` when ``victim`` passes through it; infinite if it does not
        fit even then."""
        rest = {i.storage for i in live if i != victim}
        free = self.arch.feature_rows - sum(self.size[s] for s in rest)
        if free <= 0:
            return inf
        work = self.works[step]
        staged = frozenset(r for r, t in work.tensors.items() if self.places[t].storage not in rest)
        tiling = choose_tiling(work, staged, [(0, free)], self.arch, self.memory)
        return inf if tiling is None else tiling.cost

    def _without(self, intervals: list[Interval], victim: Interval, step: int) -> list[Interval]:
        """``victim`` split around ``step``; a part that a single step uses is not worth keeping."""
        uses = [u for u in self.touches[victim.storage] if victim.covers(u)]
        parts = [[u for u in uses if u < step], [u for u in uses if u > step]]
        kept = [Interval(victim.storage, p[0], p[-1]) for p in parts if len(p) > 1]
        return [i for i in intervals if i != victim] + kept


def _even(rows: int) -> int:
    return rows + rows % 2


def _in_place(works: list[Work], storages: Storages) -> Iterable[tuple[str, str, int]]:
    """(storage read, storage written, step): the write of a row comes after its last read."""
    for step, work in enumerate(works):
        if OUT not in work.tensors or work.out_phases:
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
