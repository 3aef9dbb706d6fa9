"""How long a step's tiles take when loading, computing and storing run side by side.

The estimator's time line in small: one step alone, before there are commands. It tells tilings of a
step apart, nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf

__all__ = ["DDR", "Ddr", "TileCost", "overlapped_cycles"]

#: A LOAD's turn to its first byte, when it does not come right after another; its last to its
#: count. A STORE's turn to its first byte, and right after another.
_LATENCY_CYCLES, _LOAD_END_CYCLES, _STORE_CYCLES, _STORE_NEXT_CYCLES = 50, 8, 20, 10
#: To an EXEC's first vector: of the first, and of one after another; from the last to its count
#: (arch/overhead.py has their parts).
_BEGIN_CYCLES, _NEXT_CYCLES, _END_CYCLES = 26, 5, 34
#: WEIGHTS that are read ahead of the EXEC at work.
_WEIGHTS_AHEAD = 3
#: Commands of a tile; how much of them is read at once, when fewer EXECs than these wait.
_COMMAND_BYTES, _FETCH_BYTES, _EXECS_AHEAD = 240, 1024, 2
_FETCH_CYCLES = 50
#: Of the first LOAD when later weights may be asked for (emit.py).
_BEHIND_BYTES = 1024


@dataclass(frozen=True)
class Ddr:
    """Bytes per cycle, of all transfers together; ``duplex``: of STOREs, and of all others."""

    bytes_per_cycle: float
    duplex: bool = False


#: A board's: beside a processor that reads weights, and all that a port takes.
DDR = (Ddr(10), Ddr(16))


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


@dataclass
class _Unit:
    """Serves the tiles one after another: tile ``at`` is waiting, or has ``delay`` cycles, then
    ``left`` bytes (EXEC: cycles) to go. ``ended``: the time it was last busy."""

    at: int = 0
    busy: bool = False
    delay: float = 0.0
    left: float = 0.0
    ended: float = -1.0


@dataclass
class _Pipe:
    tiles: Sequence[TileCost]
    ddr: Ddr
    now: float = 0.0
    commands: _Unit = field(default_factory=_Unit)
    load: _Unit = field(default_factory=_Unit)
    weights: _Unit = field(default_factory=_Unit)
    engine: _Unit = field(default_factory=_Unit)
    drain: _Unit = field(default_factory=_Unit)
    store: _Unit = field(default_factory=_Unit)

    def begin(self) -> None:
        """Let every idle unit take its next tile if that may begin."""
        self._begin_commands()
        if self.commands.delay and not self.commands.at:
            return  # no unit has a command
        for unit, begin in (
            (self.load, self._begin_load),
            (self.weights, self._begin_weights),
            (self.engine, self._begin_engine),
            (self.drain, self._begin_drain),
            (self.store, self._begin_store),
        ):
            if not unit.busy and unit.at < len(self.tiles):
                begin(unit, self.tiles[unit.at])

    def _begin_commands(self) -> None:
        """Some at once, then others as EXECs begin."""
        unit = self.commands
        if unit.busy or unit.at * _FETCH_BYTES >= _COMMAND_BYTES * len(self.tiles):
            return
        waiting = unit.at * _FETCH_BYTES // _COMMAND_BYTES - self.engine.at - self.engine.busy
        if waiting < _EXECS_AHEAD and (not unit.at or self.engine.busy):
            self._take(unit, _LATENCY_CYCLES if unit.at else _FETCH_CYCLES, _FETCH_BYTES)

    def _begin_load(self, unit: _Unit, tile: TileCost) -> None:
        if self.drain.at > tile.reuses:
            delay = self._latency(unit) + _LOAD_END_CYCLES
            self._take(unit, delay if tile.loads else 0, tile.loads)

    def _begin_weights(self, unit: _Unit, tile: TileCost) -> None:
        ahead = unit.at <= self.drain.at + _WEIGHTS_AHEAD
        if ahead and (not unit.at or self._first_is_loaded()):
            self._take(unit, self._latency(unit), tile.weights)

    def _begin_engine(self, unit: _Unit, tile: TileCost) -> None:
        if self._may_begin(tile):
            self._take(unit, _NEXT_CYCLES if unit.at else _BEGIN_CYCLES, tile.engines)

    def _begin_drain(self, unit: _Unit, tile: TileCost) -> None:
        if unit.at < self.engine.at:
            self._take(unit, _END_CYCLES, 0)

    def _begin_store(self, unit: _Unit, tile: TileCost) -> None:
        if unit.at < self.drain.at:
            delay = _STORE_NEXT_CYCLES if unit.ended == self.now else _STORE_CYCLES
            self._take(unit, delay if tile.stores else 0, tile.stores)

    def _latency(self, unit: _Unit) -> int:
        """To its first byte: none right after another."""
        return 0 if unit.ended == self.now else _LATENCY_CYCLES

    def _first_is_loaded(self) -> bool:
        """But for what comes before anything that is asked for now."""
        load = self.load
        return load.at > 0 or (load.busy and not load.delay and load.left <= _BEHIND_BYTES)

    def _may_begin(self, tile: TileCost) -> bool:
        at = self.engine.at
        came = self.weights.at > at or (
            self.weights.at == at
            and self.weights.busy
            and tile.weights - self.weights.left >= tile.first_weights
        )
        return came and self.load.at > at and self.store.at > tile.restores

    @staticmethod
    def _take(unit: _Unit, delay: float, left: float) -> None:
        unit.busy, unit.delay, unit.left = True, delay, left

    def advance(self) -> None:
        """To the next time that something ends."""
        rates = self._rates()
        step = min(self._ends(rates), default=0.0)
        moving = {id(u): rate for u, rate in rates}
        for unit in self._units():
            if unit.busy and unit.delay:
                unit.delay = _less(unit.delay, step)
            elif unit.busy:
                unit.left = _less(unit.left, step * moving.get(id(unit), 0))
        self.now += step
        for unit in self._units():
            if self._ended(unit):
                unit.at, unit.busy, unit.ended = unit.at + 1, False, self.now

    def _ends(self, rates: list[tuple[_Unit, float]]) -> list[float]:
        """Cycles until a unit ends, or has moved as much as another waits for."""
        ends = [u.delay for u in self._units() if u.busy and u.delay]
        ends += [u.left / rate for u, rate in rates if u.left and rate]
        ends += [0.0 for u in self._units() if self._ended(u)]
        for unit, rate in rates:
            wanted = 0.0  # of what is left, when another may begin
            if unit is self.weights and unit.at == self.engine.at and not self.engine.busy:
                wanted = self.tiles[unit.at].weights - self.tiles[unit.at].first_weights
            elif unit is self.load and not unit.at:
                wanted = _BEHIND_BYTES
            ends += [(unit.left - wanted) / rate] if wanted and unit.left - wanted > 1e-6 else []
        return ends + self._starved({id(u): rate for u, rate in rates})

    def _ended(self, unit: _Unit) -> bool:
        late = unit is self.engine and self.weights.at <= unit.at
        return unit.busy and not unit.delay and not unit.left and not late

    def _rates(self) -> list[tuple[_Unit, float]]:
        """Who moves, and how much per cycle."""
        # Commands and weights come through one port, commands first.
        port = self.commands if _moves(self.commands) else self.weights
        reading = [u for u in (port, self.load) if _moves(u)]
        writing = [self.store] if _moves(self.store) else []
        together = [reading, writing] if self.ddr.duplex else [reading + writing]
        rates = [(u, self.ddr.bytes_per_cycle / len(units)) for units in together for u in units]
        if _moves(self.engine):
            spare, needed = self._weights_spare()
            coming = sum(rate for u, rate in rates if u is self.weights) * needed
            rates.append((self.engine, 1.0 if spare > 1e-6 else min(1.0, coming)))
        return rates

    def _weights_spare(self) -> tuple[float, float]:
        """Cycles of the tile at work for which weights have come; cycles per byte of them."""
        at = self.engine.at
        tile = self.tiles[at]
        if self.weights.at != at or not tile.weights:
            return inf, 0.0
        per_byte = tile.engines / tile.weights
        # A group's first vector takes its words as they come, the others need them all.
        came = tile.weights - self.weights.left - tile.first_weights
        return came * per_byte - (tile.engines - self.engine.left), per_byte

    def _starved(self, rates: dict[int, float]) -> list[float]:
        """When the engine will have used all weights that have come, if that is faster."""
        if not _moves(self.engine):
            return []
        spare, per_byte = self._weights_spare()
        closing = rates[id(self.engine)] - rates.get(id(self.weights), 0.0) * per_byte
        return [spare / closing] if 1e-6 < spare < inf and closing > 1e-9 else []

    def _units(self) -> tuple[_Unit, ...]:
        # Weights before the engine, which does not end without them.
        return self.commands, self.load, self.weights, self.engine, self.drain, self.store


def _moves(unit: _Unit) -> bool:
    return unit.busy and not unit.delay and unit.left > 0


def _less(value: float, step: float) -> float:
    return value - step if value - step > 1e-6 else 0.0


def overlapped_cycles(tiles: Sequence[TileCost], ddr: Ddr, most: float = inf) -> float:
    """Cycles from the first LOAD's turn to the last STORE's count; infinite as soon as it is clear
    that they are more than ``most``."""
    pipe = _Pipe(tiles, ddr)
    after = [*accumulate((t.engines for t in reversed(tiles)), initial=0)]
    while pipe.store.at < len(tiles):
        pipe.begin()
        pipe.advance()
        engine = pipe.engine
        behind = len(tiles) - engine.at - engine.busy
        if pipe.now + engine.left * engine.busy + after[behind] > most:
            return inf
    return pipe.now
