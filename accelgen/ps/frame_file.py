"""frame.bin: what the processor does for a frame, as the C library reads it (``neon/frame.h``).

Little-endian words of 64 bits. A float is its 32 bits; a list is its length and its items; an
*operand* is a value's index from 0, or ``-1 - i`` for constant i. In this order:

- magic; constants (each its bytes, then its data padded to words); values (each its bytes)
- CRC-32 of the configuration and of program.bin; bytes of the image; sections of program.bin
  (offset in the image, bytes); two programs (offset, bytes)
- input: scale, zero point, pixels, channels, 1 if the model takes planes; its map
- maps that are read: value and map
- steps: kernel, 8 integers, 6 operands (unused ones 0)
- outputs: name (operand), value (operand), type (0 float32, 1 int8, 2 uint8), elements

A *map* is pixels, channels, lanes, groups, stride, slots (operand, or 0 for channels in order) and
its offset in the image at both places.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ToolError
from accelgen.ir import Node
from accelgen.ir.offload import is_dense
from accelgen.ir.ops import QAdd, QConv2d, QGlobalAvgPool, QScale, QTable, Softmax
from accelgen.ir.views import OutputView
from accelgen.program.layout import dense_slots
from accelgen.program.places import Places
from accelgen.program.records import Placement, Program

__all__ = ["frame_file"]

_MAGIC = b"ACGFRAM1"
(_FC, _TABLE, _ADD, _SCALE, _AVERAGE, _SOFTMAX_INT8, _SOFTMAX, _DEQUANTIZE, _GATHER) = range(1, 10)
_INTEGERS, _OPERANDS = 8, 6
_TYPES = {"float32": 0, "int8": 1, "uint8": 2}


def frame_file(program: Program, places: Places, *, input_layout: str = "nchw") -> bytes:
    """``frame.bin`` of ``program``.

    Parameters
    ----------
    input_layout : str
        In which order the model takes its input: "nchw" or "nhwc".

    Raises
    ------
    ToolError
        The library has no kernel for a PS step.
    """
    writer = _Writer(program)
    reads = writer.reads(places)
    for step in program.ps_steps:
        writer.step(step.node)
    outputs = [writer.output(view) for view in program.graph.model_outputs()]
    head = [program.arch.crc, zlib.crc32(places.program_bin), places.image_bytes]
    head += [len(places.sections)]
    for section in places.sections:
        head += [section.offset, len(section.data)]
    for entry in places.programs:
        head += [entry.offset, entry.size]
    head += writer.input(places, input_layout)
    body = head
    for rows in (reads, writer.steps, outputs):
        body += [len(rows), *chain.from_iterable(rows)]
    return _MAGIC + writer.constants_and_values() + _words(body)


@dataclass
class _Writer:
    """Collects values, constants and steps. ``floats`` are the tensors that hold some."""

    program: Program
    values: dict[str, int] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    constants: list[bytes] = field(default_factory=list)
    steps: list[list[int]] = field(default_factory=list)
    floats: set[str] = field(default_factory=set)

    def constants_and_values(self) -> bytes:
        parts = [_words([len(self.constants)])]
        for data in self.constants:
            parts += [_words([len(data)]), data, bytes(-len(data) % 8)]
        return b"".join((*parts, _words([len(self.sizes), *self.sizes])))

    def input(self, places: Places, layout: str) -> list[int]:
        program = self.program
        tensor = program.graph.tensors[program.input.tensor]
        assert tensor.quantization is not None
        _, height, width, channels = tensor.shape
        quantization = [_bits(tensor.quantization.scale), tensor.quantization.zero_point]
        sizes = [height * width, channels, int(layout == "nchw")]
        return [*quantization, *sizes, *self._map(places.inputs)]

    def reads(self, places: Places) -> list[list[int]]:
        """What the PL leaves, each a value."""
        return [
            [self._value(first.tensor, int(np.prod(first.shape))), *self._map((first, second))]
            for first, second in zip(*places.outputs, strict=True)
        ]

    def _map(self, places: Sequence[Placement]) -> list[int]:
        place, lanes = places[0], self.program.arch.lanes
        height, width, channels = place.shape
        in_order = place.slots == dense_slots(channels, lanes)
        slots = 0 if in_order else self._constant(np.asarray(place.slots, np.int32))
        sizes = [height * width, channels, lanes, place.groups, place.stride]
        return [*sizes, slots, *(p.offset for p in places)]

    def step(self, name: str) -> None:
        graph = self.program.graph
        node = next(n for n in graph.nodes if n.name == name)
        make = _STEPS.get(type(node.op))
        if make is None or (isinstance(node.op, QConv2d) and not is_dense(node, graph)):
            raise ToolError(
                f"node '{name}' ({type(node.op).__name__}): the processor's library has no kernel "
                "for it; leave it on the PL"
            )
        kernel, integers = make(self, node)
        operands = [self._operand(i) for i in node.inputs]
        size = int(np.prod(graph.tensors[node.output].shape))
        if isinstance(node.op, Softmax):
            self.floats.add(node.output)
            size *= 4
        self._add(kernel, integers, [*operands, self._value(node.output, size)])

    def output(self, view: OutputView) -> list[int]:
        """As the model gives it: pieces of tensors, each element where it belongs."""
        kind = _TYPES[view.dtype]
        size, count = 1 if kind else 4, int(np.prod(view.shape))
        places = [np.full(piece.shape, i) for i, piece in enumerate(view.pieces)]
        joined = np.concatenate(places, axis=view.axis).reshape(-1)
        made = -1
        for i, piece in enumerate(view.pieces):
            x = self._as_type(piece.tensor, view.dtype)
            elements = int(np.prod(piece.split))
            source = np.arange(elements).reshape(piece.split).transpose(piece.order).reshape(-1)
            target = np.flatnonzero(joined == i)
            if len(view.pieces) == 1 and (source == target).all():
                made = x
                break
            made = self._value(f"output {view.name}", size * count) if made < 0 else made
            indices = [self._constant(a.astype(np.int32)) for a in (source, target)]
            self._add(_GATHER, [elements, size, elements, count], [x, *indices, made])
        text = self._constant(np.frombuffer(view.name.encode() + b"\0", np.int8))
        return [text, made, kind, count]

    def _as_type(self, tensor: str, dtype: str) -> int:
        """The value of ``tensor`` as floats, or as the model's integers."""
        if dtype == "int8" or tensor in self.floats:
            return self.values[tensor]
        count, name = int(np.prod(self.shape(tensor))), f"{tensor} {dtype}"
        if name in self.values:
            return self.values[name]
        if dtype == "uint8":
            table = self._constant(np.arange(256, dtype=np.uint8))
            self._add(_TABLE, [count], [self.values[tensor], table, self._value(name, count)])
            return self.values[name]
        quantization = self.program.graph.tensors[tensor].quantization
        assert quantization is not None
        numbers = [count, quantization.zero_point, _bits(quantization.scale)]
        made = self._value(name, 4 * count)
        self._add(_DEQUANTIZE, numbers, [self.values[tensor], made])
        return made

    def _add(self, kernel: int, integers: list[int], operands: list[int]) -> None:
        integers = integers + [0] * (_INTEGERS - len(integers))
        self.steps.append([kernel, *integers, *operands, *[0] * (_OPERANDS - len(operands))])

    def _operand(self, name: str) -> int:
        if name in self.values:
            return self.values[name]
        value = self.program.graph.constants[name]
        return self._constant(value if value.dtype == np.int8 else value.astype(np.int32))

    def _value(self, name: str, size: int) -> int:
        self.values[name] = len(self.sizes)
        self.sizes.append(size)
        return self.values[name]

    def _constant(self, value: npt.NDArray[Any]) -> int:
        self.constants.append(np.ascontiguousarray(value).tobytes())
        return -len(self.constants)

    def shape(self, tensor: str) -> tuple[int, int]:
        """Pixels and channels."""
        _, height, width, channels = self.program.graph.tensors[tensor].shape
        return height * width, channels


def _fc(writer: _Writer, node: Node) -> tuple[int, list[int]]:
    op = node.op
    assert isinstance(op, QConv2d)
    outputs = writer.program.graph.tensors[node.output].shape[3]
    inputs = int(np.prod(writer.shape(node.inputs[0])))
    return _FC, [outputs, inputs, op.output_zero, op.low, op.high]


def _table(writer: _Writer, node: Node) -> tuple[int, list[int]]:
    return _TABLE, [int(np.prod(writer.shape(node.output)))]


def _add(writer: _Writer, node: Node) -> tuple[int, list[int]]:
    op = node.op
    assert isinstance(op, QAdd)
    count = int(np.prod(writer.shape(node.output)))
    scales = [op.multiplier_a, op.multiplier_b, op.offset, op.shift]
    return _ADD, [count, *scales, op.output_zero, op.low, op.high]


def _scale(writer: _Writer, node: Node) -> tuple[int, list[int]]:
    op = node.op
    assert isinstance(op, QScale)
    numbers = [op.x_zero, op.s_zero, op.multiplier, op.shift, op.output_zero]
    return _SCALE, [*writer.shape(node.output), *numbers]


def _average(writer: _Writer, node: Node) -> tuple[int, list[int]]:
    op = node.op
    assert isinstance(op, QGlobalAvgPool)
    numbers = [op.input_zero, op.multiplier, op.shift, op.output_zero]
    return _AVERAGE, [*writer.shape(node.inputs[0]), *numbers]


def _softmax(writer: _Writer, node: Node) -> tuple[int, list[int]]:
    """Pixel after pixel, each over its channels."""
    sizes = writer.shape(node.output)
    if node.inputs[0] in writer.floats:
        return _SOFTMAX, [*sizes]
    quantization = writer.program.graph.tensors[node.inputs[0]].quantization
    assert quantization is not None
    return _SOFTMAX_INT8, [*sizes, quantization.zero_point, _bits(quantization.scale)]


_STEPS: dict[type, Callable[[_Writer, Node], tuple[int, list[int]]]] = {
    QConv2d: _fc,
    QTable: _table,
    QAdd: _add,
    QScale: _scale,
    QGlobalAvgPool: _average,
    Softmax: _softmax,
}


def _words(values: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def _bits(value: float) -> int:
    return int(np.float32(value).view(np.uint32))
