"""AXI ports on the time line: bursts that are asked for ahead, a latency before they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from accelgen.arch import ArchParams, overhead
from accelgen.cost.events import Delay, Process, Simulation, Transfer, Wait

__all__ = ["Piece", "ReadPort", "WritePort", "pieces"]

#: Runs of more bursts than this many times those in flight are followed as one: what is in flight
#: bounds their rate, their ends no longer count.
_LONG = 2


#: A write's response to the next address, and a cycle until it is counted.
_ANSWERED_CYCLES = overhead.WRITE_TURN_CYCLES + 1


@dataclass(frozen=True)
class Piece:
    """A burst, or the ``bursts`` of a long run, that are ``size`` bytes."""

    size: int
    bursts: int = 1


def pieces(arch: ArchParams, offset: int, size: int) -> Iterator[Piece]:
    """Of a run of ``size`` bytes from byte ``offset`` on: cut as rtl/transfer/bursts.py does."""
    burst = arch.burst_beats * ArchParams.BUS_BYTES
    first, last = offset // burst, (offset + size - 1) // burst
    if last - first + 1 > _LONG * arch.outstanding:
        yield Piece(size, last - first + 1)
        return
    at = offset
    while at < offset + size:
        end = min((at // burst + 1) * burst, offset + size)
        yield Piece(end - at)
        at = end


@dataclass
class _Asked:
    piece: Piece
    when: float
    then: Callable[[], None]
    parts: int = 1


@dataclass
class ReadPort:
    """Reads in the order in which they were asked for, ``outstanding`` bursts in flight.

    ``latency``: from a burst's address to its first beat.
    """

    simulation: Simulation
    name: str
    arch: ArchParams
    latency: float
    asked: deque[_Asked] = field(default_factory=deque)
    serving: bool = False
    #: When the bursts came that were in flight last.
    came: deque[float] = field(default_factory=deque)

    def ask(self, piece: Piece, then: Callable[[], None], parts: int = 1) -> None:
        """Ask for ``piece``, now; ``then()`` when all of it has come, or each of ``parts``."""
        self.asked.append(_Asked(piece, self.simulation.now, then, parts))
        if not self.serving:
            self.serving = True
            self.simulation.start(self._serve())

    def _serve(self) -> Process:
        """Bursts as they come, until none is asked for."""
        outstanding = self.arch.outstanding
        turn = self.latency + overhead.READ_TURN_CYCLES
        while self.asked:
            one = self.asked.popleft()
            due = one.when + self.latency
            if len(self.came) == outstanding:
                due = max(due, self.came[0] + turn)
            yield Delay(due - self.simulation.now)
            most = one.piece.size / one.piece.bursts * outstanding / turn
            limit = most if one.piece.bursts > outstanding else float("inf")
            begin = self.simulation.now
            for _ in range(one.parts):
                yield Transfer(self.name, one.piece.size / one.parts, limit)
                one.then()
            each = (self.simulation.now - begin) / one.piece.bursts
            for behind in reversed(range(min(one.piece.bursts, outstanding))):
                self.came.append(self.simulation.now - behind * each)
            while len(self.came) > outstanding:
                self.came.popleft()
        self.serving = False


@dataclass
class WritePort:
    """Writes in order, ``outstanding`` bursts unanswered."""

    simulation: Simulation
    name: str
    arch: ArchParams
    latency: float
    flying: int = 0

    def write(self, piece: Piece, begin: float, then: Callable[[], None]) -> Process:
        """Send ``piece``, its address not before ``begin``; ``then()`` when it is answered."""
        bursts = min(piece.bursts, self.arch.outstanding)
        yield Wait(lambda: self.flying + bursts <= self.arch.outstanding)
        yield Delay(begin - self.simulation.now)
        self.flying += bursts
        most = piece.size / piece.bursts * self.arch.outstanding
        most /= self.latency + _ANSWERED_CYCLES + ArchParams.BUS_BYTES
        limit = most if piece.bursts > bursts else float("inf")
        yield Transfer(self.name, piece.size, limit)
        self.simulation.start(self._answer(bursts, then))

    def _answer(self, bursts: int, then: Callable[[], None]) -> Process:
        yield Delay(self.latency + _ANSWERED_CYCLES)
        self.flying -= bursts
        then()
