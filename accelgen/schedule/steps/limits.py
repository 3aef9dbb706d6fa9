"""Proofs that a step fits the hardware's numbers and memories, or a sentence that says why not."""

from __future__ import annotations

from math import prod

from accelgen.arch import ArchParams, limits
from accelgen.arch.isa import EXEC
from accelgen.errors import ScheduleError
from accelgen.ir import Graph, Node
from accelgen.ir.ops import QConv2d
from accelgen.lowering.leave_sums import largest_accumulator
from accelgen.lowering.stream_words import is_streamed
from accelgen.program.raster import aligned_rows, raster_vectors
from accelgen.schedule.steps.fuse import Chain
from accelgen.schedule.steps.geometry import Geometry
from accelgen.schedule.steps.weights import GroupWindow

__all__ = ["check_step"]


def check_step(
    chain: Chain, geometry: Geometry, window: GroupWindow, graph: Graph, arch: ArchParams
) -> None:
    """Raise ScheduleError unless accumulators, sums, weight ring, taps and window ring suffice."""
    for node in (chain.array, chain.window):
        if node is not None and isinstance(node.op, QConv2d):
            _check_accumulators(node, graph, arch)
    if chain.array is not None:
        _check_weights(chain.array, geometry, window, graph, arch)
    if chain.window is not None:
        _check_window(chain.window, geometry, arch)
    if chain.squeeze is not None:
        _check_squeeze(chain.squeeze, geometry)


def _check_accumulators(node: Node, graph: Graph, arch: ArchParams) -> None:
    """No sum may leave ``acc_bits``."""
    worst = largest_accumulator(graph, node)
    if worst >= 1 << (arch.acc_bits - 1):
        raise ScheduleError(
            f"node '{node.name}' can reach accumulators of {worst:,}; acc_bits is {arch.acc_bits}"
            f" (up to {(1 << (arch.acc_bits - 1)) - 1:,}): raise acc_bits to 32",
            node=node.name,
        )


def _check_weights(
    node: Node, geometry: Geometry, window: GroupWindow, graph: Graph, arch: ArchParams
) -> None:
    taps = max(w.kernel[0] * w.kernel[1] for w in geometry.strands or (geometry.first,))
    words = taps * window.groups
    # Only steps that are told to are cut into bands of a vector; gaps of joined maps, which make
    # more words of the same channels, tell nobody.
    least = _least_vectors if is_streamed(node, graph, arch) else _whole_vectors
    used_once = least(geometry, arch.pixels) == 1
    if words > (most := EXEC.largest("weight_words")):
        raise ScheduleError(
            f"node '{node.name}' needs {words:,} weight words per output group; a command can"
            f" count {most:,}: raise lanes",
            node=node.name,
        )
    if words > arch.weight_words and not used_once:
        enough = 1 << (words - 1).bit_length()
        raise ScheduleError(
            f"node '{node.name}' needs {words:,} weight words per output group, weight_words is"
            f" {arch.weight_words:,}: raise weight_words to {enough:,}",
            node=node.name,
        )


def _whole_vectors(geometry: Geometry, pixels: int) -> int:
    """Vectors of the step in one piece."""
    return raster_vectors(geometry.band((0, geometry.out_h), pixels).first, pixels)


def _least_vectors(geometry: Geometry, pixels: int) -> int:
    """Vectors of the smallest band that the step can be cut into."""
    rows = geometry.out_h
    if geometry.in_bands:
        rows = min(rows, aligned_rows(geometry.out_w, pixels))
    return raster_vectors(geometry.band((0, rows), pixels).first, pixels)


def _check_squeeze(node: Node, geometry: Geometry) -> None:
    pixels = (geometry.second or geometry.first).whole().out_pixels
    if pixels > limits.SQUEEZE_LIMIT:
        raise ScheduleError(
            f"node '{node.name}' averages {pixels:,} pixels; the accelerator sums up to"
            f" {limits.SQUEEZE_LIMIT:,}: pool the map before",
            node=node.name,
        )


def _check_window(node: Node, geometry: Geometry, arch: ArchParams) -> None:
    second = geometry.second
    assert second is not None
    taps = arch.stored_taps(second.kernel)
    if taps > arch.tap_words // 2:
        raise ScheduleError(
            f"node '{node.name}' has {prod(second.kernel)} taps; tap_words is {arch.tap_words} and"
            f" holds two kernels: raise tap_words to {2 << (taps - 1).bit_length()}",
            node=node.name,
        )
    # From the first pixel of the kernel's first row to the last lane's pixel under its last tap.
    # (Blocks that overlap: both runs, and the tap before that holds back what the next one needs.)
    rows_below = (second.kernel[0] - 1) * second.dilation[0]
    reach = (rows_below + 1) * second.width
    reach = max(reach, rows_below * second.width + (second.kernel[1] - 1) * second.dilation[1])
    reach = 3 * second.run if second.run else reach
    unit = 2 if second.phases else 1
    row, run = unit * arch.pixels, unit * arch.window_width
    needed = unit * (-(-(reach + run) // row) + 2)
    needed = min(needed, unit * (-(-second.height * second.width // row) + 1))
    if needed > arch.ring_rows:
        enough = 1 << (needed - 1).bit_length()
        raise ScheduleError(
            f"node '{node.name}' slides {second.kernel[0]} rows of {second.width} pixels through"
            f" the window ring, {needed:,} feature rows; ring_rows is {arch.ring_rows:,}: raise"
            f" ring_rows to {enough:,}",
            node=node.name,
        )
