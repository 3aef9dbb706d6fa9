"""One EXEC on numpy arrays: array, requantize, table, window, requantize, table, add, squeeze."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams, limits
from accelgen.arch.isa import WindowOp
from accelgen.golden.arith import requantize, rounding_shift
from accelgen.program.commands import Exec, Raster, Requant
from accelgen.program.layout import in_phases, rows_of
from accelgen.simulation.functional_raster import TapView, Walked, walk
from accelgen.simulation.functional_weave import out_words, weave_rules

__all__ = ["CommandError", "Params", "StepStream", "execute"]

Int8 = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int64]

#: Vectors whose operands are gathered at once: bounds memory.
_CHUNK = 1 << 12


class CommandError(AssertionError):
    """The program asks for what the hardware does not do."""


@dataclass(frozen=True)
class Params:
    """Requantize parameters, (groups, lanes) each."""

    bias: Ints
    multiplier: Ints
    shift: Ints


@dataclass(frozen=True)
class StepStream:
    """What one WEIGHTS delivered: parameters, taps (groups, taps, lanes), words (groups, words,
    output lane, input lane)."""

    groups: int
    table_bank: int
    params1: Params | None
    params2: Params | None
    taps: Int8 | None
    words: Int8 | None


def execute(
    f: Exec, stream: StepStream, memory: Int8, tables: Int8, sums: Ints, arch: ArchParams
) -> None:
    """Run EXEC fields ``f`` on feature ``memory`` (rows, P, C); ``tables`` is (unit, bank, 256).

    ``sums`` (group, C) are those of the EXEC before, and then this one's.
    """
    _check(f, stream, arch)
    _check_overlap(f, arch)
    memory_pixels = memory.reshape(-1, arch.lanes)
    if f.array:
        acc, keep = _array(f, stream, memory_pixels, arch)
        assert stream.params1 is not None
        pixels = _requant(f.requant1, acc, keep, stream.params1, tables[0], f, arch)
    else:
        pixels = _copy(f, memory_pixels, arch)
    if f.window:
        acc, keep = _window(f, stream, _ring(f, pixels, arch), memory, arch)
        scale = _is_scale(f)
        params = stream.params1 if scale else stream.params2
        assert params is not None
        unit, which = (f.requant1, 0) if scale else (f.requant2, 1)
        pixels = _requant(unit, acc, keep, params, tables[which], f, arch)
    _expect(pixels.shape[1] == f.out_pixels, "out_pixels is not what the last stage keeps")
    if f.add:
        pixels = _add(f, pixels, memory, arch)
    straight = not f.window or _is_scale(f)
    if straight and not f.chained:
        _expect(not (f.add or f.squeeze), "add or squeeze of what is not chained")
        sums[:] = 1 << 40  # as good as anything
    else:
        _sum(f, pixels, memory, sums, arch)
    if f.write:
        _write(f, pixels, memory, arch)


def _is_scale(f: Exec) -> bool:
    return f.window and f.window_op == WindowOp.SCALE


def _sum(f: Exec, pixels: Int8, memory: Int8, sums: Ints, arch: ArchParams) -> None:
    """The squeeze: sums per channel, and the vector of them."""
    total = pixels.astype(np.int64).sum(axis=1)
    if f.squeeze_resume:
        within = f.groups <= limits.SQUEEZE_GROUPS
        _expect(within, "more groups than the squeeze can take over")
        total += sums[: f.groups]
        _expect((abs(total) <= 128 * limits.SQUEEZE_PIXELS).all(), "a kept sum overflows")
    sums[: f.groups] = total[: len(sums)]
    if f.squeeze and f.squeeze_shift == 0:
        _expect(arch.pixels >= limits.SUM_BYTES, "a row has no room for the bytes of a sum")
        rows = f.squeeze_row + np.arange(f.groups) * f.squeeze_stride
        for k in range(limits.SUM_BYTES):
            memory[rows, k] = (total >> 8 * k).astype(np.int8)
    elif f.squeeze:
        total = total + f.squeeze_bias
        _expect((abs(total) <= 255 * limits.SQUEEZE_LIMIT).all(), "a sum overflows")
        scaled = rounding_shift(total * f.squeeze_multiplier, f.squeeze_shift)
        vector = np.clip(scaled + f.squeeze_zero, -128, 127)
        rows = f.squeeze_row + np.arange(f.groups) * f.squeeze_stride
        memory[rows, 0] = vector


def _expect(true: Any, otherwise: str) -> None:
    if not true:
        raise CommandError(otherwise)


def _check(f: Exec, stream: StepStream, arch: ArchParams) -> None:
    """What both ends count must agree, and nothing may exceed its memory."""
    _expect(f.array or f.window, "neither array nor window")
    _expect(f.write or f.squeeze, "a step without result")
    _expect(stream.groups == f.groups, "WEIGHTS and EXEC differ in groups")
    _expect(stream.table_bank == f.table_bank, "WEIGHTS and EXEC differ in table_bank")
    scale = _is_scale(f)
    _expect(not (f.array and scale), "array and SCALE in one step")
    first, second = f.array or scale, f.window and not scale
    _expect((stream.params1 is not None) == first, "params1 without requant1, or none with it")
    _expect((stream.params2 is not None) == second, "params2 without requant2, or none with it")
    words = 0 if stream.words is None else stream.words.shape[1]
    if f.array:
        taps = f.in_raster.kernel_h * f.in_raster.kernel_w
        _expect(words == f.weight_words == taps * f.in_groups, "weight words do not add up")
        streamed = f.in_raster.vectors == 1
        _expect(words <= arch.weight_words or streamed, "weight ring is too small")
    else:
        _expect(words == 0, "weights without array")
    if f.window:
        ring = f.ring_raster
        taps = arch.stored_taps((ring.kernel_h, ring.kernel_w))
        given = 0 if stream.taps is None else stream.taps.shape[1]
        wanted = taps if f.window_op == WindowOp.MAC else 0
        _expect(given == wanted, "taps do not add up")
        _expect(taps * 2 <= arch.tap_words, "tap memory is too small")
    if f.woven:
        for true, otherwise in weave_rules(f, arch):
            _expect(true, otherwise)
    elif f.write:
        rows = rows_of(f.out_pixels, 1, arch.pixels, phases=f.out_phases)
        _expect(f.out_rows == rows, "out_rows does not add up")
    for raster in (f.in_raster, f.ring_raster):
        _expect(not (raster.phases and raster.width % 2), "phases of an odd width")


def _check_overlap(f: Exec, arch: ArchParams) -> None:
    """Rows written may be rows read only where each row is read for the last time before.

    That is: a residual anywhere; the map when copied to the window engine pixel by pixel.
    """
    if not f.write:
        return
    written = np.unique(out_words(f, arch) // arch.pixels) if f.woven else _out_rows(f)
    if f.add:
        other = _residual_rows(f, arch)
        same = np.array_equal(other, written) and not f.out_phases
        _expect(same or not np.intersect1d(other, written).size, "the residual is half overwritten")
    walked = walk(f.in_raster, arch.pixels)
    at = np.stack([_words(f.in_raster, tap, arch) for tap in walked.taps])
    at = at[np.stack([tap.inside for tap in walked.taps])] // arch.pixels
    if not at.size:
        return  # the window sees nothing but padding
    last = (f.groups - 1) // f.in_repeat * f.in_step + f.in_groups
    maps = f.in_row + np.arange(last)[:, None] * f.in_stride
    read = maps + np.arange(at.min(), at.max() + 1)[None]
    if not np.intersect1d(read, written).size:
        return
    ring = f.ring_raster
    one_by_one = (ring.kernel_h, ring.kernel_w, ring.stride_h, ring.stride_w)
    in_order = not f.array and one_by_one == (1, 1, 1, 1) and ring.origin == 0
    _expect(in_order and np.array_equal(read, written), "the step overwrites what it reads")


# Reading maps.


def _words(r: Raster, tap: TapView, arch: ArchParams) -> Ints:
    """Words (vectors, lanes) at which the lanes read at ``tap``."""
    lanes = tap.inside.shape[-1]
    at: Ints = tap.address[..., None] + np.arange(lanes) * (1 + r.phases)
    return in_phases(at, arch.pixels) if r.phases else at


def _gather(
    pixels: Int8, first: int, tap: TapView, vectors: slice, r: Raster, arch: ArchParams
) -> Int8:
    """Runs of pixels at ``tap``'s addresses of the map at word ``first``: (vectors, lanes, C)."""
    at = first + _words(r, tap, arch)[vectors]
    inside = tap.inside[vectors]
    _expect(not (inside & ((at < 0) | (at >= len(pixels)))).any(), "a lane reads outside memory")
    seen = pixels[np.where(inside, at, 0)]
    return np.where(inside[..., None], seen, np.int8(r.pad_value))


def _array(
    f: Exec, stream: StepStream, pixels: Int8, arch: ArchParams
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Accumulators (groups, vectors, P, C) of the PE array and the lanes kept."""
    r = f.in_raster
    walked = walk(r, arch.pixels)
    assert stream.words is not None
    lanes, groups, in_groups = arch.lanes, f.groups, f.in_groups
    taps = len(walked.taps)
    words = stream.words.reshape(groups, taps, in_groups, lanes, lanes)
    vectors = len(walked.keep)
    acc = np.empty((groups, vectors, arch.pixels, lanes), np.int64)
    windows: dict[int, list[int]] = {}  # first input group: output groups
    for g in range(groups):
        windows.setdefault(g // f.in_repeat * f.in_step, []).append(g)
    # Runs of memory per input group, tap and vector; products in floats that cannot round.
    chunk = max(1, _CHUNK * 64 // (taps * in_groups * lanes))
    for base, outs in windows.items():
        weight = words[outs].transpose(1, 2, 4, 0, 3).reshape(taps * in_groups * lanes, -1)
        for v in range(0, vectors, chunk):
            part = slice(v, min(v + chunk, vectors))
            columns = [
                _gather(pixels, (f.in_row + i * f.in_stride) * arch.pixels, tap, part,
                        r, arch)
                for tap in walked.taps for i in range(base, base + in_groups)
            ]  # fmt: skip
            operands = np.concatenate(columns, axis=2).astype(np.float64)
            products = operands.reshape(-1, operands.shape[2]) @ weight.astype(np.float64)
            shape = (operands.shape[0], arch.pixels, len(outs), lanes)
            acc[outs, part] = products.reshape(shape).transpose(2, 0, 1, 3)
    return acc, walked.keep


def _copy(f: Exec, pixels: Int8, arch: ArchParams) -> Int8:
    """(groups, pixels, C): aligned or not, runs as they are in memory."""
    r = f.in_raster
    walked = walk(r, arch.pixels)
    _expect(len(walked.taps) == 1, "the copy has a kernel")
    _expect((f.in_groups, f.in_step, f.in_repeat) == (1, 1, 1), "the copy skips groups")
    _expect(len(walked.keep) == f.ring_rows, "the copy makes other rows than the ring takes")
    every = slice(None)
    rows = [
        _gather(pixels, (f.in_row + g * f.in_stride) * arch.pixels, walked.taps[0], every,
                r, arch).reshape(-1, arch.lanes)
        for g in range(f.groups)
    ]  # fmt: skip
    return np.stack(rows)[:, : f.requant1.pixels]


# The ring and the window engine.


def _ring(f: Exec, pixels: Int8, arch: ArchParams) -> Int8:
    """(groups, ring_rows * P, C): each group from a fresh row, its last row's tail garbage."""
    r = f.ring_raster
    rows = rows_of(r.height, r.width, arch.pixels, phases=r.phases)
    if r.stride_h:
        _expect(pixels.shape[1] == r.height * r.width, "the ring's map has other pixels")
    else:  # blocks that overlap, of a map without rows
        rows = -(-pixels.shape[1] // arch.pixels)
    _expect(f.ring_rows == rows, "ring_rows does not add up")
    return _in_rows(pixels, rows, phases=r.phases, tail=85, arch=arch)


def _check_ring(r: Raster, walked: Walked, arch: ArchParams) -> None:
    """From the lowest row any later beat reads to the highest this vector reads: it must fit.

    In phases, with the other row of their pairs."""
    step = 1 + r.phases
    low, high = [], []
    for tap in walked.taps:
        at = tap.address[:, None] + np.arange(arch.window_width) * step
        low.append(np.where(tap.inside, at, 1 << 40).min(axis=1))
        high.append(np.where(tap.inside, at, -1).max(axis=1))
    lowest, highest = np.minimum.reduce(low), np.maximum.reduce(high)
    later = np.minimum.accumulate(lowest[::-1])[::-1]
    real = highest >= 0
    row = arch.pixels * step
    span = (highest[real] // row - later[real] // row + 1) * step
    _expect(span.max(initial=0) <= arch.ring_rows, "the window ring is too small")


def _window(
    f: Exec, stream: StepStream, ring: Int8, memory: Int8, arch: ArchParams
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Accumulators (groups, vectors, V, C) of the window engine and the lanes kept."""
    r = f.ring_raster
    walked = walk(r, arch.window_width)
    _check_ring(r, walked, arch)
    acc = np.empty((f.groups, *walked.keep.shape, arch.lanes), np.int64)
    for g in range(f.groups):
        taps = (
            _gather(ring[g], 0, tap, slice(None), r, arch).astype(np.int64) for tap in walked.taps
        )
        if f.window_op == WindowOp.MAX:
            acc[g] = next(taps)
            for seen in taps:
                np.maximum(acc[g], seen, out=acc[g])
        elif f.window_op == WindowOp.SCALE:
            vector = memory[f.residual_row + g * f.residual_stride, 0].astype(np.int64)
            acc[g] = (next(taps) - r.pad_value) * (vector - f.vector_zero)
        else:
            assert stream.taps is not None
            acc[g] = 0
            weights = stream.taps[g].astype(np.int64)
            every = len(weights) // len(walked.taps)
            own = weights[: every * len(walked.taps) : every]
            _expect(abs(weights).sum() == abs(own).sum(), "a tap that is none has weights")
            for seen, weight in zip(taps, own, strict=True):
                acc[g] += seen * weight
    return acc, walked.keep


# After the accumulators.


def _requant(
    q: Requant, acc: Ints, keep: npt.NDArray[np.bool_], params: Params, tables: Int8,
    f: Exec, arch: ArchParams,
) -> Int8:  # fmt: skip
    """(groups, pixels, C) from the kept lanes, in order."""
    kept = acc[:, keep]
    _expect(kept.shape[1] == q.pixels, "the raster keeps other pixels than requant.pixels")
    bias = params.bias[:, None]
    limit = 1 << (arch.acc_bits - 1)
    for value in (kept, kept + bias):
        _expect(value.max() < limit and value.min() >= -limit, "an accumulator overflows")
    result = requantize(
        kept,
        bias,
        params.multiplier[:, None],
        params.shift[:, None],
        q.zero,
        q.low,
        q.high,
    )
    return tables[f.table_bank][result.astype(np.int64) + 128] if q.table else result


def _add(f: Exec, pixels: Int8, memory: Int8, arch: ArchParams) -> Int8:
    rows = _residual_rows(f, arch)
    other = memory[rows].reshape(f.groups, -1, arch.lanes)[:, : f.out_pixels]
    total = pixels.astype(np.int64) * f.add_multiplier_a
    total += other.astype(np.int64) * f.add_multiplier_b + f.add_offset
    result = (total >> f.add_shift) + f.add_zero
    return np.clip(result, f.add_low, f.add_high).astype(np.int8)


def _out_rows(f: Exec) -> Ints:
    """(groups, rows) of the output."""
    return _rows(f.out_row, f.out_stride, f.groups, f.out_rows)


def _residual_rows(f: Exec, arch: ArchParams) -> Ints:
    """(groups, rows) of the residual: the output's pixels, never in phases."""
    rows = -(-f.out_pixels // arch.pixels)
    return _rows(f.residual_row, f.residual_stride, f.groups, rows)


def _rows(first: int, stride: int, groups: int, rows: int) -> Ints:
    indices: Ints = first + np.arange(groups)[:, None] * stride + np.arange(rows)[None]
    return indices


def _write(f: Exec, pixels: Int8, memory: Int8, arch: ArchParams) -> None:
    if f.woven:
        words = out_words(f, arch)
        _expect(words.max() < memory.shape[0] * arch.pixels, "the output leaves the feature memory")
        _expect(len(np.unique(words)) == words.size, "output groups overwrite each other")
        memory.reshape(-1, arch.lanes)[words] = pixels
        return
    rows = _out_rows(f)
    _expect(rows.max() < len(memory), "the output leaves the feature memory")
    _expect(len(np.unique(rows)) == rows.size, "output groups overwrite each other")
    phases = f.out_phases
    _expect(not phases or (rows[:, 0] % 2 == 0).all(), "phases begin with an odd row")
    stored = _in_rows(pixels, f.out_rows, phases=phases, tail=-86, arch=arch)
    memory[rows] = stored.reshape(*rows.shape, arch.pixels, arch.lanes)


def _in_rows(pixels: Int8, rows: int, *, phases: bool, tail: int, arch: ArchParams) -> Int8:
    """(groups, pixels, C) as stored in ``rows`` rows, unused words filled with ``tail``."""
    stored = np.full((len(pixels), rows * arch.pixels, arch.lanes), tail, np.int8)
    at = np.arange(pixels.shape[1])
    stored[:, in_phases(at, arch.pixels) if phases else at] = pixels
    return stored
