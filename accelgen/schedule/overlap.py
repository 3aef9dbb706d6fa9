"""How long a step's tiles take when loading, computing and storing run side by side.

The estimator's time line in small: one step alone, before there are commands. It tells tilings of a
step apart, nothing more. A search asks for thousands of tilings: many are followed side by side in
numpy's columns, each from event to event in its own time, where the engine of cost/events.py
follows one in Python's generators. Rates are that engine's (cost/bandwidth.py), cycles those of
arch/overhead.py; tests/schedule/test_overlap.py holds both forms together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from accelgen.arch import limits, overhead
from accelgen.arch.isa import FETCH_BYTES, Opcode
from accelgen.cost import Memory
from accelgen.cost.bandwidth import Bandwidth
from accelgen.program.encode import command_bytes

__all__ = ["BEHIND_BYTES", "Pace", "TileCost", "overlapped_cycles"]

#: Commands of a tile: its WEIGHTS, EXEC, LOADs and STORE; how many are read at once.
_COMMAND_BYTES = sum(map(command_bytes, (Opcode.WEIGHTS, Opcode.EXEC, Opcode.LOAD, Opcode.STORE)))
_FETCH_BYTES = limits.FETCH_AHEAD * FETCH_BYTES
#: Of a program's first LOAD, when later weights may be asked for: about what DDR moves in its
#: latency. The emitter sees to it.
BEHIND_BYTES = 1024
#: What is less than this is rounding, in bytes and cycles.
_NOTHING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Cycles of a step's EXECs beside their engines' work.

    ``begin``: an EXEC's turn to its first vector, of the first; ``next``: the same right behind
    another; ``end``: its last vector to its count.
    """

    begin: int
    next: int
    end: int


@dataclass(frozen=True, kw_only=True)
class TileCost:
    """What one tile costs.

    ``loads``: bytes that must be there before it begins, 0 where the tile before brought them;
    ``reuses`` and ``restores``: tiles whose EXEC, or STORE, frees the buffers that it reads, or
    writes; -1 for none. ``weights`` bytes come as it works, ``first_weights`` before it.
    """

    loads: int
    stores: int
    weights: int
    first_weights: int
    engines: int
    reuses: int = -1
    restores: int = -1


#: One for each step side by side.
_Bools: TypeAlias = NDArray[np.bool_]
_Ints: TypeAlias = NDArray[np.int_]
_Floats: TypeAlias = NDArray[np.float64]

#: Units of a step: each serves the tiles one after another.
_COMMANDS, _LOAD, _WEIGHTS, _ENGINE, _DRAIN, _STORE = range(6)
#: Bandwidth's ports of those that move bytes: commands and weights come through one.
_PORTS = {"weights": (_COMMANDS, _WEIGHTS), "load": (_LOAD,), "store": (_STORE,)}


class _Steps:
    """Steps side by side, each one a column.

    Of unit u of step s: tile ``at[u, s]`` is waiting or, if ``busy``, has ``delay`` cycles, then
    ``left`` bytes (EXEC: cycles) to go, ``rate`` of them in each cycle up to the next event.
    ``ended``: the time it was last busy.
    """

    def __init__(
        self, steps: Sequence[Sequence[TileCost]], memories: Sequence[Memory], pace: Pace,
        row_bytes: float,
    ) -> None:  # fmt: skip
        """Step after step with each of ``memories``."""
        most = max(map(len, steps))
        self.pace = pace
        #: A LOAD's, WEIGHTS' or command's turn to its first byte.
        self.latency = overhead.LOAD_HEAD_CYCLES + memories[0].latency_cycles
        #: Of each port, by the first row of a step's memory and who moves: see _rates.
        self.rates = np.concatenate([_rates(Bandwidth.of(m, row_bytes)) for m in memories]).T.copy()
        self.memory = np.tile(np.arange(len(memories)) << len(_PORTS), len(steps))
        self.tiles = np.repeat([len(tiles) for tiles in steps], len(memories))
        count = len(self.tiles)
        nothing = [(0,) * len(_COSTS)]
        # A tile more, for units that are done.
        costs = [[*map(_figures, t), *nothing * (most + 1 - len(t))] for t in steps]
        #: What tile i of step s costs: costs[field][s * (most + 1) + i].
        self.costs = dict(
            zip(_COSTS, np.array(costs, float).reshape(-1, len(_COSTS)).T.copy(), strict=True)
        )
        self.first = np.repeat(np.arange(len(steps)) * (most + 1), len(memories))
        self.now = np.zeros(count)
        self.at = np.zeros((6, count), int)
        self.busy = np.zeros((6, count), bool)
        self.delay, self.left, self.rate = np.zeros((3, 6, count))
        self.ended = np.full((6, count), -1.0)

    def done(self) -> _Bools:
        """Whose last STORE is counted."""
        stored: _Bools = self.at[_STORE] >= self.tiles
        return stored

    def keep(self, chosen: _Bools) -> None:
        """Forget the others."""
        for name in ("tiles", "memory", "first", "now"):
            setattr(self, name, getattr(self, name)[chosen])
        for name in ("at", "busy", "delay", "left", "rate", "ended"):
            setattr(self, name, getattr(self, name)[:, chosen])

    def begin(self) -> None:
        """Let every idle unit take its next tile if that may begin."""
        self._begin_commands()
        commanded = ~((self.delay[_COMMANDS] > 0) & (self.at[_COMMANDS] == 0))
        idle = ~self.busy & (self.at < self.tiles) & commanded
        self._begin_load(idle[_LOAD])
        self._begin_weights(idle[_WEIGHTS])
        self._begin_engine(idle[_ENGINE])
        self._take(_DRAIN, idle[_DRAIN] & (self.at[_DRAIN] < self.at[_ENGINE]), self.pace.end, 0)
        self._begin_store(idle[_STORE])

    def _begin_commands(self) -> None:
        """Some at once, then others as EXECs begin."""
        first, fetched = self.at[_COMMANDS] == 0, self.at[_COMMANDS] * _FETCH_BYTES
        working = self.busy[_ENGINE]
        waiting = fetched // _COMMAND_BYTES - self.at[_ENGINE] - working
        may = (
            ~self.busy[_COMMANDS]
            & (fetched < _COMMAND_BYTES * self.tiles)
            & (waiting < limits.EXECS_AHEAD)
            & (first | working)
        )
        delay = self.latency + np.where(first, overhead.PROGRAM_START_CYCLES, 0)
        self._take(_COMMANDS, may, delay, _FETCH_BYTES)

    def _begin_load(self, idle: _Bools) -> None:
        size = self._cost("loads", _LOAD)
        delay = np.where(size > 0, self._latency(_LOAD) + overhead.LOAD_TAIL_CYCLES, 0)
        self._take(_LOAD, idle & (self.at[_DRAIN] > self._cost("reuses", _LOAD)), delay, size)

    def _begin_weights(self, idle: _Bools) -> None:
        at, load = self.at[_WEIGHTS], self.at[_LOAD]
        ahead = at <= self.at[_DRAIN] + limits.WEIGHTS_AHEAD
        # But for what comes before anything that is asked for now.
        loading = self.busy[_LOAD] & (self.delay[_LOAD] == 0) & (self.left[_LOAD] <= BEHIND_BYTES)
        may = idle & ahead & ((at == 0) | (load > 0) | loading)
        self._take(_WEIGHTS, may, self._latency(_WEIGHTS), self._cost("weights", _WEIGHTS))

    def _begin_engine(self, idle: _Bools) -> None:
        at, weights = self.at[_ENGINE], self.at[_WEIGHTS]
        here = self._cost("weights", _ENGINE) - self.left[_WEIGHTS]
        enough = here >= self._cost("first_weights", _ENGINE)
        came = (weights > at) | ((weights == at) & self.busy[_WEIGHTS] & enough)
        free = self.at[_STORE] > self._cost("restores", _ENGINE)
        delay = np.where(at > 0, self.pace.next, self.pace.begin)
        may = idle & came & (self.at[_LOAD] > at) & free
        self._take(_ENGINE, may, delay, self._cost("engines", _ENGINE))

    def _begin_store(self, idle: _Bools) -> None:
        size = self._cost("stores", _STORE)
        delay = np.where(
            self.ended[_STORE] == self.now, overhead.STORE_NEXT_CYCLES, overhead.STORE_HEAD_CYCLES
        )
        may = idle & (self.at[_STORE] < self.at[_DRAIN])
        self._take(_STORE, may, np.where(size > 0, delay, 0), size)

    def _latency(self, unit: int) -> _Ints:
        """To its first byte: none right after another."""
        return np.where(self.ended[unit] == self.now, 0, self.latency)

    def _cost(self, name: str, unit: int) -> _Floats:
        """Of the tile that a unit is at."""
        costs: _Floats = self.costs[name].take(self.first + self.at[unit])
        return costs

    def _take(self, unit: int, may: _Bools, delay: Any, left: Any) -> None:
        self.busy[unit] |= may
        np.copyto(self.delay[unit], delay, where=may)
        np.copyto(self.left[unit], left, where=may)

    def advance(self) -> None:
        """To the next time that something ends."""
        self._share()
        spare, per_byte = self._weigh()
        step = np.minimum(self._ends(), self._starved(spare, per_byte))
        step = np.minimum(step, self._enough())
        step[(step == np.inf) | self.done()] = 0
        waits = self.delay > 0
        left = _less(self.left, step * self.rate)
        np.copyto(self.left, left, where=~waits & (self.rate > 0))
        np.copyto(self.delay, _less(self.delay, step), where=waits)
        self.now += step
        ends = self.busy & (self.delay == 0) & (self.left == 0)
        # An EXEC does not end before its last weights came.
        ends[_ENGINE] &= self.at[_WEIGHTS] + ends[_WEIGHTS] > self.at[_ENGINE]
        self.at += ends
        self.busy &= ~ends
        np.copyto(self.ended, self.now, where=ends)

    def _share(self) -> None:
        """Who moves bytes, and how many per cycle."""
        moves = self.busy & (self.delay == 0) & (self.left > 0)
        # Commands and weights come through one port, commands first.
        moves[_WEIGHTS] &= ~moves[_COMMANDS]
        movers = self.memory.copy()
        for bit, units in enumerate(_PORTS.values()):
            movers += moves[units, :].any(axis=0) << bit
        for port, units in enumerate(_PORTS.values()):
            self.rate[units, :] = self.rates[port].take(movers)
        self.rate *= moves
        self.rate[_ENGINE] = moves[_ENGINE]

    def _weigh(self) -> tuple[_Floats, _Floats]:
        """Cycles of the tile at work for which weights have come; cycles per byte of them. Where
        there are none, the engine goes as fast as they come."""
        size, engines = self._cost("weights", _ENGINE), self._cost("engines", _ENGINE)
        tied = (self.at[_WEIGHTS] == self.at[_ENGINE]) & (size > 0)
        per_byte = np.where(tied, engines / np.maximum(size, 1), 0)
        # A group's first vector takes its words as they come, the others need them all.
        came = size - self.left[_WEIGHTS] - self._cost("first_weights", _ENGINE)
        spare = np.where(tied, came * per_byte - (engines - self.left[_ENGINE]), np.inf)
        coming = np.minimum(1, self.rate[_WEIGHTS] * per_byte)
        self.rate[_ENGINE] *= np.where(spare > _NOTHING, 1, coming)
        return spare, per_byte

    def _ends(self) -> _Floats:
        """Cycles until a unit ends."""
        ends = np.where(self.busy & (self.left == 0), 0, np.inf)
        ends[_ENGINE, self.at[_WEIGHTS] <= self.at[_ENGINE]] = np.inf
        np.divide(self.left, self.rate, out=ends, where=self.rate > 0)
        np.copyto(ends, self.delay, where=self.delay > 0)
        soonest: _Floats = ends.min(axis=0)
        return soonest

    def _enough(self) -> _Floats:
        """Cycles until a unit has moved as much as another waits for."""
        waited = ~self.busy[_ENGINE] & (self.at[_WEIGHTS] == self.at[_ENGINE])
        later = self._cost("weights", _WEIGHTS) - self._cost("first_weights", _WEIGHTS)
        weights = self._until(_WEIGHTS, waited & (later > 0), later)
        return np.minimum(weights, self._until(_LOAD, self.at[_LOAD] == 0, BEHIND_BYTES))

    def _until(self, unit: int, waited: _Bools, wanted: Any) -> _Floats:
        """Cycles until ``wanted`` bytes are left."""
        before = self.left[unit] - wanted
        waited = waited & (self.rate[unit] > 0) & (before > _NOTHING)
        return _divided(before, self.rate[unit], waited)

    def _starved(self, spare: _Floats, per_byte: _Floats) -> _Floats:
        """When the engine will have used all weights that have come, if that is faster."""
        closing = self.rate[_ENGINE] - self.rate[_WEIGHTS] * per_byte
        does = (self.rate[_ENGINE] > 0) & (spare > _NOTHING) & (spare < np.inf) & (closing > 1e-9)
        return _divided(spare, closing, does)


_COSTS = tuple(f.name for f in fields(TileCost))


def _rates(bandwidth: Bandwidth) -> _Floats:
    """Bytes per cycle of each port (a column) when those in the row number's bits move."""
    names = list(_PORTS)
    rows = []
    for movers in range(1 << len(names)):
        rates = bandwidth([n for bit, n in enumerate(names) if movers >> bit & 1])
        rows.append([rates.get(n, 0.0) for n in names])
    return np.array(rows)


def _figures(tile: TileCost) -> tuple[int, ...]:
    return (
        tile.loads, tile.stores, tile.weights, tile.first_weights, tile.engines, tile.reuses,
        tile.restores,
    )  # fmt: skip


def _divided(value: _Floats, rate: _Floats, where: _Bools) -> _Floats:
    """Infinite elsewhere."""
    result = np.full(len(value), np.inf)
    np.divide(value, rate, out=result, where=where)
    return result


def _less(value: _Floats, step: _Floats) -> _Floats:
    rest = value - step
    return np.where(rest > _NOTHING, rest, 0)


def overlapped_cycles(
    steps: Sequence[Sequence[TileCost]], memories: Sequence[Memory], pace: Pace, *,
    row_bytes: float = float("inf"),
) -> NDArray[np.float64]:  # fmt: skip
    """Cycles from the first LOAD's turn to the last STORE's count: of each step (its tiles), with
    each of ``memories``, which differ in bytes per cycle only.

    ``row_bytes``: of a row of the feature memory, whose one port loads and stores share.
    """
    cycles = np.zeros(len(steps) * len(memories))
    pending, run = np.arange(len(cycles)), _Steps(steps, memories, pace, row_bytes)
    while len(pending):
        run.begin()
        run.advance()
        done = run.done()
        if done.all() or 8 * done.sum() > len(done):
            cycles[pending[done]] = run.now[done]
            pending = pending[~done]
            run.keep(~done)
    return cycles.reshape(len(steps), len(memories))
