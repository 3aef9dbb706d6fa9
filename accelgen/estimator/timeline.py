"""A program's time line: its commands walked through the hardware's units, in cycles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from accelgen.arch import ArchParams, limits, overhead, timing
from accelgen.arch.isa import FETCH_BYTES, Opcode
from accelgen.cost.bandwidth import Bandwidth
from accelgen.cost.events import Delay, Process, Simulation, Wait
from accelgen.cost.memory import Memory
from accelgen.estimator.ports import Piece, ReadPort
from accelgen.estimator.step_time import StepTime, step_time
from accelgen.estimator.transfers import Loads, Stores
from accelgen.estimator.weight_stream import Group, WeightStream
from accelgen.program.commands import End, Exec, Load, Store, Weights
from accelgen.program.encode import command_bytes
from accelgen.program.records import Program

__all__ = ["Move", "Span", "Timeline", "timeline"]

#: A burst of commands is followed in so many parts, as they are handed out while it comes.
FETCH_PARTS = 4

_UNITS = {
    Opcode.EXEC: "exec", Opcode.WEIGHTS: "weights", Opcode.LOAD: "load", Opcode.STORE: "store",
}  # fmt: skip
UnitCommand = Exec | Weights | Load | Store
C = TypeVar("C", Exec, Weights, Load, Store)


@dataclass(kw_only=True)
class Span:
    """One EXEC on the time line, in cycles since the program's start.

    ``before`` is the end of the EXEC before it; ``overhead`` what starting, filling and ending
    take where nothing disturbs, ``ring`` from front to window engine, ``ending`` after the last.
    ``early``: the array begins before that end; ``walk`` makes the array's raster ready, in
    ``behind`` cycles more than the step before takes, ``ring_walk`` the window engine's.
    ``front_start``: the array, or the copy, begins with the first group; ``front_end``: it has all
    operands. ``window_start``: the window engine begins.
    """

    time: StepTime
    overhead: float
    ring: int
    ending: int
    early: bool
    walk: int
    behind: int
    ring_walk: int
    front_start: float = 0.0
    front_end: float = 0.0
    window_start: float = 0.0
    before: float = 0.0
    start: float = 0.0
    end: float = 0.0


@dataclass(frozen=True)
class Move:
    """A WEIGHTS, LOAD or STORE, by its place in the program: from the cycle in which its unit takes
    it to that in which its last byte is where it belongs."""

    unit: str
    command: int
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """``spans`` of the program's EXECs in order, ``moves`` of the other units, and ``cycles`` from
    start to done."""

    spans: tuple[Span, ...]
    moves: tuple[Move, ...]
    cycles: float
    read_bytes: int
    written_bytes: int


def timeline(program: Program, memory: Memory, competing: float = 0.0) -> Timeline:
    """Walk ``program`` through fetch, weight loader, LOAD, STORE and the datapath.

    Every unit is a process; they wait for one another exactly where the hardware does, and share
    the memory's bandwidth, with others that want ``competing`` bytes per cycle, too.

    Raises ValueError when the program waits for what never comes.
    """
    run = _Run(program, memory, competing)
    if not run.simulation.run(*run.processes()):
        raise ValueError("the program deadlocks: a command waits for what never completes")
    return Timeline(
        spans=tuple(run.spans),
        moves=tuple(run.moves()),
        cycles=run.simulation.now + overhead.PROGRAM_END_CYCLES,
        read_bytes=run.weight_bytes + run.fetched + run.loads.read_bytes,
        written_bytes=run.stores.written_bytes,
    )


@dataclass
class _Counts:
    loads: int = 0
    execs: int = 0
    stores: int = 0


class _Run:
    def __init__(self, program: Program, memory: Memory, competing: float):
        self.arch: ArchParams = program.arch
        self.memory = memory
        self.bandwidth = Bandwidth.of(memory, self.arch.row_bytes, competing)
        self.simulation = Simulation(self.bandwidth)
        self.commands = [c for c in program.commands if not isinstance(c, End)]
        self.queues: dict[str, list[UnitCommand]] = {u: [] for u in _UNITS.values()}
        self.total = {u: sum(_UNITS[c.opcode] == u for c in self.commands) for u in _UNITS.values()}
        self.asked = self.fetched = self.dispatched = self.begun = 0
        self.counts = _Counts()
        #: Of each unit, when it took each command, and when that was done.
        self.taken: dict[str, list[float]] = {u: [] for u in _UNITS.values()}
        self.ended: dict[str, list[float]] = {u: [] for u in _UNITS.values()}
        self.weight_bytes = sum(
            c.beats * ArchParams.BUS_BYTES
            for c in self.commands
            if isinstance(c, Weights) and not c.parked
        )
        self.spans = [self.span(c) for c in self.commands if isinstance(c, Exec)]
        self.groups = [[Group() for _ in range(s.time.groups)] for s in self.spans]
        latency = memory.latency_cycles
        self.port = ReadPort(self.simulation, "weights", self.arch, latency)
        self.weights = WeightStream(
            self.simulation, self.arch, self.port, self.groups,
            due=self.due("weights"), take=self.taker("weights", Weights),
            done=lambda: self.ended["weights"].append(self.now),
            execs_done=lambda: self.counts.execs,
        )  # fmt: skip
        self.loads = Loads(
            self.simulation, self.arch, latency, due=self.due("load"),
            take=self.taker("load", Load), done=lambda: self.count("load"),
        )  # fmt: skip
        self.stores = Stores(
            self.simulation, self.arch, memory.write_latency_cycles, due=self.due("store"),
            take=self.taker("store", Store), done=lambda: self.count("store"),
            feed=self.weights.feed,
        )  # fmt: skip

    @property
    def now(self) -> float:
        return self.simulation.now

    def processes(self) -> Iterator[Process]:
        yield from (self.fetch(), self.dispatch(), self.exec())
        yield from self.weights.processes(self.total["weights"])
        yield self.loads.process(self.total["load"])
        yield self.stores.process(self.total["store"])

    def count(self, unit: str) -> None:
        """Another command of ``unit`` has completed."""
        self.ended[unit].append(self.now)
        setattr(self.counts, f"{unit}s", getattr(self.counts, f"{unit}s") + 1)

    def moves(self) -> Iterator[Move]:
        """What the units but the datapath did, unit by unit."""
        for opcode, unit in _UNITS.items():
            numbers = [n for n, c in enumerate(self.commands) if c.opcode == opcode]
            for number, *ends in zip(numbers, self.taken[unit], self.ended[unit], strict=False):
                yield Move(unit, number, *ends)

    def taker(self, unit: str, kind: type[C]) -> Callable[[], C]:
        """Takes the next command, a ``kind``, out of the unit's queue."""

        def take() -> C:
            command = self.queues[unit].pop(0)
            self.taken[unit].append(self.now)
            assert isinstance(command, kind)
            return command

        return take

    def span(self, fields: Exec) -> Span:
        time = step_time(fields, self.arch)
        walk, behind, ring_walk = (
            cycles(lanes, placed=raster.placed)
            for cycles, raster, lanes in (
                (overhead.walk_cycles, fields.in_raster, self.arch.pixels),
                (overhead.behind_cycles, fields.in_raster, self.arch.pixels),
                (overhead.ring_walk_cycles, fields.ring_raster, self.arch.window_width),
            )
        )
        end = overhead.step_end_cycles(
            self.arch, window=time.window_vectors > 0, add=time.residual, squeeze=time.squeeze
        )
        ring = 0
        if time.window_vectors:
            ring = overhead.ring_cycles(self.arch, array=time.array)
        fill = ring + time.fill * time.front
        start = overhead.STEP_NEXT_CYCLES + timing.array_read_latency(self.arch.pixels)
        early = fields.early
        return Span(
            time=time, overhead=behind if early else start + fill + end, ring=ring, ending=end,
            early=early, walk=walk, behind=behind, ring_walk=ring_walk,
        )  # fmt: skip

    # Commands.

    def fetch(self) -> Process:
        yield Delay(overhead.PROGRAM_START_CYCLES)
        size = sum(command_bytes(c.opcode) for c in self.commands)
        while self.asked < size:
            yield Wait(lambda: self.asked < self.dispatched + limits.FETCH_AHEAD * FETCH_BYTES)
            yield Wait(self.wants_commands)
            self.port.ask(Piece(FETCH_BYTES), self.fetched_more, FETCH_PARTS)
            self.asked += FETCH_BYTES
            yield Delay(overhead.BURST_CYCLES)

    def fetched_more(self) -> None:
        """A part of a burst of commands has come."""
        self.fetched += FETCH_BYTES // FETCH_PARTS

    def wants_commands(self) -> bool:
        """No EXEC waits for data, and not many wait for their turn."""
        waiting = len(self.queues["exec"])
        return waiting < limits.EXECS_AHEAD and (not waiting or self.begun > self.counts.execs)

    def dispatch(self) -> Process:
        end = 0
        for command in self.commands:
            end += command_bytes(command.opcode)
            yield from self.enqueue(self.queues[_UNITS[command.opcode]], command, end)

    def enqueue(self, queue: list[UnitCommand], command: UnitCommand, end: int) -> Process:
        """A command whose last byte is ``end`` to its unit's queue."""
        yield Wait(lambda: self.fetched >= end)
        yield Wait(lambda: len(queue) < limits.UNIT_QUEUE)
        yield Delay(overhead.DISPATCH_CYCLES)
        queue.append(command)
        self.dispatched = end // FETCH_BYTES * FETCH_BYTES

    def due(self, unit: str) -> Callable[[], bool]:
        """True when the unit's next command is there and its wait counts are reached."""
        queue = self.queues[unit]

        def ready() -> bool:
            if not queue:
                return False
            header, counts = queue[0].header, self.counts
            return bool(
                counts.loads >= header.wait_loads
                and counts.execs >= header.wait_execs
                and counts.stores >= header.wait_stores
            )

        return ready

    # Units.

    def exec(self) -> Process:
        """The array's reader: step after step, up to one ahead of what is after it."""
        for index in range(len(self.spans)):
            yield from self.read(index)

    def read(self, index: int) -> Process:
        """One EXEC to the array, until its last operands are there."""
        span, before = self.spans[index], self.now
        latency = timing.array_read_latency(self.arch.pixels)
        yield Wait(lambda: self.begun == index and bool(self.queues["exec"]))
        came = self.now > before or not index
        ready = self.now + (span.walk + latency if came else span.behind)
        yield Wait(self.due("exec"))
        self.simulation.start(self.take(index))
        if not span.early:
            yield Wait(lambda: self.counts.execs >= index)
        if self.now > before:
            ready = max(ready, self.now + overhead.STEP_NEXT_CYCLES + latency)
        yield Delay(ready - self.now)
        self.simulation.start(self.step(index))
        yield Wait(lambda: span.front_end > 0)

    def take(self, index: int) -> Process:
        """The EXEC out of its queue, when all before it are done."""
        yield Wait(lambda: self.counts.execs >= index)
        self.queues["exec"].pop(0)
        self.begun = index + 1

    def after(self, index: int) -> Process:
        """All EXECs before ``index`` are done."""
        if self.counts.execs < index:
            yield Wait(lambda: self.counts.execs >= index)
            yield Delay(overhead.STEP_NEXT_CYCLES)

    def step(self, index: int) -> Process:
        """One EXEC from its first vector to its count."""
        span, groups = self.spans[index], self.groups[index]
        span.start = span.front_start = self.now
        self.simulation.start(self.front(index, span, groups))
        if span.time.window_vectors:
            yield from self.after(index)
            yield Delay(span.ring_walk)
            yield from self.window(span, groups)
            span.window_start = groups[0].window_start
        yield Wait(lambda: groups[-1].done and self.counts.execs >= index)
        span.before = self.spans[index - 1].end if index else 0.0
        # What the array has made ahead leaves its queue only then.
        drained = span.before + overhead.STEP_NEXT_CYCLES + len(groups) * span.time.drain
        yield Delay(drained - timing.pe_array_latency(self.arch.lanes, self.arch.pumped) - self.now)
        yield Delay(span.ending)
        span.end = self.now
        self.counts.execs += 1

    def front(self, index: int, span: Span, groups: list[Group]) -> Process:
        """The PE array, or the copy: group after group, as weights come and the ring has room."""
        time = span.time
        ring = self.arch.ring_rows // time.ring_rows if time.ring_rows else len(groups)
        for number, group in enumerate(groups):
            whole = time.front if group is not groups[-1] else time.front_alone
            yield from self.vectors(index, number, group, whole)
            if time.window_vectors:
                yield from self.ring_room(span, groups, number, ring)
            group.front_end, group.front_done = self.now, True
            group.done = group.done or not time.window_vectors
        span.front_end = self.now

    def vectors(self, index: int, number: int, group: Group, whole: float) -> Process:
        """A group's, ``whole`` cycles undisturbed. Before the EXEC before it is done there are as
        many as their queue holds."""
        time = self.spans[index].time
        yield Wait(lambda: group.weights_begun)
        group.front_start = self.now
        first = group.read_cycles = time.front / time.front_vectors
        room = self.arch.acc_depth - number * time.front_vectors
        if time.front_vectors == 1:
            # Words may be more than their ring: read as they come, if at all.
            if room <= 0:
                yield from self.after(index)
            group.front_start = group.read_from = self.now
        yield Wait(lambda: group.weights_there)
        # The first vector takes its weights as they come; the others are after it.
        whole -= min(self.now - group.front_start, first)
        if self.counts.execs < index:
            ahead = max(0.0, min(whole, room * first))
            yield Delay(ahead)
            whole -= ahead
            if whole > 0:
                yield from self.after(index)
        if time.window_vectors:
            yield Delay(whole - first)
        else:
            yield from self.moving_rows(time, whole - first)
        if group.read_from < 0:
            group.read_from = self.now
        yield Delay(min(whole, first))

    def ring_room(self, span: Span, groups: list[Group], number: int, ring: int) -> Process:
        """The front ends a group only when all its rows have a place in the ring."""
        if ring >= 1:
            if (blocking := number - ring) >= 0:
                yield Wait(lambda: groups[blocking].done)
            return
        # The map is larger than the ring: the front is at most a ring ahead of the window.
        group, time = groups[number], span.time
        yield Wait(lambda: group.window_start >= 0)
        ahead = 1 - self.arch.ring_rows / time.ring_rows
        yield Delay(group.window_start + ahead * time.window - self.now)

    def window(self, span: Span, groups: list[Group]) -> Process:
        """The window engine: after the front by what a kernel needs, and by its last rows."""
        for group in groups:
            whole = span.time.window if group is not groups[-1] else span.time.window_alone
            yield from self.window_group(span, group, whole)

    def window_group(self, span: Span, group: Group, whole: float) -> Process:
        """A group of ``whole`` cycles undisturbed."""
        time = span.time
        yield Wait(lambda: group.front_start >= 0)
        yield Delay(group.front_start + span.ring + time.fill * time.front - self.now)
        group.window_start = self.now
        yield from self.moving_rows(time, whole)
        yield Wait(lambda: group.front_done)
        yield Delay(group.front_end + span.ring + time.tail - self.now)
        group.done = True

    def moving_rows(self, time: StepTime, cycles: float) -> Process:
        """``cycles`` in which a group's rows are written, and as many read for an add: others have
        what is left of the row port."""
        if self.bandwidth.is_tight and cycles > 0:
            taken = min(0.75, time.out_rows * (1 + time.residual) / cycles)
            self.bandwidth.taken += taken
            self.simulation.rates_changed()
            yield Delay(cycles)
            self.bandwidth.taken -= taken
            self.simulation.rates_changed()
        else:
            yield Delay(cycles)
