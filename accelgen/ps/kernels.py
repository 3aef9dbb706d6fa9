"""Calls of the C library's kernels as data: arguments in, a job file out, answers back.

The numbers and the order of arguments are those of ``neon/run_cases.c``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir import Quantization
from accelgen.ir.ops import QAdd, QBilinear, QConv2d, QGlobalAvgPool, QInnerAvgPool, QMul, QScale
from accelgen.ir.shapes import window_sizes
from accelgen.ir.views import Choice

__all__ = [
    "Answer",
    "Call",
    "Layout",
    "Output",
    "Requant",
    "add",
    "argmax",
    "average",
    "bilinear",
    "choose",
    "dense",
    "dense_wide",
    "frame_finish",
    "frame_input",
    "from_feature_memory",
    "image_table",
    "inner_average",
    "job_file",
    "multiply",
    "quantize",
    "quantize_image",
    "quantize_planes",
    "read_answers",
    "requantize",
    "resize",
    "scale",
    "softmax",
    "softmax_int8",
    "softmax_int32",
    "squeeze_excite",
    "table",
    "to_feature_memory",
]  # fmt: skip

Array = npt.NDArray[Any]
Int8s = npt.NDArray[np.int8]

_CASE, _RESULT = 0x4A504741, 0x52504741
_INPUT, _OUTPUT, _ABSENT = range(3)


@dataclass(frozen=True)
class Output:
    """A buffer that a kernel writes."""

    shape: tuple[int, ...]
    dtype: type[np.generic] = np.int8


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a kernel. ``threads`` = 0: without a pool. ``slack``: bytes between a buffer's
    end and the page that must not be touched; rounded down to the buffer's type."""

    kernel: int
    integers: tuple[int, ...]
    buffers: tuple[Array | Output | None, ...]
    threads: int = 0
    slack: int = 0

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Buffers the kernel writes."""
        return tuple(b for b in self.buffers if isinstance(b, Output))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """``status``: what the function returned. ``damaged``: number from 1 of the buffer that was
    written where it must not be, or 0. ``outputs``: see :attr:`Call.outputs`."""

    status: int
    damaged: int
    outputs: tuple[Array, ...]


@dataclass(frozen=True, kw_only=True)
class Requant:
    """Requantization per channel; int32 arrays of one length."""

    bias: Array
    multiplier: Array
    shift: Array
    zero: int
    low: int = -128
    high: int = 127

    @classmethod
    def of(cls, op: QConv2d, bias: Array, multiplier: Array, shift: Array) -> Requant:
        """That of a convolution."""
        return cls(bias=bias, multiplier=multiplier, shift=shift, zero=op.output_zero,
                   low=op.low, high=op.high)  # fmt: skip

    @property
    def limits(self) -> tuple[int, int, int]:
        """Zero point, low, high."""
        return self.zero, self.low, self.high

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Bias, multiplier, shift."""
        return tuple(np.asarray(a, np.int32) for a in (self.bias, self.multiplier, self.shift))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Feature-memory order of a map: see ``schedule.program.Placement``."""

    pixels: int
    channels: int
    lanes: int
    groups: int
    stride: int
    slots: tuple[int, ...] | None = None

    @property
    def integers(self) -> tuple[int, ...]:
        """As the runner takes them."""
        return self.pixels, self.channels, self.lanes, self.groups, self.stride

    @property
    def slot_buffer(self) -> Array | None:
        """int32, or None where channels lie in order."""
        return None if self.slots is None else np.asarray(self.slots, np.int32)


# The kernels. Maps are int8 (pixels, channels).


def dense(x: Int8s, weights: Int8s, q: Requant) -> Call:
    """``agps_fc`` for one pixel, else ``agps_gemm``: x (pixels, i), weights (o, i)."""
    sizes = (len(x), *weights.shape)
    output = Output((len(x), len(weights)))
    return Call(kernel=1, integers=(*sizes, *q.limits), buffers=(x, weights, *q.arrays, output))


def dense_wide(x: Int8s, weights: Int8s, bias: Array) -> Call:
    """``agps_fc_wide``: x (i,), weights (o, i), bias int32 (o,)."""
    buffers: tuple[Array | Output | None, ...] = (
        x, weights, bias, Output((1, len(weights)), np.int32)
    )  # fmt: skip
    return Call(kernel=25, integers=weights.shape, buffers=buffers)


def requantize(acc: npt.NDArray[np.int32], q: Requant) -> Call:
    """``agps_requantize``: acc (pixels, channels)."""
    buffers: tuple[Array | Output | None, ...] = (acc, *q.arrays, Output(acc.shape))
    return Call(kernel=2, integers=(*acc.shape, *q.limits), buffers=buffers)


def table(x: Int8s, entries: Int8s) -> Call:
    """``agps_table``."""
    return Call(kernel=3, integers=(x.size,), buffers=(x, entries, Output(x.shape)))


def add(op: QAdd, a: Int8s, b: Int8s) -> Call:
    """``agps_add``."""
    q = (op.multiplier_a, op.multiplier_b, op.offset, op.shift, op.output_zero, op.low, op.high)
    return Call(kernel=4, integers=(a.size, *q), buffers=(a, b, Output(a.shape)))


def scale(op: QScale, x: Int8s, s: Int8s) -> Call:
    """``agps_scale``: s (channels,)."""
    return Call(
        kernel=5, integers=(*x.shape, *_scaling(op)), buffers=(x, s.reshape(-1), Output(x.shape))
    )


def average(op: QGlobalAvgPool, x: Int8s) -> Call:
    """``agps_global_average``."""
    return Call(
        kernel=6, integers=(*x.shape, *_average(op)), buffers=(x, Output((1, x.shape[1])))
    )  # fmt: skip


def squeeze_excite(
    x: Int8s,
    squeeze: QGlobalAvgPool,
    first: tuple[Int8s, Requant, Int8s | None],
    second: tuple[Int8s, Requant, Int8s | None],
    scaling: QScale,
) -> Call:
    """``agps_se``: ``first`` and ``second`` are weights (o, i), requantization and table."""
    integers = (
        *x.shape, len(first[0]), *_average(squeeze), *first[1].limits, *second[1].limits,
        *_scaling(scaling),
    )  # fmt: skip
    parts: list[Array | None] = []
    for weights, q, entries in (first, second):
        parts += (weights, *q.arrays, entries)
    return Call(kernel=7, integers=integers, buffers=(x, *tuple(parts), Output(x.shape)))


def softmax(x: npt.NDArray[np.float32]) -> Call:
    """``agps_softmax``."""
    return Call(kernel=8, integers=(x.size,), buffers=(x, Output(x.shape, np.float32)))


def softmax_int8(x: Int8s, of: Quantization) -> Call:
    """``agps_softmax_int8``."""
    integers = (x.size, of.zero_point, _bits(of.scale))
    return Call(kernel=9, integers=integers, buffers=(x, Output(x.shape, np.float32)))


def softmax_int32(x: npt.NDArray[np.int32], steps: npt.NDArray[np.float32]) -> Call:
    """``agps_softmax_int32``."""
    return Call(kernel=26, integers=(x.size,), buffers=(x, steps, Output(x.shape, np.float32)))


def argmax(x: Array) -> Call:
    """``agps_argmax_int8`` or ``agps_argmax``; the answer's status is the index."""
    return Call(kernel=10 if x.dtype == np.int8 else 11, integers=(x.size,), buffers=(x,))


def choose(x: Array, choice: Choice) -> Call:
    """``agps_choose_int8`` or ``agps_choose``: indices (int64) along an axis of x."""
    at = choice.axis
    sizes = (int(np.prod(x.shape[:at])), x.shape[at], int(np.prod(x.shape[at + 1 :])))
    output = Output(choice.shape_of(x.shape), np.int64)
    kernel, how = 23 if x.dtype == np.int8 else 24, (int(choice.least), int(choice.last))
    return Call(kernel=kernel, integers=(*sizes, *how), buffers=(x, output))


def from_feature_memory(x: Int8s, layout: Layout) -> Call:
    """``agps_from_feature_memory``: all bytes of a map to (pixels, channels)."""
    output = Output((layout.pixels, layout.channels))
    return Call(kernel=12, integers=layout.integers, buffers=(x, layout.slot_buffer, output))


def to_feature_memory(x: Int8s, layout: Layout) -> Call:
    """``agps_to_feature_memory``: (pixels, channels) to all bytes of a map."""
    output = Output((layout.groups * layout.stride,))
    return Call(kernel=13, integers=layout.integers, buffers=(x, layout.slot_buffer, output))


def resize(x: npt.NDArray[np.uint8], height: int, width: int) -> Call:
    """``agps_resize``: (h, w, c) to (height, width, c)."""
    output = Output((height, width, x.shape[2]), np.uint8)
    return Call(kernel=14, integers=(*x.shape, height, width), buffers=(x, output))


def image_table(mean: float, deviation: float, scale: float, zero: int) -> Call:
    """``agps_image_table``."""
    integers = (_bits(mean), _bits(deviation), _bits(scale), zero)
    return Call(kernel=15, integers=integers, buffers=(Output((256,)),))


def quantize_image(
    x: npt.NDArray[np.uint8], crop: tuple[int, int, int, int], tables: Int8s, *, reverse: bool
) -> Call:
    """``agps_quantize_image``: ``crop`` is top, left, height, width; tables (c, 256)."""
    output = Output((*crop[2:], x.shape[2]))
    integers = (*x.shape, *crop, int(reverse))
    return Call(kernel=16, integers=integers, buffers=(x, tables, output))


def quantize(x: Array, of: Quantization) -> Call:
    """``agps_quantize``: float32."""
    integers = (x.size, _bits(of.scale), of.zero_point)
    return Call(kernel=17, integers=integers, buffers=(x, Output(x.shape)))


def quantize_planes(x: Array, of: Quantization) -> Call:
    """``agps_quantize_planes``: float32 (c, pixels) to int8 (pixels, c)."""
    channels, pixels = x.shape
    integers = (pixels, channels, _bits(of.scale), of.zero_point)
    return Call(kernel=18, integers=integers, buffers=(x, Output((pixels, channels))))


def frame_input(file: bytes, image: Array, x: Array, place: int, *, planes: bool = False) -> Call:
    """``agps_frame_input`` and ``agps_frame_hand_over``; the output is the image afterwards."""
    what = 3 if x.dtype == np.int8 else 1 + planes
    buffers = (np.frombuffer(file, np.uint8), image, x, Output(image.shape, np.uint8))
    return Call(kernel=19, integers=(what, place, 1), buffers=buffers)


def frame_finish(
    file: bytes, image: Array, place: int, shapes: Sequence[tuple[int, ...]], threads: int = 1
) -> Call:
    """``agps_frame_finish``: float outputs of ``shapes``."""
    outputs = (Output(shape, np.float32) for shape in shapes)
    buffers: tuple[Array | Output | None, ...] = (np.frombuffer(file, np.uint8), image, *outputs)
    return Call(kernel=19, integers=(0, place, threads), buffers=buffers)


def bilinear(op: QBilinear, x: Int8s) -> Call:
    """``agps_bilinear``: (h, w, c)."""
    rows, columns = (np.asarray(at, np.int32) for at in (op.rows, op.columns))
    factor = (op.input_zero, op.multiplier, op.shift, op.output_zero)
    scale = np.asarray(factor, np.int32) if op.rescaled else None
    output = Output((len(rows), len(columns), x.shape[2]))
    integers = (*x.shape, len(rows), len(columns))
    return Call(kernel=20, integers=integers, buffers=(x, rows, columns, scale, output))


def multiply(op: QMul, a: Int8s, b: Int8s) -> Call:
    """``agps_multiply``."""
    q = (op.a_zero, op.b_zero, op.multiplier, op.shift, op.output_zero)
    return Call(kernel=21, integers=(a.size, *q), buffers=(a, b, Output(a.shape)))


def inner_average(op: QInnerAvgPool, x: Int8s) -> Call:
    """``agps_inner_average``: (h, w, c)."""
    size = window_sizes(op.kernel, op.stride, (1, 1), op.pads, (x.shape[0], x.shape[1]))
    window = (*op.kernel, *op.stride, *op.pads[:2], *op.counted)
    arrays = (np.asarray(a, np.int32) for a in (window, op.multipliers, op.shifts))
    integers = (*x.shape, *size, op.input_zero, op.output_zero)
    output = Output((*size, x.shape[2]))
    return Call(kernel=22, integers=integers, buffers=(x, *arrays, output))


def _average(op: QGlobalAvgPool) -> tuple[int, ...]:
    return op.input_zero, op.multiplier, op.shift, op.output_zero


def _scaling(op: QScale) -> tuple[int, ...]:
    return op.x_zero, op.s_zero, op.multiplier, op.shift, op.output_zero


def _bits(value: float) -> int:
    return int(np.float32(value).view(np.uint32))


# Files.


def job_file(calls: Sequence[Call]) -> bytes:
    """What ``run_cases`` reads."""
    parts = [struct.pack("<2I", _CASE, len(calls))]
    for call in calls:
        counts = (call.kernel, call.threads, len(call.integers), len(call.buffers))
        parts += (struct.pack("<4i", *counts), struct.pack(f"<{counts[2]}q", *call.integers))
        parts += (part for buffer in call.buffers for part in _buffer(buffer, call.slack))
    return b"".join(parts)


def _buffer(buffer: Array | Output | None, slack: int) -> Iterator[bytes]:
    if buffer is None:
        yield struct.pack("<3I", _ABSENT, 0, 0)
        return
    unit = np.dtype(buffer.dtype).itemsize
    slack -= slack % unit
    if isinstance(buffer, Output):
        size = int(np.prod(buffer.shape)) * unit
        yield struct.pack("<3I", _OUTPUT, size, slack)
    else:
        data = np.ascontiguousarray(buffer).tobytes()
        yield struct.pack("<3I", _INPUT, len(data), slack)
        yield data


def read_answers(calls: Sequence[Call], data: bytes) -> list[Answer]:
    """Answers of the calls that completed: fewer than ``calls`` if the process died."""
    answers: list[Answer] = []
    at = 0
    for call in calls:
        sizes = [int(np.prod(o.shape)) * np.dtype(o.dtype).itemsize for o in call.outputs]
        if at + 12 + sum(sizes) > len(data):
            break
        magic, status, damaged = struct.unpack_from("<3i", data, at)
        assert magic == _RESULT
        at += 12
        outputs = []
        for output, size in zip(call.outputs, sizes, strict=True):
            raw = np.frombuffer(data, output.dtype, size // np.dtype(output.dtype).itemsize, at)
            outputs.append(raw.reshape(output.shape).copy())
            at += size
        answers.append(Answer(status=status, damaged=damaged, outputs=tuple(outputs)))
    return answers
