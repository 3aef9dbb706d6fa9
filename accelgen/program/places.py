"""Two places per input and output, so that one frame can run while another is written or read.

An additive step after scheduling: program 1 is program 0 with other offsets, its maps lie after
everything else. Weights, and maps that do not fit the feature memory, are shared: the hardware
runs one program at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from accelgen.arch.registers import PAGE_BYTES
from accelgen.program.commands import Command, moves_maps
from accelgen.program.encode import encode_command
from accelgen.program.records import Placement, Program

__all__ = ["Entry", "Places", "Section", "two_places"]


@dataclass(frozen=True)
class Section:
    """Bytes of the image that are written once, before the first frame."""

    offset: int
    data: bytes


@dataclass(frozen=True)
class Entry:
    """One program: offset of its first command in the image, and its bytes."""

    offset: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Places:
    """The image with two programs. Index 0 or 1 is the place.

    ``inputs[k]`` and ``outputs[k]`` are what program k reads and writes.
    """

    image_bytes: int
    sections: tuple[Section, ...]
    programs: tuple[Entry, Entry]
    inputs: tuple[Placement, Placement]
    outputs: tuple[tuple[Placement, ...], tuple[Placement, ...]]

    @property
    def program_bin(self) -> bytes:
        """All sections, one after the other."""
        return b"".join(section.data for section in self.sections)


def two_places(program: Program) -> Places:
    """``program`` with a second place for its input and each of its outputs.

    Of a program with one input. What else is kept (``Program.kept``) has one place, unless it
    shares a region with an output.
    """
    ends = [program.input, *program.outputs]
    regions = _regions(program, [(p.offset, p.offset + p.size_bytes) for p in ends])
    size = program.program_bytes
    second = _up(program.image_bytes, PAGE_BYTES)
    at = _up(second + size, PAGE_BYTES)
    moves = []
    for low, high in regions:
        moves.append((low, high, at - low))
        at = _up(at + high - low, PAGE_BYTES)

    def moved(offset: int) -> int:
        return offset + next((by for low, high, by in moves if low <= offset < high), 0)

    def other(place: Placement) -> Placement:
        return replace(place, offset=moved(place.offset))

    commands = b"".join(encode_command(_moved(c, moved)) for c in program.commands)
    commands += bytes(size - len(commands))
    return Places(
        image_bytes=at,
        sections=(Section(0, program.image), Section(second, commands)),
        programs=(Entry(program.program_offset, size), Entry(second, size)),
        inputs=(program.input, other(program.input)),
        outputs=(program.outputs, tuple(other(p) for p in program.outputs)),
    )


def _regions(program: Program, regions: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """``regions``, grown to whole pages (then bursts of the moved map are cut where those of the
    first are) and to every transfer that touches them: a map that is part of a concatenation is
    read with its neighbours, so they move together."""
    regions = [(low // PAGE_BYTES * PAGE_BYTES, _up(high, PAGE_BYTES)) for low, high in regions]
    spans = list(_transfers(program))
    while True:
        grown = _merged(regions)
        for low, high in spans:
            grown = [
                (min(a, low), max(b, high)) if a < high and low < b else (a, b) for a, b in grown
            ]
        grown = _merged([(a // PAGE_BYTES * PAGE_BYTES, _up(b, PAGE_BYTES)) for a, b in grown])
        if grown == regions:
            return regions
        regions = grown


def _merged(regions: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted, those that overlap made one."""
    result: list[tuple[int, int]] = []
    for low, high in sorted(regions):
        if result and low < result[-1][1]:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return result


def _transfers(program: Program) -> Iterator[tuple[int, int]]:
    """First byte and end of what each LOAD and STORE of maps touches."""
    row = program.arch.row_bytes
    for command in program.commands:
        if moves_maps(command):
            end = command.offset + (command.groups - 1) * command.stride + command.rows * row
            yield command.offset, end


def _moved(command: Command, moved: Callable[[int], int]) -> Command:
    return replace(command, offset=moved(command.offset)) if moves_maps(command) else command


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
