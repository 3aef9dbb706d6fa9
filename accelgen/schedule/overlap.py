"""How long a step's tiles take when loading, computing and storing run side by side.

The estimator's time line in small: one step alone, before there are commands. It tells tilings of a
step apart, nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["TileCost", "overlapped_cycles"]

#: From a transfer's turn to its first byte and from its last to its count; from an EXEC's end to
#: the next one's first vector and back (arch/overhead.py has their parts).
_TRANSFER_CYCLES = 60
_EXEC_CYCLES = 60
#: WEIGHTS that are read ahead of the EXEC at work.
_WEIGHTS_AHEAD = 3


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
    ``left`` bytes (EXEC: cycles) to go."""

    at: int = 0
    busy: bool = False
    delay: float = 0.0
    left: float = 0.0


@dataclass
class _Pipe:
    tiles: Sequence[TileCost]
    rate: float
    load: _Unit = field(default_factory=_Unit)
    weights: _Unit = field(default_factory=_Unit)
    engine: _Unit = field(default_factory=_Unit)
    store: _Unit = field(default_factory=_Unit)

    def begin(self) -> None:
        """Let every idle unit take its next tile if that may begin."""
        n, tiles = len(self.tiles), self.tiles
        unit = self.load
        if not unit.busy and unit.at < n and self.engine.at > tiles[unit.at].reuses:
            size = tiles[unit.at].loads
            self._take(unit, _TRANSFER_CYCLES if size else 0, size)
        unit = self.weights
        ahead = unit.at <= self.engine.at + _WEIGHTS_AHEAD
        if not unit.busy and unit.at < n and ahead and (self.load.at or not unit.at):
            self._take(unit, 0 if unit.at else _TRANSFER_CYCLES, tiles[unit.at].weights)
        unit = self.engine
        if not unit.busy and unit.at < n and self._may_begin(tiles[unit.at]):
            self._take(unit, _EXEC_CYCLES, tiles[unit.at].engines)
        unit = self.store
        if not unit.busy and unit.at < self.engine.at:
            size = tiles[unit.at].stores
            self._take(unit, _TRANSFER_CYCLES if size else 0, size)

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

    def advance(self) -> float:
        """To the next time that something ends; the cycles until then."""
        moving = [
            u for u in (self.load, self.weights, self.store) if u.busy and not u.delay and u.left
        ]
        share = self.rate / max(1, len(moving))
        ends = [u.delay for u in self._units() if u.busy and u.delay]
        ends += [u.left / share for u in moving]
        at = self.engine.at
        if self.engine.busy and not self.engine.delay and self.engine.left:
            ends.append(self.engine.left)
        if self.weights in moving and self.weights.at == at and not self.engine.busy:
            missing = self.weights.left - (self.tiles[at].weights - self.tiles[at].first_weights)
            ends += [missing / share] if missing > 1e-6 else []
        step = min(ends, default=0.0)
        for unit in self._units():
            if unit.busy and unit.delay:
                unit.delay = _less(unit.delay, step)
            elif unit.busy:
                unit.left = _less(unit.left, step * (1 if unit is self.engine else share))
        for unit in self._units():
            late = unit is self.engine and self.weights.at <= unit.at
            if unit.busy and not unit.delay and not unit.left and not late:
                unit.at, unit.busy = unit.at + 1, False
        return step

    def _units(self) -> tuple[_Unit, ...]:
        # Weights before the engine, which does not end without them.
        return self.load, self.weights, self.engine, self.store


def _less(value: float, step: float) -> float:
    return value - step if value - step > 1e-6 else 0.0


def overlapped_cycles(tiles: Sequence[TileCost], bytes_per_cycle: float) -> float:
    """Cycles from the first LOAD's turn to the last STORE's count."""
    pipe = _Pipe(tiles, bytes_per_cycle)
    now = 0.0
    while pipe.store.at < len(tiles):
        pipe.begin()
        now += pipe.advance()
    return now
