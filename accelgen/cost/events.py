"""A clock, processes that wait, and bandwidth shared between transfers: what time lines need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass

__all__ = ["Delay", "Process", "Simulation", "Transfer", "Wait"]


@dataclass(frozen=True)
class Delay:
    """Go on after ``cycles``."""

    cycles: float


@dataclass(frozen=True)
class Wait:
    """Go on as soon as ``until()`` is true."""

    until: Callable[[], bool]


@dataclass
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
        Bytes per cycle of each port, from the ports that want to move some.
    """

    def __init__(self, rates: Callable[[Collection[str]], Mapping[str, float]]):
        self.now = 0.0
        self._ports = rates
        self._waiting: list[tuple[Process, Wait]] = []
        self._delayed: list[tuple[float, Process]] = []
        self._moving: list[tuple[Transfer, Process]] = []

    def run(self, *processes: Process) -> bool:
        """Run ``processes`` to their end; False when some wait for what never comes."""
        for process in processes:
            self.start(process)
        while True:
            self._wake()
            if not self._delayed and not self._moving:
                return not self._waiting
            self._advance()

    def start(self, process: Process) -> None:
        """Let ``process`` run, now, until it waits."""
        while True:
            try:
                what = next(process)
            except StopIteration:
                return
            if isinstance(what, Delay):
                if what.cycles > 0:
                    self._delayed.append((self.now + what.cycles, process))
                    return
            elif isinstance(what, Wait):
                if not what.until():
                    self._waiting.append((process, what))
                    return
            elif what.remaining > 0:
                self._moving.append((what, process))
                return

    def _wake(self) -> None:
        """Start everything whose condition holds; starting one may fulfil another's."""
        while ready := [p for p, what in self._waiting if what.until()]:
            self._waiting = [(p, what) for p, what in self._waiting if p not in ready]
            for process in ready:
                self.start(process)

    def _advance(self) -> None:
        """Move the clock to the next end of a delay or a transfer."""
        rates = self._rates()
        ends = [end for end, _ in self._delayed]
        ends += [
            self.now + t.remaining / rate
            for (t, _), rate in zip(self._moving, rates, strict=True)
        ]  # fmt: skip
        step = max(0.0, min(ends) - self.now)
        for (transfer, _), rate in zip(self._moving, rates, strict=True):
            transfer.remaining -= rate * step
        self.now += step
        due = [p for end, p in self._delayed if end <= self.now + 1e-9]
        due += [p for t, p in self._moving if t.remaining <= 1e-6]
        self._delayed = [(end, p) for end, p in self._delayed if end > self.now + 1e-9]
        self._moving = [(t, p) for t, p in self._moving if t.remaining > 1e-6]
        for process in due:
            self.start(process)

    def _rates(self) -> list[float]:
        """Bytes per cycle of each transfer: those of a port share it."""
        ports = [t.port for t, _ in self._moving]
        rates = self._ports(ports)
        return [min(t.most, rates[t.port] / ports.count(t.port)) for t, _ in self._moving]
