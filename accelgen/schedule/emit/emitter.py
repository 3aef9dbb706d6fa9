"""Planned steps to a list of commands: LOAD, WEIGHTS, EXEC, STORE per tile."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from accelgen.arch import ArchParams, limits
from accelgen.arch.isa import Opcode
from accelgen.arch.registers import PAGE_BYTES
from accelgen.ir.ops import Pair
from accelgen.lowering.storage import Storages
from accelgen.program.commands import Load, Store
from accelgen.schedule.emit.commands import CommandList, Rows
from accelgen.schedule.emit.fields import make_exec, make_strand, make_weights
from accelgen.schedule.emit.neighbours import Places, kept_words
from accelgen.schedule.overlap import BEHIND_BYTES
from accelgen.schedule.plan.memory import Interval, MemoryPlan
from accelgen.schedule.plan.parking import Chunk, Parking
from accelgen.schedule.steps.weights import StepWeights
from accelgen.schedule.steps.work import OUT, SOURCE, SQUEEZED, Slice, Tile, Work

__all__ = ["Emitter"]


class Emitter:
    """Walks the steps once and collects commands and weight streams.

    After :meth:`emit_all`: ``list`` holds the commands (DDR offsets of tensors count from the first
    tensor), ``streams`` the weight streams, ``ddr_rows`` each storage's first row in DDR and
    ``ddr_total`` the rows taken there.
    """

    def __init__(
        self, works: list[Work], storages: Storages, plan: MemoryPlan,
        exported: frozenset[str], arch: ArchParams, parking: Parking | None = None,
    ) -> None:  # fmt: skip
        self.works = works
        self.parking = parking or Parking()
        self.storages = storages
        self.plan = plan
        self.exported = exported
        self.arch = arch
        self.streams = bytearray()
        self._stream_at: dict[bytes, int] = {}
        self._made_by = {t: step for step, w in enumerate(works) for t in w.chain.writes}
        self._ddr_reads = self._find_ddr_reads(exported)
        self.ddr_rows, self.ddr_total = self._lay_out_ddr()
        self.list = CommandList(arch.feature_rows, self.ddr_total)
        self._execs = 0
        self._places = Places()
        #: LOADs that later weights wait for: they would share the memory's bandwidth with what the
        #: first EXEC cannot begin without. Its last one is cut, as they are asked for a latency
        #: before they come.
        self._begin_loads = 0

    # Facts.

    def _find_ddr_reads(self, exported: frozenset[str]) -> dict[str, list[tuple[Pair, int]]]:
        """Per storage: (channel groups, step) that are read from DDR. The host reads at the end."""
        reads: dict[str, list[tuple[Pair, int]]] = {}

        def note(tensor: str, step: int) -> None:
            place = self.storages.places[tensor]
            groups = (place.first, place.first + place.groups)
            reads.setdefault(place.storage, []).append((groups, step))

        for tensor in sorted(exported):
            note(tensor, len(self.works))
        for step, work in enumerate(self.works):
            for tensor in work.chain.reads:
                handed = self.plan.tilings[step].taken_over and tensor == work.tensors[SOURCE]
                absent = self.plan.resident(self.storages.places[tensor].storage, step) is None
                if absent and not handed:
                    note(tensor, step)
        for interval in self.plan.rows:
            for groups in self._first_loads(interval):
                reads.setdefault(interval.storage, []).append((groups, interval.first))
        return reads

    def _first_loads(self, interval: Interval) -> list[Pair]:
        """Channel groups that must be loaded when ``interval`` begins: made before, read in it."""
        wanted: set[int] = set()
        for step in range(interval.first, interval.last + 1):
            for tensor in self.works[step].chain.reads:
                place = self.storages.places[tensor]
                if place.storage == interval.storage:
                    wanted |= set(range(place.first, place.first + place.groups))
        fresh: set[int] = set()  # made while the interval lasts
        for tensor, step in self._made_by.items():
            place = self.storages.places[tensor]
            if place.storage == interval.storage and step >= interval.first:
                fresh |= set(range(place.first, place.first + place.groups))
        return _runs(sorted(wanted - fresh))

    def _lay_out_ddr(self) -> tuple[dict[str, int], int]:
        """Every storage that is ever in DDR, page after page."""
        at, rows = 0, {}
        page = PAGE_BYTES // self.arch.row_bytes
        staged = {
            self.storages.places[work.tensors[role]].storage
            for work, tiling in zip(self.works, self.plan.tilings, strict=True)
            for role in tiling.buffers
            if not (tiling.handed_on and role == OUT) and not (tiling.taken_over and role == SOURCE)
        }
        for storage in sorted(staged | set(self._ddr_reads)):
            rows[storage] = at
            groups, height = self.storages.sizes[storage]
            at += -(-groups * height // page) * page
        return rows, at

    def _is_read_from_ddr(self, tensor: str, after: int) -> bool:
        place = self.storages.places[tensor]
        return any(
            groups[0] < place.first + place.groups and place.first < groups[1] and step > after
            for groups, step in self._ddr_reads.get(place.storage, ())
        )

    # Commands.

    def emit_all(self, steps: int | None = None) -> None:
        """Every step's commands, in order, or those of the first ``steps``; steps that hand bands
        on take turns."""
        step = 0
        while step < len(self.works) and (steps is None or step < steps):
            together = 2 if self.plan.tilings[step].handed_on else 1
            turn = range(step, step + together)
            for interval, row in sorted(self.plan.rows.items()):
                if interval.first in turn:
                    self._load_whole(interval.first, interval, row)
            loaded: dict[int, dict[str, tuple[int, Slice]]] = {s: {} for s in turn}
            for number in range(len(self.plan.tilings[step].tiles)):
                for s in turn:
                    self._emit_tile(s, number, loaded[s])
            step += together

    def _load_whole(self, step: int, interval: Interval, row: int) -> None:
        _, height = self.storages.sizes[interval.storage]
        for first, last in self._first_loads(interval):
            part = Slice((first, last), (0, height))
            at = Rows(row + first * height, height, last - first, height)
            self._load(step, interval.storage, 0, part, at)

    def _emit_tile(self, step: int, index: int, loaded: dict[str, tuple[int, Slice]]) -> None:
        """LOADs of what passes through, WEIGHTS, EXEC, STOREs.

        ``loaded`` keeps, per role, which slice of the step the last one was, and the slice.
        """
        work, tiling = self.works[step], self.plan.tilings[step]
        tile = tiling.tiles[index]
        at: dict[str, Rows] = {}
        for role, part in tile.slices.items():
            place = self.storages.places[work.tensors[role]]
            if role not in tiling.buffers:
                at[role] = self._resident(step, place.storage, place.first, part)
                continue
            number, last = loaded.get(role, (-1, None))
            if part != last:
                number += 1
            loaded[role] = number, part
            buffers = tiling.buffers[role]
            row = buffers[number % len(buffers)]
            at[role] = Rows(row, part.height, part.groups[1] - part.groups[0], part.height)
            from_ddr = role not in (OUT, SQUEEZED) and not (tiling.taken_over and role == SOURCE)
            if from_ddr and part != last:
                after = self._execs - tiling.ahead if tiling.ahead else 0
                self._load(step, place.storage, place.first, part, at[role], after)
        for strand in range(len(self.works[step].strands) or 1):
            self._emit_exec(step, index, at, strand)
        if tile is tiling.tiles[0]:
            self._emit_parked(step)
        for role in (OUT, SQUEEZED) if tile.ends else (OUT,):
            if role not in at:
                continue
            tensor = work.tensors[role]
            to_ddr = role in tiling.buffers and not (tiling.handed_on and role == OUT)
            if to_ddr or self._is_read_from_ddr(tensor, step):
                place = self.storages.places[tensor]
                part = tile.slices[role]
                self._transfer(Store, step, place.storage, place.first, part, at[role])

    def _resident(self, step: int, storage: str, first: int, part: Slice) -> Rows:
        row = self.plan.resident(storage, step)
        assert row is not None
        _, height = self.storages.sizes[storage]
        start = row + (first + part.groups[0]) * height + part.rows[0]
        return Rows(start, height, part.groups[1] - part.groups[0], part.height)

    def _emit_exec(self, step: int, index: int, at: dict[str, Rows], strand: int) -> None:
        work, tile = self.works[step], self.plan.tilings[step].tiles[index]
        bank = self._execs % limits.TABLE_BANKS
        self._execs += 1
        words = kept_words(work, self.plan.tilings[step], index, self.arch)
        weights = work.strands[strand].weights if work.strands else work.weights
        weights = weights if words.come else weights.without_words()
        offset, size = self._place_stream(weights, tile)
        stream = make_weights(weights, tile, offset, size, bank)
        stream = replace(stream, parked=bool(self.parking.used(step)))
        made = (OUT, SQUEEZED) if tile.ends else (OUT,)
        if work.strands:
            command = make_strand(work, tile, at, bank, strand)
        else:
            command = make_exec(work, tile, at, bank)
        early = command.array and not self.list.last_exec_wrote(at[SOURCE])
        command = replace(command, keep=words.keep, rewind=words.rewind, early=early)
        after_loads = self._begin_loads if self._execs > 1 else 0
        self.list.add(step, stream, after_loads=after_loads)
        self.list.add(
            step,
            self._places.marked(command),
            reads=[("feature", r) for role, r in at.items() if role not in (OUT, SQUEEZED)],
            writes=[("feature", r) for role, r in at.items() if role in made],
        )

    def _place_stream(self, weights: StepWeights, tile: Tile) -> tuple[int, int]:
        """Offset of the weight stream of ``tile`` in the image, and its bytes; equal ones once."""
        stream = weights.stream(*tile.groups)
        offset = self._stream_at.get(stream)
        if offset is None:
            offset = self._stream_at[stream] = len(self.streams)
            self.streams += stream
        return offset, len(stream)

    def _emit_parked(self, step: int) -> None:
        """The step's parked weights to the loader, and LOADs of those of coming steps.

        After the EXEC that waits for them: were they before it and the queues full, neither would
        ever come. Before its STOREs, which wait for it.
        """
        for chunk in self.parking.used(step):
            if chunk.loaded == step:
                self._load_parked(chunk)
            rows = Rows(chunk.row, chunk.rows, 1, chunk.rows)
            store = Store(
                row=rows.first, row_stride=rows.stride, groups=1, rows=rows.rows, weights=True
            )
            self.list.add(step, store, reads=[("feature", rows)])
        for chunk in self.parking.loaded(step):
            if chunk.used != step:
                self._load_parked(chunk)

    def _load_parked(self, chunk: Chunk) -> None:
        work, tiling = self.works[chunk.used], self.plan.tilings[chunk.used]
        offset, _ = self._place_stream(work.weights, tiling.tiles[0])
        rows = Rows(chunk.row, chunk.rows, 1, chunk.rows)
        load = Load(
            offset=offset + chunk.offset,
            row=rows.first,
            row_stride=rows.stride,
            groups=1,
            rows=rows.rows,
        )
        self.list.add(chunk.used, load, writes=[("feature", rows)], in_image=True)

    def _transfer(
        self, kind: type[Load] | type[Store], step: int, storage: str, first: int, part: Slice,
        at: Rows, after_execs: int = 0,
    ) -> None:  # fmt: skip
        """LOAD or STORE of ``part`` (groups counted from group ``first`` of the storage)."""
        _, height = self.storages.sizes[storage]
        row = self.ddr_rows[storage] + (first + part.groups[0]) * height + part.rows[0]
        ddr = Rows(row, height, at.groups, at.rows)
        # Groups that follow one another on both sides are one run, in long bursts.
        joined = at.stride == at.rows == height
        command = kind(
            offset=row * self.arch.row_bytes,
            stride=height * self.arch.row_bytes,
            row=at.first,
            row_stride=at.stride,
            groups=1 if joined else at.groups,
            rows=at.groups * at.rows if joined else at.rows,
        )
        source, target = (
            (("ddr", ddr), ("feature", at)) if kind is Load else (("feature", at), ("ddr", ddr))
        )
        self.list.add(step, command, reads=[source], writes=[target], after_execs=after_execs)

    def _load(
        self, step: int, storage: str, first: int, part: Slice, at: Rows, after_execs: int = 0
    ) -> None:
        """LOAD of ``part``; before the first EXEC, the last groups by themselves."""
        if self._execs:
            self._transfer(Load, step, storage, first, part, at, after_execs)
            return
        low, high = part.groups
        behind = -(-BEHIND_BYTES // (at.rows * self.arch.row_bytes))
        ends = [high - behind, high] if high - behind > low else [high]
        for begin, end in pairwise([low, *ends]):
            rows = Rows(at.first + (begin - low) * at.stride, at.stride, end - begin, at.rows)
            self._transfer(Load, step, storage, first, Slice((begin, end), part.rows), rows)
            if begin == low:
                self._begin_loads = self.list.count[Opcode.LOAD]


def _runs(numbers: list[int]) -> list[Pair]:
    """Sorted numbers to half-open runs."""
    runs: list[Pair] = []
    for n in numbers:
        if runs and runs[-1][1] == n:
            runs[-1] = (runs[-1][0], n + 1)
        else:
            runs.append((n, n + 1))
    return runs
