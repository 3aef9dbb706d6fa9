"""Where hardware and truth first differ: tensor, element, cycle, command, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelgen.arch.isa import Opcode
from accelgen.program.commands import Command, Header, Part, Store, record_fields
from accelgen.program.records import Placement, Program, Step

__all__ = ["Divergence", "describe_command", "find_divergences", "tensor_order"]

Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """One tensor that is not what it must be.

    Parameters
    ----------
    tensor : str
    step : int
        Index of the schedule's step that made it (the tag of its commands); -1 for PS steps.
    nodes : tuple of str
        The graph's nodes in that step.
    index : tuple of int
        (h, w, c) of the first wrong element, in the order the hardware writes them.
    expected, got : int
        That element.
    wrong, elements : int
        How many elements are wrong, of how many.
    exec_number, cycle : int
        The EXEC that wrote the element and the cycle in which it completed; -1 when unknown.
    commands : tuple of str
        Listing of the commands of that step that concern the EXEC.
    """

    tensor: str
    step: int
    nodes: tuple[str, ...]
    index: tuple[int, int, int]
    expected: int
    got: int
    wrong: int
    elements: int
    exec_number: int
    cycle: int
    commands: tuple[str, ...]

    def __str__(self) -> str:
        """One sentence."""
        where = f"tensor {self.tensor!r} (step {self.step}: {', '.join(self.nodes)})"
        what = (
            f"first differs at (h, w, c) = {self.index}: expected {self.expected}, got {self.got}; "
            f"{self.wrong:,} of {self.elements:,} elements are wrong"
        )
        when = (
            f"; written by EXEC {self.exec_number}, done in cycle {self.cycle:,}"
            if self.cycle >= 0
            else ""
        )
        return f"{where} {what}{when}"


def tensor_order(program: Program) -> list[tuple[str, Step | None]]:
    """Tensors a program leaves in DDR with the steps that made them, in the order they are made."""
    left = {p.tensor for p in program.outputs} | set(program.kept)
    order: list[tuple[str, Step | None]] = []
    for step in program.steps:
        made = (t for t in (step.output, step.squeezed) if t in left)
        order += ((tensor, step) for tensor in made)
    known = {tensor for tensor, _ in order}
    return order + [(tensor, None) for tensor in sorted(left - known)]


def find_divergences(
    program: Program,
    expected: Mapping[str, npt.NDArray[np.int8]],
    got: Mapping[str, Int8],
    exec_cycles: Sequence[int] = (),
) -> list[Divergence]:
    """Every tensor that differs, in schedule order: the first is where the fault is.

    Parameters
    ----------
    program : Program
    expected : mapping
        From ``golden.interpret``: (1, h, w, c) or (h, w, c), int8.
    got : mapping
        (h, w, c) int8, from a simulator.
    exec_cycles : sequence of int
        The step log.
    """
    places = {p.tensor: p for p in program.outputs} | dict(program.kept)
    found = []
    for tensor, step in tensor_order(program):
        want = np.asarray(expected[tensor]).reshape(got[tensor].shape)
        if not np.array_equal(want, got[tensor]):
            found.append(_locate(program, places[tensor], step, want, got[tensor], exec_cycles))
    return found


def describe_command(number: int, command: Command) -> str:
    """One line: number, opcode, tag, waits, and every field that is not zero."""
    header = command.header
    counts = {"loads": header.wait_loads, "execs": header.wait_execs, "stores": header.wait_stores}
    waits = " ".join(f"{unit}>={count}" for unit, count in counts.items() if count)
    return (
        f"{number}: {command.opcode.name} tag={header.tag}"
        f"{f' when {waits}' if waits else ''} {_nonzero(command)}"
    ).rstrip()


def _nonzero(record: Command | Part) -> str:
    parts = []
    for name, value in record_fields(record).items():
        if isinstance(value, Header):
            continue
        if isinstance(value, Part):
            if inner := _nonzero(value):
                parts.append(f"{name}({inner})")
        elif value:
            parts.append(f"{name}={int(value)}")
    return " ".join(parts)


def _locate(
    program: Program,
    place: Placement,
    step: Step | None,
    want: Int8,
    got: Int8,
    exec_cycles: Sequence[int],
) -> Divergence:
    wrong = want != got
    index, address = _first_wrong(wrong, place, program.arch.lanes)
    number = _exec_that_wrote(program, step, address) if step else -1
    listing = []
    for i in step.commands if step else ():
        command = program.commands[i]
        if command.opcode is not Opcode.EXEC or _exec_ordinal(program, i) == number:
            listing.append(describe_command(i, command))
    return Divergence(
        tensor=place.tensor,
        step=step.index if step else -1,
        nodes=step.nodes if step else (),
        index=index,
        expected=int(want[index]),
        got=int(got[index]),
        wrong=int(wrong.sum()),
        elements=wrong.size,
        exec_number=number,
        cycle=exec_cycles[number] if 0 <= number < len(exec_cycles) else -1,
        commands=tuple(listing),
    )


def _first_wrong(
    wrong: npt.NDArray[np.bool_], place: Placement, lanes: int
) -> tuple[tuple[int, int, int], int]:
    """Index of the wrong element that is first in DDR, and its offset in the image."""
    slot_of = {channel: slot for slot, channel in enumerate(place.slots) if channel >= 0}
    width = wrong.shape[1]
    h, w, c = np.nonzero(wrong)
    slots = np.array([slot_of[int(channel)] for channel in c])
    offsets = slots // lanes * place.stride + (h * width + w) * lanes + slots % lanes
    first = int(np.argmin(offsets))
    return (int(h[first]), int(w[first]), int(c[first])), place.offset + int(offsets[first])


def _exec_that_wrote(program: Program, step: Step, address: int) -> int:
    """The EXEC before the STORE that covers ``address``: a STORE waits for what it stores."""
    for i in step.commands:
        store = program.commands[i]
        if not isinstance(store, Store) or store.weights:
            continue
        relative = address - store.offset
        group, byte = divmod(relative, store.stride) if store.stride else (0, relative)
        if 0 <= group < store.groups and byte < store.rows * program.arch.row_bytes:
            return store.header.wait_execs - 1
    return step.execs[-1] if step.execs else -1


def _exec_ordinal(program: Program, index: int) -> int:
    """How many EXECs come before command ``index``."""
    return sum(c.opcode is Opcode.EXEC for c in program.commands[:index])
