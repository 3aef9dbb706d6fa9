"""Runs a program's commands, from the bytes of its image, on a numpy memory. Bit-exact, no time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams, limits
from accelgen.arch.isa import CHANNEL_PARAM, Opcode
from accelgen.program.commands import (
    Command,
    End,
    Exec,
    Load,
    Store,
    Transfer,
    Weights,
    moves_maps,
)
from accelgen.program.encode import command_bytes, decode_command
from accelgen.program.layout import pack_tensor, unpack_tensor
from accelgen.program.records import Placement, Program
from accelgen.simulation.functional_exec import CommandError, Params, StepStream, execute

__all__ = ["FunctionalResult", "run_functional"]

Int8 = npt.NDArray[np.int8]

_UNITS = (Opcode.EXEC, Opcode.WEIGHTS, Opcode.LOAD, Opcode.STORE)


@dataclass(frozen=True)
class FunctionalResult:
    """``tensors``: every output and kept tensor, (h, w, c) int8. ``ddr``: the image afterwards.

    ``order`` lists the commands (indices into the program) as they were run.
    """

    tensors: dict[str, Int8]
    ddr: bytearray
    order: tuple[int, ...]


def run_functional(
    program: Program, inputs: Mapping[str, Int8], *, shuffle: int | None = None
) -> FunctionalResult:
    """Run ``program`` on ``inputs`` (h, w, c) by tensor name.

    Commands are decoded from the image. Memories start as seeded garbage. Without ``shuffle``
    commands run in program order, each checked to have its wait counts reached. With it (a seed),
    the units take turns at random, as far as queues, unit order and wait counts allow: a missing
    wait shows as a wrong result or a deadlock.

    Raises
    ------
    CommandError
        A command asks for what the hardware does not do, or nothing can run any more.
    """
    machine = _Machine(program, inputs)
    return machine.run(None if shuffle is None else np.random.default_rng(shuffle))


class _Machine:
    def __init__(self, program: Program, inputs: Mapping[str, Int8]) -> None:
        self.program = program
        self.arch: ArchParams = program.arch
        rng = np.random.default_rng(1)
        shape = (self.arch.feature_rows, self.arch.pixels, self.arch.lanes)
        self.memory = rng.integers(-128, 128, shape, np.int8)
        self.tables = rng.integers(-128, 128, (2, limits.TABLE_BANKS, limits.TABLE_BYTES), np.int8)
        self.ddr = bytearray(rng.bytes(program.image_bytes))
        self.ddr[: len(program.image)] = program.image
        for placement in program.inputs:
            at = placement.offset
            packed = pack_tensor(inputs[placement.tensor], placement, self.arch)
            self.ddr[at : at + placement.size_bytes] = packed
        self.sums = rng.integers(-1 << 20, 1 << 20, (limits.SQUEEZE_GROUPS, self.arch.lanes))
        self.streams: deque[StepStream] = deque()
        self.words: list[Int8] = []  # of output groups, in the ring
        self.words_at, self.kept_at, self.keeps = 0, 0, False
        self.parked = bytearray()  # on its way from STORE to WEIGHTS
        self.wanted = 0  # bytes that the next WEIGHTS takes out of it
        self.done = dict.fromkeys(_UNITS, 0)

    def run(self, rng: np.random.Generator | None) -> FunctionalResult:
        commands = self._fetch()
        order: list[int] = []
        queues: dict[Opcode, deque[int]] = {unit: deque() for unit in _UNITS}
        dispatched = 0
        while dispatched < len(commands) or any(queues.values()):
            while dispatched < len(commands):
                queue = queues[commands[dispatched].opcode]
                if len(queue) >= limits.UNIT_QUEUE:
                    break
                queue.append(dispatched)
                dispatched += 1
            self.wanted = self._wanted(queues[Opcode.WEIGHTS], commands)
            ready = [q for u, q in queues.items() if q and self._may_run(commands[q[0]], u)]
            if not ready:
                raise CommandError(f"deadlock: {dispatched} commands dispatched, none can run")
            queue = min(ready) if rng is None else ready[rng.integers(len(ready))]
            index = queue.popleft()
            self._run(commands[index])
            order.append(index)
        return FunctionalResult(tensors=self._results(), ddr=self.ddr, order=tuple(order))

    def _fetch(self) -> list[Command]:
        """Commands from the image up to END."""
        commands: list[Command] = []
        at = self.program.program_offset
        while True:
            command = decode_command(memoryview(self.ddr)[at:])
            if isinstance(command, End):
                return commands
            commands.append(command)
            at += command_bytes(command.opcode)

    def _may_run(self, command: Command, unit: Opcode) -> bool:
        header = command.header
        if unit is Opcode.WEIGHTS and (self._is_far_ahead() or len(self.parked) < self.wanted):
            return False
        if isinstance(command, Store) and command.weights and len(self.parked) >= self.wanted:
            return False
        if unit is Opcode.EXEC and not self.streams:
            return False
        return (
            self.done[Opcode.LOAD] >= header.wait_loads
            and self.done[Opcode.EXEC] >= header.wait_execs
            and self.done[Opcode.STORE] >= header.wait_stores
        )

    def _run(self, command: Command) -> None:
        if isinstance(command, Weights):
            self.streams.append(self._read_stream(command))
        elif isinstance(command, Exec):
            stream = self._with_words(command, self.streams.popleft())
            execute(command, stream, self.memory, self.tables, self.sums, self.arch)
        elif moves_maps(command):
            self._transfer(command)
        elif isinstance(command, Store):
            self.parked += self.memory[command.row :][: command.rows].tobytes()
        self.done[command.opcode] += 1

    def _read_stream(self, f: Weights) -> StepStream:
        """Cut a weight stream as isa.WEIGHTS says; tables go to their bank at once."""
        if f.offset % 16:
            raise CommandError("a weight stream is not aligned to a beat")
        lanes, groups = self.arch.lanes, f.groups
        data = self._stream_data(f)
        at = 0
        for unit, leads in enumerate((f.table1, f.table2)):
            if leads:
                self.tables[unit, f.table_bank] = data[at : at + limits.TABLE_BYTES].view(np.int8)
                at += limits.TABLE_BYTES
        blocks = data[at:].reshape(groups, -1)
        at = 0

        def take(size: int) -> npt.NDArray[np.uint8]:
            nonlocal at
            at += size
            return blocks[:, at - size : at].copy()

        params1 = _params(take(8 * lanes), lanes) if f.params1 else None
        params2 = _params(take(8 * lanes), lanes) if f.params2 else None
        taps = words = None
        if f.taps:
            beats = take(16 * f.tap_beats).view(np.int8)
            taps = beats[:, : f.taps * lanes].reshape(groups, f.taps, lanes)
        if f.weight_words:
            shape = (groups, f.weight_words, lanes, lanes)
            words = take(f.weight_words * lanes * lanes).view(np.int8).reshape(shape)
            if (words == -128).any():
                raise CommandError("a weight is -128")
        if at != blocks.shape[1]:
            raise CommandError("a weight stream is longer than its parts")
        return StepStream(groups, f.table_bank, params1, params2, taps, words)

    def _with_words(self, f: Exec, stream: StepStream) -> StepStream:
        """The stream with the weight words that were kept, if it brings none."""
        if stream.words is not None:
            self.words += list(stream.words)
        if f.rewind:
            self.words_at = self.kept_at
        elif not self.keeps:
            self.kept_at = self.words_at
        self.keeps = f.keep
        if not f.weight_words:
            return stream
        words = self.words[self.words_at :][: f.groups]
        self.words_at += f.groups
        if len(words) != f.groups:
            raise CommandError("weight words are read again that were not kept")
        if self.keeps and sum(map(len, self.words)) > self.arch.weight_words:
            raise CommandError("more weight words are kept than the ring holds")
        if not self.keeps:
            del self.words[: self.words_at]
            self.words_at = 0
        return replace(stream, words=np.stack(words))

    def _is_far_ahead(self) -> bool:
        """The next WEIGHTS' bank of tables is in use."""
        ahead = self.done[Opcode.WEIGHTS] - self.done[Opcode.EXEC]
        return ahead >= limits.TABLE_BANKS

    def _wanted(self, queue: deque[int], commands: list[Command]) -> int:
        """Bytes of whole rows that the first WEIGHTS of ``queue`` takes from STOREs."""
        first = commands[queue[0]] if queue else None
        return self._stream_bytes(first) if isinstance(first, Weights) and first.parked else 0

    def _stream_bytes(self, f: Weights) -> int:
        return -(-f.beats * 16 // self.arch.row_bytes) * self.arch.row_bytes

    def _stream_data(self, f: Weights) -> npt.NDArray[np.uint8]:
        if not f.parked:
            return np.frombuffer(self.ddr, np.uint8, f.beats * 16, f.offset).copy()
        size = self._stream_bytes(f)
        data = np.frombuffer(bytes(self.parked[:size]), np.uint8)[: f.beats * 16].copy()
        del self.parked[:size]
        return data

    def _transfer(self, f: Transfer) -> None:
        load = isinstance(f, Load)
        size = f.rows * self.arch.row_bytes
        if f.row + (f.groups - 1) * f.row_stride + f.rows > len(self.memory):
            raise CommandError("a transfer leaves the feature memory")
        for g in range(f.groups):
            at = f.offset + g * f.stride
            row = f.row + g * f.row_stride
            rows = self.memory[row : row + f.rows]
            streams = load and at < self.program.program_offset
            if at % 16 or at + size > len(self.ddr):
                raise CommandError("a transfer leaves DDR")
            if at < len(self.program.image) and not streams:
                raise CommandError("a transfer is outside the tensors' part of DDR")
            if load:
                rows[...] = np.frombuffer(self.ddr, np.int8, size, at).reshape(rows.shape)
            else:
                self.ddr[at : at + size] = rows.tobytes()

    def _results(self) -> dict[str, Int8]:
        def read(p: Placement) -> Int8:
            return unpack_tensor(self.ddr[p.offset : p.offset + p.size_bytes], p, self.arch)

        places = {p.tensor: p for p in self.program.outputs} | dict(self.program.kept)
        return {name: read(p) for name, p in places.items()}


def _params(data: npt.NDArray[np.uint8], lanes: int) -> Params:
    """Unpack isa.CHANNEL_PARAM, (groups, lanes) of each field."""
    words = data.view("<u8").reshape(-1, lanes)

    def cut(name: str) -> npt.NDArray[np.int64]:
        field, first = CHANNEL_PARAM[name], CHANNEL_PARAM.first_bit(name)
        # To the top, and down again with the sign.
        top = words << np.uint64(64 - field.width - first)
        whole = top.view(np.int64) if field.signed else top
        return (whole >> whole.dtype.type(64 - field.width)).astype(np.int64)

    return Params(cut("bias"), cut("multiplier"), cut("shift"))
