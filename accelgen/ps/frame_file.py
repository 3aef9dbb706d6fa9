"""frame.bin: what the processor does for a frame, as the C library reads it (``neon/frame.h``).

Little-endian words of 64 bits. A float is its 32 bits; a list is its length and its items; an
*operand* is a value's index from 0, or ``-1 - i`` for constant i. In this order:

- magic; constants (each its bytes, then its data padded to words); values (each its bytes)
- CRC-32 of the configuration and of program.bin; bytes of the image; sections of program.bin
  (offset in the image, bytes)
- parts of the frame, in the order in which they run: two programs (offset, bytes); how many maps
  are read after it, how many steps run, how many maps are written then. After the last part
  nothing is written
- input: scale, zero point, pixels, channels, 1 if the model takes planes; its map. A file whose
  magic is ``ACGFRAM3`` has several: how many, then each behind its name (operand)
- maps that are read, of all parts: value and map
- steps, of all parts: kernel, 8 integers, 6 operands (unused ones 0)
- maps that are written, of all parts: value (operand) and map
- outputs: name (operand), value (operand), type (0 float32, 1 int8, 2 uint8, 3 int64), elements

A *map* is pixels, channels, lanes, groups, stride, slots (operand, or 0 for channels in order) and
its offset in the image at both places.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph
from accelgen.ir.views import Choice, OutputView
from accelgen.program.layout import dense_slots
from accelgen.program.places import Both, PartPlaces, Places, Turned, turned_maps
from accelgen.program.records import Placement
from accelgen.ps.operators import StepKernel, operator_of
from accelgen.ps.operators.operator import count_of, float_bits

__all__ = ["frame_file"]

_MAGIC, _MAGIC_SEVERAL = b"ACGFRAM2", b"ACGFRAM3"
_INTEGERS, _OPERANDS = 8, 6
_TYPES = {"float32": 0, "int8": 1, "uint8": 2, "int64": 3}


def frame_file(places: Places, *, layouts: Sequence[str] = ()) -> bytes:
    """``frame.bin`` of a frame.

    Parameters
    ----------
    layouts : sequence of str
        In which order the model takes each input: "nchw" or "nhwc"; by default all in the first.

    Raises
    ------
    ToolError
        The library has no kernel for a PS step.
    """
    writer = _Writer(places)
    parts: list[int] = [len(places.parts)]
    turned = turned_maps(places)
    for index, part in enumerate(places.parts):
        before = writer.counts()
        writer.part(part, turned[index])
        for entry in part.programs:
            parts += [entry.offset, entry.size]
        if index == len(places.parts) - 1:
            outputs = [writer.output(view) for view in places.views]
        parts += [now - then for now, then in zip(writer.counts(), before, strict=True)]
    program_bin = places.program_bin
    head = [writer.arch.crc, zlib.crc32(program_bin), places.image_bytes, len(places.sections)]
    for section in places.sections:
        head += [section.offset, len(section.data)]
    body = head + parts + writer.inputs(layouts)
    for rows in (writer.reads, writer.steps, writer.writes, outputs):
        body += [len(rows), *chain.from_iterable(rows)]
    magic = _MAGIC if len(places.taken) == 1 else _MAGIC_SEVERAL
    return magic + writer.constants_and_values() + _words(body)


@dataclass
class _Writer:
    """Collects values, constants, steps and maps. ``floats`` are the tensors that hold some."""

    places: Places
    values: dict[str, int] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    constants: list[bytes] = field(default_factory=list)
    reads: list[list[int]] = field(default_factory=list)
    steps: list[list[int]] = field(default_factory=list)
    writes: list[list[int]] = field(default_factory=list)
    floats: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        programs = [part.program for part in self.places.parts]
        self.arch = programs[0].arch
        self.tensors = {n: t for p in reversed(programs) for n, t in p.graph.tensors.items()}

    def counts(self) -> tuple[int, int, int]:
        """Maps read, steps, maps written, so far."""
        return len(self.reads), len(self.steps), len(self.writes)

    def part(self, part: PartPlaces, turned: Turned) -> None:
        """What is done after a part."""
        program = part.program
        for both in turned.read:
            value = self._value(both[0].tensor, int(np.prod(both[0].shape)))
            self.reads.append([value, *self._map(both)])
        for step in program.ps_steps:
            self.step(step.node, program.graph)
        self.writes += [[self.values[b[0].tensor], *self._map(b)] for b in turned.written]

    def constants_and_values(self) -> bytes:
        parts = [_words([len(self.constants)])]
        for data in self.constants:
            parts += [_words([len(data)]), data, bytes(-len(data) % 8)]
        return b"".join((*parts, _words([len(self.sizes), *self.sizes])))

    def inputs(self, layouts: Sequence[str]) -> list[int]:
        """All of them, as the file has them."""
        taken = self.places.taken
        layouts = layouts or ["nchw"] * len(taken)
        found = [self._input(*pair) for pair in zip(taken, layouts, strict=True)]
        if len(found) == 1:
            return found[0]
        named = ([self._text(both[0].tensor), *one] for both, one in zip(taken, found, strict=True))
        return [len(found), *chain.from_iterable(named)]

    def _input(self, places: Both, layout: str) -> list[int]:
        tensor = self.tensors[places[0].tensor]
        assert tensor.quantization is not None
        _, height, width, channels = tensor.shape
        quantization = [float_bits(tensor.quantization.scale), tensor.quantization.zero_point]
        sizes = [height * width, channels, int(layout == "nchw")]
        return [*quantization, *sizes, *self._map(places)]

    def _map(self, places: Sequence[Placement]) -> list[int]:
        place, lanes = places[0], self.arch.lanes
        height, width, channels = place.shape
        in_order = place.slots == dense_slots(channels, lanes)
        slots = 0 if in_order else self._constant(np.asarray(place.slots, np.int32))
        sizes = [height * width, channels, lanes, place.groups, place.stride]
        return [*sizes, slots, *(p.offset for p in places)]

    def step(self, name: str, graph: Graph) -> None:
        node = next(n for n in graph.nodes if n.name == name)
        operator = operator_of(node, graph)
        kernel, integers = operator.record(node, graph)
        operands = [self._operand(i, graph) for i in node.inputs]
        operands += [self._constant(a) for a in operator.arrays(node)]
        size = count_of(node.output, graph)
        kind = graph.tensors[node.output].dtype
        if kind == "float32":
            self.floats.add(node.output)
        size *= np.dtype(kind).itemsize
        self._add(kernel, integers, [*operands, self._value(node.output, size)])

    def output(self, view: OutputView) -> list[int]:
        """As the model gives it."""
        if view.choice is None:
            made = self._joined(view, view.dtype)
        else:
            made = self._chosen(view, view.choice)
        return [self._text(view.name), made, _TYPES[view.dtype], int(np.prod(view.shape))]

    def _chosen(self, view: OutputView, choice: Choice) -> int:
        """Indices of the largest: of one int8 tensor's integers, or of real numbers."""
        first = view.pieces[0].tensor
        whole = len(view.pieces) == 1 and self.tensors[first].dtype == "int8"
        dtype = "int8" if whole else "float32"
        in_rows = view.chosen_in_rows()
        x = self._as_type(first, dtype) if in_rows else self._joined(view, dtype)
        made = self._value(f"choice {view.name}", 8 * int(np.prod(view.shape)))
        numbers = [*view.choice_sizes(), int(choice.least), int(choice.last)]
        self._add(StepKernel.CHOOSE_INT8 if whole else StepKernel.CHOOSE, numbers, [x, made])
        return made

    def _joined(self, view: OutputView, dtype: str) -> int:
        """Pieces of tensors, each element where it belongs."""
        size, count = 4 if dtype == "float32" else 1, int(np.prod(view.joined_shape))
        places = [np.full(piece.shape, i) for i, piece in enumerate(view.pieces)]
        joined = np.concatenate(places, axis=view.axis).reshape(-1)
        made = -1
        for i, piece in enumerate(view.pieces):
            x = self._as_type(piece.tensor, dtype)
            elements = int(np.prod(piece.split))
            source = piece.places().reshape(-1)
            target = np.flatnonzero(joined == i)
            if len(view.pieces) == 1 and (source == target).all():
                made = x
                break
            made = self._value(f"output {view.name}", size * count) if made < 0 else made
            indices = [self._constant(a.astype(np.int32)) for a in (source, target)]
            self._add(StepKernel.GATHER, [elements, size, elements, count], [x, *indices, made])
        return made

    def _as_type(self, tensor: str, dtype: str) -> int:
        """The value of ``tensor`` as floats, or as the model's integers."""
        if dtype == "int8" or tensor in self.floats:
            return self.values[tensor]
        count, name = math.prod(self.tensors[tensor].shape), f"{tensor} {dtype}"
        if name in self.values:
            return self.values[name]
        if dtype == "uint8":
            table = self._constant(np.arange(256, dtype=np.uint8))
            made = self._value(name, count)
            self._add(StepKernel.TABLE, [count], [self.values[tensor], table, made])
            return made
        if steps := self.tensors[tensor].steps:
            given = self._constant(np.asarray(steps, np.float32))
            made = self._value(name, 4 * count)
            numbers = [count // len(steps), len(steps)]
            self._add(StepKernel.DEQUANTIZE_INT32, numbers, [self.values[tensor], given, made])
            return made
        quantization = self.tensors[tensor].quantization
        assert quantization is not None
        numbers = [count, quantization.zero_point, float_bits(quantization.scale)]
        made = self._value(name, 4 * count)
        self._add(StepKernel.DEQUANTIZE, numbers, [self.values[tensor], made])
        return made

    def _add(self, kernel: int, integers: list[int], operands: list[int]) -> None:
        integers = integers + [0] * (_INTEGERS - len(integers))
        self.steps.append([kernel, *integers, *operands, *[0] * (_OPERANDS - len(operands))])

    def _operand(self, name: str, graph: Graph) -> int:
        """What a step reads: of sums (int32) the real numbers."""
        if name in self.values:
            sums = graph.tensors[name].steps
            return self._as_type(name, "float32") if sums else self.values[name]
        value = graph.constants[name]
        return self._constant(value if value.dtype == np.int8 else value.astype(np.int32))

    def _value(self, name: str, size: int) -> int:
        self.values[name] = len(self.sizes)
        self.sizes.append(size)
        return self.values[name]

    def _text(self, name: str) -> int:
        return self._constant(np.frombuffer(name.encode() + b"\0", np.int8))

    def _constant(self, value: npt.NDArray[Any]) -> int:
        self.constants.append(np.ascontiguousarray(value).tobytes())
        return -len(self.constants)


def _words(values: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)
