"""Weights that come before their time: where the feature memory is free, and DDR idle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams
from accelgen.cost import Memory
from accelgen.schedule.plan.memory import MemoryPlan
from accelgen.schedule.steps.work import Work

__all__ = ["Chunk", "Parking", "plan_parking"]

#: What the choice assumes: cycles an EXEC costs beside its engines, in which DDR moves too. A
#: guess, as the tilings' is; from 60 to 150 it changes nothing of ResNet-50.
_EXEC_CYCLES = 150
#: Bytes of a chunk: more make queues short of commands, fewer the memory short of holes.
_CHUNK_BYTES = 16384
_LEAST_BYTES = 8192
#: Rows of so many chunks are enough for those that are loaded while their step runs.
_SLOTS = 3
#: At least this part of the chunks must come before the step.
_LEAST_PART = 16
#: A step whose weights take more of its time than this is worth parking for.
_SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Rows ``row`` to ``row + rows`` hold the stream of step ``used`` from byte ``offset`` on.

    They are loaded during step ``loaded``, which is ``used`` or comes before it.
    """

    used: int
    loaded: int
    offset: int
    row: int
    rows: int


@dataclass(frozen=True)
class Parking:
    """Chunks in the order of the streams; a step's are the whole of its stream or none of it."""

    chunks: tuple[Chunk, ...] = ()
    _used: dict[int, list[Chunk]] = field(default_factory=dict)
    _loaded: dict[int, list[Chunk]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for chunk in self.chunks:
            self._used.setdefault(chunk.used, []).append(chunk)
            self._loaded.setdefault(chunk.loaded, []).append(chunk)

    def used(self, step: int) -> Sequence[Chunk]:
        """The stream of ``step``, in order."""
        return self._used.get(step, ())

    def loaded(self, step: int) -> Sequence[Chunk]:
        """What comes during ``step``, in order."""
        return self._loaded.get(step, ())


def plan_parking(
    works: list[Work], plan: MemoryPlan, moved: Sequence[int], arch: ArchParams,
    memory: Memory,
) -> Parking:  # fmt: skip
    """Park the weights of steps that DDR cannot feed in their time, as early as there is room.

    Streams are cut into chunks, loaded in the order of their use. A chunk is loaded in the first
    step that leaves DDR the time for it, if its rows are free from then on. What finds no such step
    comes while its own step runs, through the rows of chunks that are used up; where that is most
    of a stream, it is not parked. ``moved`` are the bytes each step moves anyway.
    """
    planner = _Planner(works, plan, moved, arch, memory)
    chunks: list[Chunk] = []
    for step in planner.short_of_time():
        chunks += planner.park(step)
    return Parking(tuple(chunks))


class _Planner:
    def __init__(
        self, works: list[Work], plan: MemoryPlan, moved: Sequence[int], arch: ArchParams,
        memory: Memory,
    ) -> None:  # fmt: skip
        self.arch = arch
        self.memory = memory
        # One EXEC, and nothing that passes through the memory.
        self.alone = [
            len(t.tiles) == 1 and not t.buffers and not w.strands
            for w, t in zip(works, plan.tilings, strict=True)
        ]
        parts = [
            [(w, t) for t in tiling.tiles] for w, tiling in zip(works, plan.tilings, strict=True)
        ]
        self.weights = [
            sum(w.weights.stream_bytes(t.groups[1] - t.groups[0]) for w, t in step)
            for step in parts
        ]
        self.can_move = [
            memory.rate * sum(w.cycles(t) + _EXEC_CYCLES for w, t in step) for step in parts
        ]
        # Bytes that a step leaves for others; negative where even its own are late.
        self.spare = [c - m - w for c, m, w in zip(self.can_move, moved, self.weights, strict=True)]
        self.busy = _busy_rows(plan, len(works), arch)
        self.ending = np.zeros_like(self.busy)  # chunks in the step that uses them up
        self.first = 0  # step of the last LOAD

    def short_of_time(self) -> list[int]:
        """Steps worth parking for."""
        return [
            step
            for step in range(1, len(self.weights))
            if self.alone[step]
            and self.weights[step] > max(_LEAST_BYTES, _SHARE * self.can_move[step])
        ]

    def park(self, step: int) -> list[Chunk]:
        """Chunks of the stream of ``step``; none when too few of them can come before it."""
        before = self.first, list(self.spare), self.ending.copy()
        # Its weights are no longer moved in its time; that is what the loader needs for them.
        at_least = self.memory.rate * self.weights[step] / self.arch.BUS_BYTES
        self.spare[step] += self.weights[step] + max(0, at_least - self.can_move[step])
        rows = -(-self.weights[step] // self.arch.row_bytes)
        size = max(1, _CHUNK_BYTES // self.arch.row_bytes)
        sizes = [min(size, rows - at) for at in range(0, rows, size)]
        places = self._place_early(step, sizes)
        if len(places) * _LEAST_PART < len(sizes):
            self.first, self.spare, self.ending = before
            return []
        places += self._place_late(step, sizes, places)
        return [
            Chunk(
                used=step, loaded=loaded, offset=i * size * self.arch.row_bytes, row=row, rows=rows
            )
            for i, ((loaded, row), rows) in enumerate(zip(places, sizes, strict=True))
        ]

    def _place_early(self, used: int, sizes: list[int]) -> list[tuple[int, int]]:
        """(step that loads, first row) of as many chunks as can come before step ``used``."""
        places: list[tuple[int, int]] = []
        for rows in sizes:
            for step in range(self.first, used):
                if not self.alone[step] or self.spare[step] < rows * self.arch.row_bytes:
                    continue
                row = self._hole(step, used, rows)
                if row is not None:
                    break
            else:
                break
            self.spare[step] -= rows * self.arch.row_bytes
            self._take(used, row, rows)
            self.first = step
            places.append((step, row))
        return places

    def _place_late(
        self, step: int, sizes: list[int], early: list[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """The same of the others: they take turns in the rows of ``early`` ones, and a few more."""
        slots = [row for _, row in early]
        while len(slots) < min(_SLOTS, len(sizes)):
            row = self._hole(step, step, sizes[0])
            if row is None:
                break
            self._take(step, row, sizes[0])
            slots.append(row)
        late = range(len(early), len(sizes))
        self.spare[step] -= sum(sizes[i] for i in late) * self.arch.row_bytes
        return [(step, slots[i % len(slots)]) for i in late]

    def _take(self, used: int, row: int, rows: int) -> None:
        # That is enough: chunks come in the order of their use, so that one that would be in this
        # one's way at any time is still there when this one is used.
        self.ending[used, row : row + rows] = True

    def _hole(self, first: int, last: int, rows: int) -> int | None:
        """First of ``rows`` rows that are free from step ``first`` to ``last``.

        Better from the step before on: then no LOAD waits for the last use of its rows. At worst
        those of chunks that ``first`` uses up: LOADs come after that in the program.
        """
        for since, ended in ((max(0, first - 1),) * 2, (first, first), (first, first + 1)):
            free = ~(
                self.busy[since : last + 1].any(axis=0) | self.ending[ended : last + 1].any(axis=0)
            )
            enough = [row for row, size in _runs(np.asarray(free)) if size >= rows]
            if enough:
                return enough[0]
        return None


def _busy_rows(plan: MemoryPlan, steps: int, arch: ArchParams) -> npt.NDArray[np.bool_]:
    """Per step, the feature rows that maps take."""
    busy = np.zeros((steps, arch.feature_rows), np.bool_)
    for interval, (row, size) in plan.spans().items():
        busy[interval.first : interval.last + 1, row : row + size] = True
    for step, tiling in enumerate(plan.tilings):
        # Steps that take turns share their buffers' time.
        turn = range(step - tiling.taken_over, step + 1 + tiling.handed_on)
        for role, rows in tiling.buffers.items():
            for row in rows:
                busy[turn[0] : turn[-1] + 1, row : row + tiling.heights[role]] = True
    return busy


def _runs(free: npt.NDArray[np.bool_]) -> Iterable[tuple[int, int]]:
    """(first, length) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], free.astype(np.int8), [0]))))
    return [(int(a), int(b - a)) for a, b in edges.reshape(-1, 2)]
