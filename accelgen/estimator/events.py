"""A clock, processes that wait, and bandwidth shared between transfers: what time lines need."""

from __future__ import annotations

from collections.abc import Callable, Generator, Set
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
    """Go on when ``remaining`` bytes have passed ``port``."""

    port: str
    remaining: float


#: A unit of the hardware: yields what it waits for, returns when it has nothing left to do.
Process = Generator[Delay | Wait | Transfer, None, None]


class Simulation:
    """Runs processes side by side until nothing moves any more.

    Parameters
    ----------
    bytes_per_cycle : float
        What memory moves for all ports together, shared fairly.
    port_bytes : float
        What one port moves at most.
    apart : set of str
        Ports that do not take from what the others share, but have as much for themselves.
    """

    def __init__(self, bytes_per_cycle: float, port_bytes: float, apart: Set[str] = frozenset()):
        self.now = 0.0
        self._bytes_per_cycle = bytes_per_cycle
        self._port_bytes = port_bytes
        self._apart = apart
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
        """Bytes per cycle of each transfer: equal shares, no port above its width."""
        ports = [t.port for t, _ in self._moving]
        sharing = set(ports) - self._apart
        share = self._bytes_per_cycle / max(1, len(sharing))
        # What a full port cannot take is the others' to have: with two or three ports a second
        # look is enough.
        caps = {port: min(share, self._port_bytes) for port in sharing}
        spare = self._bytes_per_cycle - sum(caps.values())
        if spare > 0 and caps:
            caps = {p: min(c + spare / len(caps), self._port_bytes) for p, c in caps.items()}
        alone = min(self._bytes_per_cycle, self._port_bytes)
        caps |= dict.fromkeys(set(ports) & self._apart, alone)
        return [caps[port] / ports.count(port) for port in ports]
