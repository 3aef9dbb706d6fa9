"""A clock, processes that wait, and bandwidth shared between transfers: what time lines need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass

__all__ = ["Delay", "Process", "Simulation", "Transfer", "Wait"]

#: Cycles, and bytes, that are rounding.
_AT_ONCE, _NOTHING = 1e-9, 1e-6


@dataclass(slots=True)
class Delay:
    """Go on after ``cycles``."""

    cycles: float


@dataclass(slots=True)
class Wait:
    """Go on as soon as ``until()`` is true."""

    until: Callable[[], bool]


@dataclass(slots=True)
class Transfer:
    """Go on when ``remaining`` bytes have passed ``port``, no more than ``most`` per cycle."""

    port: str
    remaining: float
    most: float = float("inf")


#: A unit of the hardware: yields what it waits for, returns when it has nothing left to do.
Process = Generator[Delay | Wait | Transfer, None, None]


class Simulation:
    """Runs processes side by side until nothing moves any more.

    Parameters
    ----------
    rates : function
        Bytes per cycle of each port, from the ports that want to move some, and from nothing else
        that changes without :meth:`rates_changed`.
    """

    def __init__(self, rates: Callable[[Collection[str]], Mapping[str, float]]):
        self.now = 0.0
        self._ports = rates
        self._waiting: list[tuple[Callable[[], bool], Process]] = []
        self._delayed: list[tuple[float, Process]] = []
        self._moving: list[tuple[Transfer, Process]] = []
        #: Of the transfers in _moving; empty when they are others than before.
        self._rates: list[float] = []
        #: By the ports of the transfers, in order: each one's share.
        self._shares: dict[tuple[str, ...], list[float]] = {}

    def run(self, *processes: Process) -> bool:
        """Run ``processes`` to their end; False when some wait for what never comes."""
        for process in processes:
            self.start(process)
        while True:
            self._wake()
            if not self._delayed and not self._moving:
                return not self._waiting
            self._advance()

    def rates_changed(self) -> None:
        """Ask for the rates again: they go by something that is another now."""
        self._rates = []
        self._shares = {}

    def start(self, process: Process) -> None:
        """Let ``process`` run, now, until it waits."""
        for what in process:
            if isinstance(what, Delay):
                if what.cycles > 0:
                    self._delayed.append((self.now + what.cycles, process))
                    return
            elif isinstance(what, Wait):
                if not what.until():
                    self._waiting.append((what.until, process))
                    return
            elif what.remaining > 0:
                self._moving.append((what, process))
                self._rates = []
                return

    def _wake(self) -> None:
        """Start everything whose condition holds; starting one may fulfil another's."""
        while ready := [waiting for waiting in self._waiting if waiting[0]()]:
            self._waiting = [waiting for waiting in self._waiting if waiting not in ready]
            for _, process in ready:
                self.start(process)

    def _advance(self) -> None:
        """Move the clock to the next end of a delay or a transfer."""
        now, moving = self.now, self._moving
        rates = self._rates or self._shared()
        ends = [end for end, _ in self._delayed]
        for (transfer, _), rate in zip(moving, rates, strict=True):
            ends.append(now + transfer.remaining / rate)
        step = max(0.0, min(ends) - now)
        self.now = now = now + step
        last = now + _AT_ONCE
        due = []
        if self._delayed and min(ends[: len(self._delayed)]) <= last:
            due = [p for end, p in self._delayed if end <= last]
            self._delayed = [delayed for delayed in self._delayed if delayed[0] > last]
        arrived = False
        for (transfer, _), rate in zip(moving, rates, strict=True):
            transfer.remaining -= rate * step
            arrived |= transfer.remaining <= _NOTHING
        if arrived:
            due += [p for t, p in moving if t.remaining <= _NOTHING]
            self._moving = [one for one in moving if one[0].remaining > _NOTHING]
            self._rates = []
        for process in due:
            self.start(process)

    def _shared(self) -> list[float]:
        """Bytes per cycle of each transfer: those of a port share it."""
        ports = tuple([t.port for t, _ in self._moving])
        if (shares := self._shares.get(ports)) is None:
            rates = self._ports(ports)
            shares = self._shares[ports] = [rates[p] / ports.count(p) for p in ports]
        self._rates = [
            min(t.most, share) for (t, _), share in zip(self._moving, shares, strict=True)
        ]
        return self._rates
