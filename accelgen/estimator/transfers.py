"""LOAD and STORE on the time line: runs of rows between DDR and the feature memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from accelgen.arch import ArchParams, limits, overhead
from accelgen.cost.events import Delay, Process, Simulation, Wait
from accelgen.estimator.ports import Piece, ReadPort, WritePort, pieces
from accelgen.program.commands import Load, Store, Transfer

__all__ = ["Loads", "Stores"]

Until = Callable[[], bool]


def _runs(fields: Transfer, arch: ArchParams) -> Iterator[list[Piece]]:
    """The pieces of each group of a LOAD or STORE."""
    size = fields.rows * arch.row_bytes
    for group in range(fields.groups):
        yield list(pieces(arch, fields.offset + group * fields.stride, size))


class Loads:
    """The load unit: asks for runs of the coming commands while those before them come.

    Parameters
    ----------
    due, take : function
        The next command's waits are over; removes and returns it.
    done : function
        Called when a command's last row is in the feature memory.
    """

    def __init__(
        self, simulation: Simulation, arch: ArchParams, latency: float, *,
        due: Until, take: Callable[[], Load], done: Callable[[], None],
    ):  # fmt: skip
        self.simulation = simulation
        self.arch = arch
        self.due, self.take, self.done = due, take, done
        self.port = ReadPort(simulation, "load", arch, latency)
        self.working = 0
        self.read_bytes = 0

    def process(self, commands: int) -> Process:
        """For a program of so many LOADs."""
        for _ in range(commands):
            before = self.simulation.now
            yield Wait(lambda: self.working < limits.RUNS_AHEAD and self.due())
            fields = self.take()
            self.working += 1
            if self.simulation.now > before:
                yield Delay(overhead.LOAD_HEAD_CYCLES)
            runs = list(_runs(fields, self.arch))
            for number, run in enumerate(runs):
                for piece in run:
                    ends = number == len(runs) - 1 and piece is run[-1]
                    self.port.ask(piece, self._end if ends else _nothing)
                    yield Delay(overhead.BURST_CYCLES)
                    self.read_bytes += piece.size
                yield Delay(overhead.RUN_CYCLES)

    def _end(self) -> None:
        self.simulation.start(self._tail())

    def _tail(self) -> Process:
        yield Delay(overhead.LOAD_TAIL_CYCLES)
        self.working -= 1
        self.done()


class Stores:
    """The store unit: the next command's beats follow while the responses of this one come.

    Parameters
    ----------
    due, take, done : function
        As :class:`Loads`.
    feed : function
        Takes a STORE's bytes of parked weights.
    """

    def __init__(
        self, simulation: Simulation, arch: ArchParams, latency: float, *,
        due: Until, take: Callable[[], Store], done: Callable[[], None],
        feed: Callable[[int], Process],
    ):  # fmt: skip
        self.simulation = simulation
        self.arch = arch
        self.due, self.take, self.done, self.feed = due, take, done, feed
        self.port = WritePort(simulation, "store", arch, latency)
        self.pending: deque[int] = deque()
        self.working = 0
        self.written_bytes = 0

    def process(self, commands: int) -> Process:
        """For a program of so many STOREs."""
        for _ in range(commands):
            before = self.simulation.now
            yield Wait(lambda: self.working <= limits.RUNS_AHEAD and self.due())
            fields = self.take()
            waited = self.simulation.now > before
            if fields.weights:
                yield Wait(lambda: not self.working)
            self.working += 1
            yield Delay(overhead.STORE_HEAD_CYCLES if waited else overhead.STORE_NEXT_CYCLES)
            if fields.weights:
                yield from self.feed(fields.groups * fields.rows * self.arch.row_bytes)
                self._answered()
            else:
                yield from self._write(fields)

    def _write(self, fields: Store) -> Process:
        runs = list(_runs(fields, self.arch))
        begin = self.simulation.now
        for number, run in enumerate(runs):
            for piece in run:
                ends = number == len(runs) - 1 and piece is run[-1]
                yield from self.port.write(piece, begin, self._answered if ends else _nothing)
                self.written_bytes += piece.size
                begin += overhead.BURST_CYCLES
            begin = max(begin + overhead.RUN_CYCLES, self.simulation.now - 1)

    def _answered(self) -> None:
        self.working -= 1
        self.done()


def _nothing() -> None:
    pass
