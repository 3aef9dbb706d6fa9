"""The list of commands as it grows: numbers, hazards and wait counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.arch import limits
from accelgen.arch.isa import Opcode

__all__ = ["CommandList", "Pending", "Rows"]

Ints = npt.NDArray[np.int64]

_WAITS = {Opcode.LOAD: "wait_loads", Opcode.EXEC: "wait_execs", Opcode.STORE: "wait_stores"}


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

    opcode: Opcode
    step: int
    number: int
    fields: dict[str, Any]
    in_image: bool = False


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
        self, opcode: Opcode, step: int, fields: dict[str, Any], *,
        reads: list[tuple[str, Rows]] | None = None, writes: list[tuple[str, Rows]] | None = None,
        in_image: bool = False, after_loads: int = 0, after_execs: int = 0,
    ) -> None:  # fmt: skip
        """Append a command that ``reads`` and ``writes`` rows of memory "feature" or "ddr".

        ``after_loads``, ``after_execs``: LOADs and EXECs that it waits for besides.
        """
        reading = [(m, r.indices()) for m, r in reads or ()]
        writing = [(m, r.indices()) for m, r in writes or ()]
        header: dict[str, int] = {"opcode": opcode, "tag": step % 4096}
        for unit, name in _WAITS.items():
            if unit is not opcode:
                seen = [self._write[m, unit][r].max(initial=0) for m, r in reading + writing]
                seen += [self._read[m, unit][r].max(initial=0) for m, r in writing]
                header[name] = int(max(seen, default=0))
        for name, count in (("wait_loads", after_loads), ("wait_execs", after_execs)):
            if count > 0:
                header[name] = max(header.get(name, 0), count)
        number = self.count[opcode]
        self.count[opcode] += 1
        for memory, rows in reading:
            self._read[memory, opcode][rows] = number + 1
        for memory, rows in writing:
            self._write[memory, opcode][rows] = number + 1
        pending = Pending(
            opcode=opcode, step=step, number=number, fields={"header": header, **fields},
            in_image=in_image,
        )  # fmt: skip
        self.commands.append(pending)

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
