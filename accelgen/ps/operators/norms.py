"""What is divided by a statistic of the map itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph, Node
from accelgen.ir.ps_ops import QLocalNorm, QNormalize, QResponse, QSoftmax, split_along
from accelgen.ps.operators.operator import StepKernel, sizes_of
from accelgen.ps.operators.plain import plain
from accelgen.ps.work import PIXEL_CYCLES, Work, of_map

__all__ = ["CHANNEL_MAX", "LOCAL_NORM", "NORMALIZE", "RESPONSE", "SOFTEN"]

#: Assumed: a root and a division of 64 bits, in a loop of their own.
STATISTIC_CYCLES = 150


def _words(value: int) -> tuple[int, int]:
    """An integer of up to 62 bits, low ones first."""
    return value & 0xFFFFFFFF, value >> 32


def _normalize(node: Node, graph: Graph) -> list[int]:
    op = node.op
    assert isinstance(op, QNormalize)
    sizes = split_along(op, graph.tensors[node.output].shape)
    # What stands for the mean, above the output's zero point; 0: nothing does.
    given = 0 if op.input_zero is None else op.input_zero + 129
    return [*sizes, *_words(op.epsilon), op.multiplier, op.shift, 256 * given + op.output_zero]


def _normalize_work(node: Node, graph: Graph) -> Work:
    """Sums of all numbers first, then each by its factor."""
    op = node.op
    assert isinstance(op, QNormalize)
    means, count, row = split_along(op, graph.tensors[node.output].shape)
    if row > 1:
        loops = ("sum_rows", "normalize_columns")
        rows = means * count // row
        entered = Work(cycles=2 * rows * PIXEL_CYCLES + means * STATISTIC_CYCLES)
    else:
        loops = ("sum_numbers", "normalize_rows")
        entered = Work(cycles=means * (2 * PIXEL_CYCLES + STATISTIC_CYCLES))
    sums, made = (of_map(loop, node.output, graph, 1) for loop in loops)
    return replace(sums + made + entered, parallel=row == 1)


def _response(node: Node, graph: Graph) -> list[int]:
    op = node.op
    assert isinstance(op, QResponse)
    numbers = [*_words(op.epsilon), op.multiplier, op.shift, op.output_zero]
    return [*sizes_of(node.inputs[0], graph), op.input_zero, *numbers]


def _response_work(node: Node, graph: Graph) -> Work:
    pixels, channels = sizes_of(node.inputs[0], graph)
    squares = of_map("add_squares", node.inputs[0], graph, 1)
    return squares + Work(cycles=pixels * PIXEL_CYCLES + channels * STATISTIC_CYCLES)


def _local_norm(node: Node, graph: Graph) -> list[int]:
    op = node.op
    assert isinstance(op, QLocalNorm)
    numbers = [op.size, op.input_zero, op.shift, op.output_zero, len(op.factors)]
    return [*sizes_of(node.output, graph), *numbers]


def _factors(node: Node) -> list[npt.NDArray[np.int32]]:
    assert isinstance(node.op, QLocalNorm)
    return [np.asarray(node.op.factors, np.int32)]


def _local_norm_work(node: Node, graph: Graph) -> Work:
    pixels, _ = sizes_of(node.output, graph)
    squares, made = (of_map(loop, node.output, graph, 1) for loop in ("square", "local_row"))
    return replace(squares + made + Work(cycles=2 * pixels * PIXEL_CYCLES), parallel=True)


def _soften(node: Node, graph: Graph) -> list[int]:
    op = node.op
    assert isinstance(op, QSoftmax)
    return [*sizes_of(node.output, graph), op.multiplier, op.shift, op.output_zero]


def _powers(node: Node) -> list[npt.NDArray[np.int32]]:
    assert isinstance(node.op, QSoftmax)
    return [np.asarray(node.op.powers, np.int32)]


def _soften_work(node: Node, graph: Graph) -> Work:
    """A division for each pixel, too."""
    pixels, _ = sizes_of(node.output, graph)
    loops = ("largest_int8", "powers_of", "weigh")
    made = sum((of_map(loop, node.output, graph, 2 / 3) for loop in loops), Work())
    return replace(made + Work(cycles=4 * pixels * PIXEL_CYCLES), parallel=True)


def _channel_max(node: Node, graph: Graph) -> list[int]:
    return [*sizes_of(node.inputs[0], graph)]


def _channel_max_work(node: Node, graph: Graph) -> Work:
    pixels, _ = sizes_of(node.inputs[0], graph)
    return of_map("largest_int8", node.inputs[0], graph, 1) + Work(cycles=pixels * PIXEL_CYCLES)


RESPONSE = plain(StepKernel.RESPONSE, _response, _response_work)
LOCAL_NORM = plain(StepKernel.LOCAL_NORM, _local_norm, _local_norm_work, _factors)
SOFTEN = plain(StepKernel.SOFTEN, _soften, _soften_work, _powers)
CHANNEL_MAX = plain(StepKernel.CHANNEL_MAX, _channel_max, _channel_max_work)
NORMALIZE = plain(StepKernel.NORMALIZE, _normalize, _normalize_work)
