"""Two places per input and output, so that one frame can run while another is written or read.

An additive step after scheduling: program 1 is program 0 with other offsets, its maps lie after
everything else. Weights, and maps that do not fit the feature memory, are shared: the hardware
runs one program at a time.

A frame in parts (:mod:`accelgen.schedule.parts`) is one image with a pair of programs per part:

- *What crosses.* Part i leaves maps in DDR. A later part reads a map where it was left, or the
  processor writes it for it, before that part starts: what PS steps made, and what part j reads in
  another order than part i left it in. Nothing else crosses, and nothing in the feature memory.
- *Who waits for whom.* The accelerator stands still from the end of part i until the processor has
  run that part's PS steps, written what part i + 1 reads, and started it. The processor's work
  after the last part runs beside the next frame's first part: so everything that crosses has two
  places. What is shared is safe: the programs of all parts and places run one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from accelgen.arch.registers import PAGE_BYTES
from accelgen.ir.views import OutputView
from accelgen.program.commands import Command, Store, Weights, moves_maps
from accelgen.program.encode import encode_command
from accelgen.program.records import Placement, Program

__all__ = [
    "Both",
    "Entry",
    "PartPlaces",
    "Places",
    "Section",
    "Turned",
    "turned_maps",
    "two_places",
]


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


Pairs = tuple[tuple[Placement, ...], tuple[Placement, ...]]
Both = tuple[Placement, Placement]


@dataclass(frozen=True, kw_only=True)
class PartPlaces:
    """One program of a frame, where it lies in the frame's image. Index 0 or 1 is the place.

    ``inputs[k]`` and ``outputs[k]`` are what program k reads and writes, ``kept`` what else is in
    memory after it (one place). Inputs in ``there`` lie where an earlier part, or what the
    processor wrote for one, has them: nobody moves them.
    """

    program: Program
    programs: tuple[Entry, Entry]
    inputs: Pairs
    outputs: Pairs
    kept: tuple[Placement, ...] = ()
    there: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Places:
    """The image of a frame, each of its parts with two programs.

    ``views``: the model's outputs, made of what all parts leave.
    """

    image_bytes: int
    sections: tuple[Section, ...]
    parts: tuple[PartPlaces, ...]
    views: tuple[OutputView, ...]

    @property
    def program_bin(self) -> bytes:
        """All sections, one after the other."""
        return b"".join(section.data for section in self.sections)

    @property
    def programs(self) -> tuple[Entry, Entry]:
        """With which a frame starts."""
        return self.parts[0].programs

    @property
    def inputs(self) -> tuple[Placement, Placement]:
        """The model's first input at each place."""
        return self.taken[0]

    @property
    def taken(self) -> tuple[Both, ...]:
        """Each of the model's inputs at both places."""
        return tuple(zip(*self.parts[0].inputs, strict=True))

    @property
    def outputs(self) -> Pairs:
        """What the parts leave at each place, one part after the other."""
        first, second = ([p for part in self.parts for p in part.outputs[k]] for k in (0, 1))
        return tuple(first), tuple(second)


@dataclass(frozen=True, kw_only=True)
class Turned:
    """Maps, at both places, that the processor turns into another order after a part: ``read`` to
    NHWC before the part's PS steps, ``written`` from it for the next part."""

    read: tuple[Both, ...]
    written: tuple[Both, ...]


def turned_maps(places: Places) -> tuple[Turned, ...]:
    """Of every part. A map is read once, and only when it is wanted: what the host alone wants is
    read after the last part, since the accelerator does not wait for that."""
    found: list[Turned] = []
    held: set[str] = set()  # as NHWC: read, or made by PS steps
    for index, part in enumerate(places.parts):
        later = places.parts[index + 1 :]
        held |= {step.output for step in part.program.ps_steps}
        wanted = {i for step in part.program.ps_steps for i in step.inputs}
        written: list[Both] = []
        if later:
            pairs = zip(*later[0].inputs, strict=True)
            written = [both for both in pairs if both[0].tensor not in later[0].there]
            wanted |= {both[0].tensor for both in written}
        else:
            wanted |= {piece.tensor for view in places.views for piece in view.pieces}
        read: list[Both] = []
        for one in places.parts[: index + 1]:
            # Of the inputs only the model's are nobody's output.
            for both in (*zip(*one.outputs, strict=True), *places.taken):
                if both[0].tensor in wanted - held:
                    read.append(both)
                    held.add(both[0].tensor)
        found.append(Turned(read=tuple(read), written=tuple(written)))
    return tuple(found)


def two_places(program: Program | Sequence[Program], views: Sequence[OutputView] = ()) -> Places:
    """A frame's program with a second place for its input and each of its outputs; or the programs
    of its parts, one image for all, with a second place for whatever crosses.

    A part's input lies where it was left, if the order there is the one it is read in. Otherwise
    the processor has to write it: what its steps made, and maps it turns into another order. What
    else is kept (``Program.kept``) has one place, unless it shares a region with an output.

    Parameters
    ----------
    views : sequence of OutputView
        The model's outputs; by default those of the only program's graph.
    """
    programs = (program,) if isinstance(program, Program) else tuple(program)
    sections: list[Section] = []
    parts: list[PartPlaces] = []
    at = 0
    for one in programs:
        part, its_sections, at = _placed(one, at, parts)
        parts.append(part)
        sections += its_sections
    return Places(
        image_bytes=at, sections=tuple(sections), parts=tuple(parts),
        views=tuple(views) or programs[-1].graph.model_outputs(),
    )  # fmt: skip


def _placed(
    program: Program, base: int, earlier: Sequence[PartPlaces]
) -> tuple[PartPlaces, list[Section], int]:
    """``program`` with its image at ``base``, and where what follows may begin."""
    inputs = program.inputs or (program.input,)
    ends = [*inputs, *program.outputs]
    regions = _regions(program, [(p.offset, p.offset + p.size_bytes) for p in ends])
    there = _found_there(program, regions, earlier)
    size = program.program_bytes
    second = _up(base + program.image_bytes, PAGE_BYTES)
    at = _up(second + size, PAGE_BYTES)
    moves: tuple[list[_Move], list[_Move]] = ([], [])
    for low, high in regions:
        if (low, high) in there:
            _, sources = there[low, high]
            for k in (0, 1):
                moves[k].append((low, high, sources[k].offset - low))
        else:
            moves[1].append((low, high, at - low))
            at = _up(at + high - low, PAGE_BYTES)

    def moved(k: int, offset: int) -> int:
        return offset + next((by for low, high, by in moves[k] if low <= offset < high), base)

    def all_moved(k: int, places: Sequence[Placement]) -> tuple[Placement, ...]:
        return tuple(replace(p, offset=moved(k, p.offset)) for p in places)

    commands = [
        b"".join(encode_command(_moved(c, partial(moved, k), base)) for c in program.commands)
        for k in (0, 1)
    ]
    first, other = (data + bytes(size - len(data)) for data in commands)
    image = program.image[: program.program_offset] + first
    part = PartPlaces(
        program=program,
        programs=(Entry(base + program.program_offset, size), Entry(second, size)),
        inputs=(all_moved(0, inputs), all_moved(1, inputs)),
        outputs=(all_moved(0, program.outputs), all_moved(1, program.outputs)),
        kept=all_moved(0, tuple(program.kept.values())),
        there=frozenset(tensor for tensor, _ in there.values()),
    )
    return part, [Section(base, image), Section(second, other)], at


#: First byte, end, and by how much what begins there is moved.
_Move = tuple[int, int, int]


def _found_there(
    program: Program, regions: list[tuple[int, int]], earlier: Sequence[PartPlaces]
) -> dict[tuple[int, int], tuple[str, tuple[Placement, Placement]]]:
    """Regions that are one input each, never written by the program, which an earlier part has in
    the same order: with the input's name and where it has it."""
    found = {}
    inputs = program.inputs or (program.input,)
    moving = [c for c in program.commands if moves_maps(c)]
    for low, high in regions:
        inside = [p for p in (*inputs, *program.outputs) if low <= p.offset < high]
        written = any(isinstance(c, Store) and low <= c.offset < high for c in moving)
        if len(inside) > 1 or written or inside[0] not in inputs or inside[0].offset != low:
            continue
        end = low + inside[0].size_bytes
        if any(low <= first < high and last > end for first, last in _transfers(program)):
            continue
        for source in _held(inside[0].tensor, earlier):
            page = source[0].offset % PAGE_BYTES == 0
            if page and _order(source[0]) == _order(inside[0]):
                found[low, high] = inside[0].tensor, source
                break
    return found


def _held(tensor: str, parts: Sequence[PartPlaces]) -> Iterator[tuple[Placement, Placement]]:
    """Where ``parts`` have ``tensor``, at both places."""
    for part in parts:
        for both in (part.outputs, part.inputs):
            yield from (pair for pair in zip(*both, strict=True) if pair[0].tensor == tensor)


def _order(place: Placement) -> tuple[object, ...]:
    """All of a placement but where it is."""
    return place.shape, place.slots, place.stride, place.groups, place.phases


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


def _moved(command: Command, moved: Callable[[int], int], base: int) -> Command:
    if moves_maps(command):
        return replace(command, offset=moved(command.offset))
    if isinstance(command, Weights) and command.beats:
        return replace(command, offset=command.offset + base)
    return command


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
