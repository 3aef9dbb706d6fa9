"""The weight loader on the time line: reads ahead, routes by counting, waits where it is full."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from accelgen.arch import ArchParams, limits, overhead
from accelgen.cost.events import Delay, Process, Simulation, Transfer, Wait
from accelgen.estimator.ports import Piece, ReadPort
from accelgen.program.commands import Weights

__all__ = ["Group", "WeightStream"]

#: Bytes followed as one: a burst, or several where a command is long.
PIECE, LONG_PIECE, LONG = 256, 1024, 32768
#: Words that follow those that are freed as one.
LEAST_WORDS = 64
_ROUNDING = 1e-6


@dataclass
class Group:
    """One output channel group of one EXEC on its way through weights, front and window.

    ``came``: its words that are in the ring, or were. The last vector reads them for the last time,
    and frees them, from ``read_from`` on in ``read_cycles``.
    """

    words: int = 0
    came: int = 0
    read_from: float = -1.0
    read_cycles: float = 1.0
    weights_begun: bool = False
    weights_there: bool = False
    front_start: float = -1.0
    front_end: float = -1.0
    front_done: bool = False
    window_start: float = -1.0
    done: bool = False

    def held(self, now: float) -> float:
        """Words that take room in the ring."""
        if self.front_done:
            return 0.0
        read = (now - self.read_from) / self.read_cycles if self.read_from >= 0 else 0.0
        return max(0.0, self.came - self.words * read)


class WeightStream:
    """Processes that stream WEIGHTS commands into ``groups`` (of each EXEC in turn).

    Parameters
    ----------
    take : function
        Removes and returns the next command; only when ``due()``.
    done : function
        Called when a command's last word is in its place.
    execs_done : function
        EXECs completed so far.
    """

    def __init__(
        self,
        simulation: Simulation,
        arch: ArchParams,
        port: ReadPort,
        groups: Sequence[Sequence[Group]],
        due: Callable[[], bool],
        take: Callable[[], Weights],
        done: Callable[[], None],
        execs_done: Callable[[], int],
    ):
        self.simulation = simulation
        self.arch = arch
        self.port = port
        self.groups = groups
        self.due, self.take, self.done, self.execs_done = due, take, done, execs_done
        self.burst = arch.burst_beats * arch.BUS_BYTES
        self.room = arch.outstanding * self.burst
        # What is asked for and what is waited for must have room together, or neither would move.
        self.piece = min(PIECE, self.room // 2)
        self.accepted: deque[Weights] = deque()
        self.issued = self.received = self.consumed = 0
        self.fed = self.eaten = 0
        #: Groups whose parameters are in the array's requantizer or before it; in the window's.
        self.flows: tuple[deque[Group], deque[Group]] = deque(), deque()
        self.held: deque[Group] = deque()

    def processes(self, commands: int) -> Iterator[Process]:
        """For a program of so many WEIGHTS."""
        yield from (self._request(commands), self._route(commands))

    def _request(self, commands: int) -> Process:
        """Ask for what has a place in the queue of beats, command after command."""
        for _ in range(commands):
            yield Wait(lambda: len(self.accepted) < limits.WEIGHTS_AHEAD and self.due())
            fields = self.take()
            self.accepted.append(fields)
            if fields.parked:
                continue
            size = fields.beats * ArchParams.BUS_BYTES
            # Larger pieces than bursts need more room to keep the same rate.
            room = self.room + (2 * LONG_PIECE if size >= LONG else 0)
            for piece in self._pieces(size):
                yield Wait(self._has_room(room - piece))
                self.issued += piece
                bursts = -(-piece // self.burst)
                self.port.ask(Piece(piece, bursts), partial(self._came, piece))
                yield Delay(overhead.BURST_CYCLES * bursts)

    def _came(self, piece: int) -> None:
        self.received += piece

    def _route(self, commands: int) -> Process:
        """Beats to their places; each section waits until its place has room."""
        for number in range(commands):
            yield Wait(lambda: bool(self.accepted))
            fields = self.accepted[0]
            if tables := fields.table1 + fields.table2:
                yield Wait(self._bank_free(number))
                yield from self._consume(tables * limits.TABLE_BYTES, fields)
            for group in self.groups[number]:
                yield from self._route_group(group, fields)
            # The rest of the last row is dropped.
            yield from self._consume(-self.eaten % self.arch.row_bytes, fields)
            self.accepted.popleft()
            self.done()

    def _bank_free(self, number: int) -> Callable[[], bool]:
        """True when the EXEC that last read the table bank of WEIGHTS ``number`` is done."""
        return lambda: self.execs_done() > number - limits.TABLE_BANKS

    def _route_group(self, group: Group, fields: Weights) -> Process:
        size = 0
        for has, flow in zip((fields.params1, fields.params2), self.flows, strict=True):
            if has:
                before = self._before(group, flow)
                if before and not before.done:
                    yield from self._consume(size, fields)
                    yield Wait(partial(_is_done, before))
                    size = 0
                size += self.arch.param_beats * ArchParams.BUS_BYTES
        yield from self._consume(size + fields.tap_beats * ArchParams.BUS_BYTES, fields)
        group.weights_begun = True
        group.words = fields.weight_words
        self.held.append(group)
        while (missing := group.words - group.came) > 0:
            while self.held[0].front_done:
                self.held.popleft()
            held = sum(g.held(self.simulation.now) for g in self.held)
            part = min(missing, int(self.arch.weight_words - held + _ROUNDING))
            least = min(missing, LEAST_WORDS, self.arch.weight_words)
            if part >= least:
                yield from self._consume(part * self.arch.weight_word_bytes, fields)
                group.came += part
            else:
                yield from self._free(self.held[0], least - part)
        group.weights_there = True

    def _before(self, group: Group, flow: deque[Group]) -> Group | None:
        """Whose end a group's parameters wait for: so many are in the requantizer, before it, and
        here."""
        waiting = limits.PARAM_GROUPS_WAITING + limits.SIDE_BEATS // self.arch.param_beats
        flow.append(group)
        return flow.popleft() if len(flow) > limits.PARAM_GROUPS_HELD + waiting else None

    def _free(self, oldest: Group, words: int) -> Process:
        """Wait until the oldest group has read so many for the last time, or about so many; one
        that brought none (kept weights) until it has read them."""
        if not oldest.words:
            yield Wait(lambda: oldest.front_done)
        elif oldest.read_from < 0:
            yield Wait(lambda: oldest.read_from >= 0 or oldest.front_done)
        else:
            yield Delay(max(1.0, words * oldest.read_cycles / oldest.words))

    def feed(self, size: int) -> Process:
        """A STORE of parked weights: ``size`` bytes, done when they are taken."""
        self.fed += size
        end = self.fed
        yield Wait(lambda: self.eaten >= end)

    def _consume(self, size: int, fields: Weights) -> Process:
        """Take ``size`` bytes out of the queue, or of what is fed, a beat per cycle."""
        if fields.parked:
            yield from self._consume_fed(size)
            return
        piece = self.piece if size < LONG else LONG_PIECE
        # Of a long command, pieces that are there are taken as one: there is room to ask for more.
        most = LONG_PIECE if fields.beats * ArchParams.BUS_BYTES >= LONG else piece
        while size > 0:
            there = self.received - self.consumed
            part = max(min(piece, size), min(there // piece * piece, most, size))
            cycles = part / ArchParams.BUS_BYTES
            if there < part:
                before = self.simulation.now
                yield Wait(self._holds(part))
                # What it waited for it took as it came, but for the last beat.
                cycles = max(1.0, cycles - (self.simulation.now - before))
            yield Delay(cycles)
            self.consumed += part
            size -= part

    def _consume_fed(self, size: int) -> Process:
        while size > 0:
            yield Wait(lambda: self.fed > self.eaten)
            piece = min(size, self.fed - self.eaten, LONG_PIECE)
            yield Transfer("parked", piece)
            self.eaten += piece
            size -= piece

    def _has_room(self, spare: int) -> Callable[[], bool]:
        """True when ``spare`` bytes or less are asked for and not consumed."""
        return lambda: self.issued - self.consumed <= spare

    def _holds(self, size: int) -> Callable[[], bool]:
        """True when so many bytes have come and are not consumed."""
        return lambda: self.received - self.consumed >= size

    def _pieces(self, size: int) -> Iterator[int]:
        piece = self.piece if size < LONG else LONG_PIECE
        for start in range(0, size, piece):
            yield min(piece, size - start)


def _is_done(group: Group) -> bool:
    return group.done
