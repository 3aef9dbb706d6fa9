"""A clock, processes that wait, and bandwidth shared between transfers: what time lines need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

__all__ = ["Delay", "Process", "Simulation", "Transfer", "Wait"]

#: Cycles, and bytes, that are rounding.
_AT_ONCE, _NOTHING = 1e-9, 1e-6
#: Bytes that are rounding, per cycle of the clock: it has 53 bits.
_CLOCK = 2.0**-46
_NEVER = float("inf")


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
        #: A heap: when each ends, and, for those that end together, who came first.
        self._delayed: list[tuple[float, int, Process]] = []
        self._begun = 0
        self._moving: list[tuple[Transfer, Process]] = []
        #: Of the transfers in _moving, since when, and when the first of them ends. Empty when they
        #: are others than before: what remains of them is then known as it is now.
        self._rates: list[float] = []
        self._since = self._arrival = 0.0
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
        self._settle()
        self._shares = {}

    def start(self, process: Process) -> None:
        """Let ``process`` run, now, until it waits."""
        for what in process:
            if isinstance(what, Delay):
                if what.cycles > 0:
                    self._begun += 1
                    heappush(self._delayed, (self.now + what.cycles, self._begun, process))
                    return
            elif isinstance(what, Wait):
                if not what.until():
                    self._waiting.append((what.until, process))
                    return
            elif what.remaining > 0:
                self._settle()
                self._moving.append((what, process))
                return

    def _wake(self) -> None:
        """Start everything whose condition holds; starting one may fulfil another's."""
        while ready := [waiting for waiting in self._waiting if waiting[0]()]:
            for waiting in ready:
                self._waiting.remove(waiting)
            for _, process in ready:
                self.start(process)

    def _advance(self) -> None:
        """Move the clock to the next end of a delay or a transfer, and start what ends then."""
        delayed = self._delayed
        if self._moving and not self._rates:
            self._share()
        arrival = self._arrival if self._moving else _NEVER
        self.now = now = max(self.now, min(arrival, delayed[0][0]) if delayed else arrival)
        due = []
        while delayed and delayed[0][0] <= now + _AT_ONCE:
            due.append(heappop(delayed)[2])
        if arrival <= now:
            self._settle()
            rounding = _NOTHING + _CLOCK * now
            due += [p for t, p in self._moving if t.remaining <= rounding]
            self._moving = [one for one in self._moving if one[0].remaining > rounding]
        for process in due:
            self.start(process)

    def _settle(self) -> None:
        """Note what has moved by now; others may move from here on."""
        if self._rates:
            time = self.now - self._since
            for (transfer, _), rate in zip(self._moving, self._rates, strict=True):
                transfer.remaining -= rate * time
            self._rates = []

    def _share(self) -> None:
        """Bytes per cycle of each transfer, from now on: those of a port share it."""
        moving = self._moving
        ports = tuple([t.port for t, _ in moving])
        if (shares := self._shares.get(ports)) is None:
            rates = self._ports(ports)
            shares = self._shares[ports] = [rates[p] / ports.count(p) for p in ports]
        self._rates = [min(t.most, share) for (t, _), share in zip(moving, shares, strict=True)]
        ends = [t.remaining / rate for (t, _), rate in zip(moving, self._rates, strict=True)]
        self._since, self._arrival = self.now, self.now + min(ends)
