"""What one EXEC takes of each engine, from its fields alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from accelgen.arch import ArchParams, limits, timing
from accelgen.arch.isa import WindowOp
from accelgen.program.commands import Exec, Raster
from accelgen.program.weave import weave_cycles

__all__ = ["StepTime", "kept_beats", "step_time"]


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Cycles per output channel group, undisturbed. Zero where an engine is not used.

    Parameters
    ----------
    groups : int
        Output channel groups.
    front_vectors, front : int, float
        Vectors that the PE array makes, or rows that are copied into the ring; cycles they take.
    window_vectors, window : int, float
        The same of the window engine; 0 without it.
    drain : int
        Cycles in which the array's vectors of a group leave their queue; 0 of a window step.
    front_alone, window_alone : float
        The same of the last group, for which no other waits.
    fill : float
        Share of the front's group after which the window engine can begin, 0 to 1.
    tail : float
        Cycles of the window engine when the front has finished the group.
    ring_rows : int
        Ring rows of one group.
    out_rows : int
        Rows of the feature memory that a group writes.
    bound : str
        What is slowest: ``array``, ``copy``, ``window`` or ``drain`` (W pixels per cycle after
        the accumulators).
    array, residual, squeeze : bool
        The PE array is used (not a copy); rows are read for an add; sums are requantized.
    array_beats : int
        Beats the array takes, all groups; 0 for a copy.
    empty_lanes : float
        Share of those beats' lanes whose pixel is not kept.
    """

    groups: int
    front_vectors: int
    front: float
    front_alone: float
    drain: int = 0
    window_vectors: int = 0
    window: float = 0.0
    window_alone: float = 0.0
    fill: float = 0.0
    tail: float = 0.0
    ring_rows: int = 0
    out_rows: int
    bound: str
    array: bool
    residual: bool
    squeeze: bool
    array_beats: int = 0
    empty_lanes: float = 0.0

    @property
    def work(self) -> float:
        """Cycles of the slower engine, all groups."""
        return self.groups * max(self.front, self.window)


def step_time(fields: Exec, arch: ArchParams) -> StepTime:
    """Times of an EXEC with ``fields``."""
    array, with_window = fields.array, fields.window
    squeeze = fields.squeeze
    # From one group's end to the next's: parameters are fetched, sums requantized one by one.
    least = max(arch.lanes + 1, timing.squeeze_interval(arch.lanes) if squeeze else 0)
    beats, drain, empty = 0, 0, 0.0
    if array:
        vectors = fields.in_raster.vectors
        work = vectors * _taps(fields.in_raster) * fields.in_groups
        beats = fields.groups * work
        empty = 1 - fields.requant1.pixels / (vectors * arch.pixels)
        drain = kept_beats(fields.in_raster, arch.pixels, arch.array_width)
        if not with_window:
            writes = weave_cycles(fields, arch.pixels) if fields.woven else 0
            drain = max(drain, _chained(fields, arch), writes)
        front_alone = max(work, drain, _turns(vectors, arch))
        bound = "array" if work >= front_alone else "drain"
        front = max(front_alone, least)
    else:
        vectors = fields.ring_rows
        front = front_alone = vectors
        bound = "copy"
    window: dict[str, Any] = {}
    if with_window:
        ring = fields.ring_raster
        scale = fields.window_op == WindowOp.SCALE
        work = ring.vectors * arch.window_beats((ring.kernel_h, ring.kernel_w))
        drain = kept_beats(
            ring, arch.window_width, arch.array_width if scale else arch.chain_pixels
        )
        drain = max(drain, _chained(fields, arch))
        cycles = max(work, drain, least)
        if cycles > front:
            bound = "window" if work >= drain else "drain"
        window = {
            "window_vectors": ring.vectors,
            "window": cycles,
            "window_alone": max(work, drain),
            "fill": _fill(ring, arch.window_width),
            "tail": cycles * _tail_vectors(ring, arch.window_width) / ring.vectors,
            "ring_rows": fields.ring_rows,
        }
    return StepTime(
        groups=fields.groups,
        front_vectors=vectors,
        front=front,
        front_alone=front_alone,
        drain=0 if with_window else drain,
        out_rows=fields.out_rows if fields.woven else -(-fields.out_pixels // arch.pixels),
        bound=bound,
        array=array,
        residual=fields.add,
        squeeze=squeeze,
        array_beats=beats,
        empty_lanes=empty,
        **window,
    )


def _turns(vectors: int, arch: ArchParams) -> float:
    """Cycles that a group's vectors take at least: no more are on their way than their queue
    holds."""
    if vectors <= arch.acc_depth:
        return 0
    return timing.credit_turn(arch.lanes, arch.pixels, arch.pumped) * vectors / arch.acc_depth


def kept_beats(raster: Raster, lanes: int, width: int) -> int:
    """Cycles in which a group's vectors leave the accumulator queue.

    ``width`` of a vector's ``lanes`` per cycle; those without a lane to keep are left out, but
    every vector takes one.
    """
    r = raster
    return _kept_beats(
        r.pitch, r.span, r.stride_h, r.stride_w, r.row_limit, r.vectors, r.phases, lanes, width
    )


@lru_cache(maxsize=4096)
def _kept_beats(
    pitch: int, span: int, stride_h: int, stride_w: int, row_limit: int, vectors: int,
    phases: int, lanes: int, width: int,
) -> int:  # fmt: skip
    step = 1 + phases

    def beats(vector: int) -> int:
        found = 0
        for block in range(vector * lanes, (vector + 1) * lanes, width):
            positions = (divmod(p * step, pitch) for p in range(block, block + width))
            found += any(
                x < span and row * stride_h < row_limit and x % stride_w == 0
                for row, x in positions
            )
        return max(1, found)

    per_row, rest = divmod(pitch, lanes * step)
    if rest:
        return sum(map(beats, range(vectors)))
    # Row by row: every row is like the first.
    return sum(map(beats, range(per_row))) * (vectors // per_row)


def _chained(fields: Exec, arch: ArchParams) -> int:
    """Cycles of a group's pixels through adder and squeeze; 0 for those that do not go there.

    What comes from the array's side comes in rows, which are cut again: a row is collected, its
    first beat in the cycle in which the last beat of the row before leaves, while nothing of it is
    cut (rtl/output/row_assembler.py, row_cutter.py). An adder that takes a beat every ``interval``
    cycles has some left in the queue before it by then, and goes on.
    """
    straight = not fields.window or fields.window_op == WindowOp.SCALE
    if straight and not fields.chained:
        return 0
    interval = timing.add_interval(arch.pumped) if fields.add else 1
    cycles = interval * -(-fields.out_pixels // arch.chain_pixels)
    if straight:
        rows, rest = divmod(fields.out_pixels, arch.pixels)
        for count, pixels in ((rows, arch.pixels), (1, rest)):
            beats = -(-pixels // arch.chain_pixels)
            left = min(limits.ADDER_QUEUE_BEATS, beats - (beats - 1) // interval)
            cycles += count * max(0, -(-pixels // arch.array_width) - left * interval)
    return int(cycles)


def _taps(raster: Raster) -> int:
    return raster.kernel_h * raster.kernel_w


def _fill(raster: Raster, lanes: int) -> float:
    """Share of the map that the first vector needs."""
    last_row, last_x = divmod((lanes - 1) * (1 + raster.phases), raster.pitch)
    y = last_row * raster.stride_h + (raster.kernel_h - 1) * raster.dilation_h
    x = last_x + (raster.kernel_w - 1) * raster.dilation_w
    y = min(max(y - raster.pad_top, 0), raster.height - 1)
    x = min(max(x - raster.pad_left, 0), raster.width - 1)
    return (y * raster.width + x + 1) / (raster.height * raster.width)


def _tail_vectors(raster: Raster, lanes: int) -> int:
    """Vectors of output rows that read nothing new below the map's last row, and one more."""
    reach = (raster.kernel_h - 1) * raster.dilation_h - raster.pad_top
    first = max(0, raster.height - 1 - reach)  # position row whose kernel ends in the last row
    rows = max(0, raster.row_limit - 1 - first) // max(1, raster.stride_h)
    return min(raster.vectors, rows * raster.pitch // (lanes * (1 + raster.phases)) + 1)
