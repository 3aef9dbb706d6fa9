"""The list of commands as it grows: numbers, hazards and wait counts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from accelgen.arch import limits
from accelgen.arch.isa import HEADER, Opcode
from accelgen.program.commands import Command, Header

__all__ = ["CommandList", "Pending", "Rows"]

Ints = npt.NDArray[np.int64]

#: Units that others wait for.
_WAITS = (Opcode.LOAD, Opcode.EXEC, Opcode.STORE)


@dataclass(frozen=True)
class Rows:
    """``groups`` times ``rows`` consecutive rows, ``stride`` apart. Of feature memory or of DDR."""

    first: int
    stride: int
    groups: int
    rows: int

    def indices(self) -> Ints:
        """Every row's number."""
        groups = np.arange(self.groups)[:, None] * self.stride
        return (self.first + groups + np.arange(self.rows)[None]).ravel()


@dataclass(kw_only=True)
class Pending:
    """A command before addresses of DDR tensors are known. ``number`` counts within its unit.

    The offset of a LOAD ``in_image`` is final.
    """

    step: int
    number: int
    command: Command
    in_image: bool = False

    @property
    def opcode(self) -> Opcode:
        """Of the command."""
        return self.command.opcode


@dataclass
class CommandList:
    """Collects commands in program order and gives each the waits its memory accesses need.

    A command waits for the last earlier command of each other unit that wrote what it reads or
    writes, or read what it writes. Commands of its own unit are done before it starts.
    """

    feature_rows: int
    ddr_rows: int
    commands: list[Pending] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.count = dict.fromkeys(Opcode, 0)
        size = {"feature": self.feature_rows, "ddr": self.ddr_rows}
        # Memory, unit: number of the last command, plus one, that read or wrote each row.
        self._read = {(m, u): np.zeros(n, np.int64) for m, n in size.items() for u in _WAITS}
        self._write = {(m, u): np.zeros(n, np.int64) for m, n in size.items() for u in _WAITS}

    def add(
        self, step: int, command: Command, *,
        reads: list[tuple[str, Rows]] | None = None, writes: list[tuple[str, Rows]] | None = None,
        in_image: bool = False, after_loads: int = 0, after_execs: int = 0,
    ) -> None:  # fmt: skip
        """Append ``command``, which ``reads`` and ``writes`` rows of memory "feature" or "ddr".

        ``after_loads``, ``after_execs``: LOADs and EXECs that it waits for besides.
        """
        reading = [(m, r.indices()) for m, r in reads or ()]
        writing = [(m, r.indices()) for m, r in writes or ()]
        opcode = command.opcode
        waits = dict.fromkeys(_WAITS, 0)
        for unit in _WAITS:
            if unit is not opcode:
                seen = [self._write[m, unit][r].max(initial=0) for m, r in reading + writing]
                seen += [self._read[m, unit][r].max(initial=0) for m, r in writing]
                waits[unit] = int(max(seen, default=0))
        header = Header(
            tag=step & HEADER.largest("tag"),
            wait_loads=max(waits[Opcode.LOAD], after_loads),
            wait_execs=max(waits[Opcode.EXEC], after_execs),
            wait_stores=waits[Opcode.STORE],
        )
        number = self.count[opcode]
        self.count[opcode] += 1
        for memory, rows in reading:
            self._read[memory, opcode][rows] = number + 1
        for memory, rows in writing:
            self._write[memory, opcode][rows] = number + 1
        command = replace(command, header=header)
        self.commands.append(Pending(step=step, number=number, command=command, in_image=in_image))

    def last_exec_wrote(self, rows: Rows) -> bool:
        """Whether the EXEC added last writes any of these rows of the feature memory."""
        writers = self._write["feature", Opcode.EXEC][rows.indices()]
        return bool((writers == self.count[Opcode.EXEC]).any())

    def with_early_weights(self) -> list[Pending]:
        """Program order in which WEIGHTS n comes before EXEC n - 3: it waits for that and the
        program's first LOADs only. Before them all, what the first EXEC cannot begin without."""
        weights = iter([c for c in self.commands if c.opcode is Opcode.WEIGHTS])
        ordered: list[Pending] = []
        for command in self.commands:
            if command.opcode is Opcode.WEIGHTS:
                continue
            if command.opcode is Opcode.EXEC:
                ordered += islice(weights, 1)
            ordered.append(command)
            if command.opcode is Opcode.EXEC and command.number == 0:
                ordered += islice(weights, limits.TABLE_BANKS - 1)
        return ordered
