"""What goes from map to map: pixel by pixel, or by windows and positions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph, Node
from accelgen.ir.ops import QAdd, QBilinear, QInnerAvgPool, QMul, QScale
from accelgen.ps import kernels
from accelgen.ps.kernels import Call
from accelgen.ps.operators.operator import (
    PsOperator,
    StepKernel,
    Tensor,
    count_of,
    flat,
    sizes_of,
)
from accelgen.ps.work import PIXEL_CYCLES, Work, elements, of_map

__all__ = ["ADD", "BILINEAR", "INNER_AVERAGE", "MULTIPLY", "SCALE", "TABLE"]


def _table_record(node: Node, graph: Graph) -> tuple[StepKernel, list[int]]:
    return StepKernel.TABLE, [count_of(node.output, graph)]


def _table_calls(node: Node, graph: Graph, inputs: list[Tensor]) -> list[Call]:
    return [kernels.table(inputs[0], inputs[1])]


def _table_work(node: Node, graph: Graph) -> Work:
    return of_map("table", node.output, graph, 2)


def _add_record(node: Node, graph: Graph) -> tuple[StepKernel, list[int]]:
    op = node.op
    assert isinstance(op, QAdd)
    scales = [op.multiplier_a, op.multiplier_b, op.offset, op.shift]
    numbers = [count_of(node.output, graph), *scales, op.output_zero, op.low, op.high]
    return StepKernel.ADD, numbers


def _add_calls(node: Node, graph: Graph, inputs: list[Tensor]) -> list[Call]:
    assert isinstance(node.op, QAdd)
    return [kernels.add(node.op, *inputs)]


def _add_work(node: Node, graph: Graph) -> Work:
    return of_map("add", node.output, graph, 3)


def _scale_record(node: Node, graph: Graph) -> tuple[StepKernel, list[int]]:
    op = node.op
    assert isinstance(op, QScale)
    numbers = [op.x_zero, op.s_zero, op.multiplier, op.shift, op.output_zero]
    return StepKernel.SCALE, [*sizes_of(node.output, graph), *numbers]


def _scale_calls(node: Node, graph: Graph, inputs: list[Tensor]) -> list[Call]:
    assert isinstance(node.op, QScale)
    return [kernels.scale(node.op, flat(inputs[0]), inputs[1])]


def _scale_work(node: Node, graph: Graph) -> Work:
    return replace(of_map("scale", node.output, graph, 2), parallel=True)


def _multiply_record(node: Node, graph: Graph) -> tuple[StepKernel, list[int]]:
    op = node.op
    assert isinstance(op, QMul)
    numbers = [op.a_zero, op.b_zero, op.multiplier, op.shift, op.output_zero]
    return StepKernel.MULTIPLY, [count_of(node.output, graph), *numbers]


def _multiply_calls(node: Node, graph: Graph, inputs: list[Tensor]) -> list[Call]:
    assert isinstance(node.op, QMul)
    return [kernels.multiply(node.op, *inputs)]


def _multiply_work(node: Node, graph: Graph) -> Work:
    work = of_map("scale", node.output, graph, 3) + of_map("factors", node.output, graph, 0)
    return replace(work, parallel=True)


def _bilinear_record(node: Node, graph: Graph) -> tuple[StepKernel, list[int]]:
    op = node.op
    assert isinstance(op, QBilinear)
    _, *sizes = graph.tensors[node.inputs[0]].shape
    return StepKernel.BILINEAR, [*sizes, len(op.rows), len(op.columns), int(op.rescaled)]


def _bilinear_arrays(node: Node) -> list[npt.NDArray[np.int32]]:
    op = node.op
    assert isinstance(op, QBilinear)
    arrays = [op.rows, op.columns]
    if op.rescaled:
        arrays.append((op.input_zero, op.multiplier, op.shift, op.output_zero))
    return [np.asarray(a, np.int32) for a in arrays]


def _bilinear_calls(node: Node, graph: Graph, inputs: list[Tensor]) -> list[Call]:
    assert isinstance(node.op, QBilinear)
    return [kernels.bilinear(node.op, inputs[0][0])]


def _bilinear_work(node: Node, graph: Graph) -> Work:
    """Every row that is read is widened once, then two of them make each row of the output."""
    op = node.op
    assert isinstance(op, QBilinear)
    _, height, width, channels = graph.tensors[node.inputs[0]].shape
    before = {at >> 11 for at in op.rows}
    read = before | {min(row + 1, height - 1) for row in before}
    pixels = len(read) * len(op.columns)
    tall = of_map("bilinear_rows", node.output, graph, 1)
    if op.rescaled:
        tall += of_map("requantize", node.output, graph, 0)
    wide = elements("bilinear_columns", pixels * channels, 0)
    calls = Work(cycles=pixels * PIXEL_CYCLES, map_bytes=height * width * channels)
    return replace(tall + wide + calls, parallel=True)


def _inner_average_record(node: Node, graph: Graph) -> tuple[StepKernel, list[int]]:
    op = node.op
    assert isinstance(op, QInnerAvgPool)
    _, *sizes = graph.tensors[node.inputs[0]].shape
    _, height, width, _ = graph.tensors[node.output].shape
    numbers = [height, width, op.input_zero, op.output_zero, len(op.shifts)]
    return StepKernel.INNER_AVERAGE, [*sizes, *numbers]


def _inner_average_arrays(node: Node) -> list[npt.NDArray[np.int32]]:
    op = node.op
    assert isinstance(op, QInnerAvgPool)
    window = (*op.kernel, *op.stride, *op.pads[:2], *op.counted)
    return [np.asarray(a, np.int32) for a in (window, op.multipliers, op.shifts)]


def _inner_average_calls(node: Node, graph: Graph, inputs: list[Tensor]) -> list[Call]:
    assert isinstance(node.op, QInnerAvgPool)
    return [kernels.inner_average(node.op, inputs[0][0])]


def _inner_average_work(node: Node, graph: Graph) -> Work:
    """Every pixel under every window is added, padding counted as if it was."""
    op = node.op
    assert isinstance(op, QInnerAvgPool)
    _, height, width, channels = graph.tensors[node.output].shape
    taps = height * width * op.kernel[0] * op.kernel[1]
    added = elements("add_pixel", taps * channels, 0)
    entered = Work(cycles=taps * PIXEL_CYCLES, map_bytes=count_of(node.inputs[0], graph))
    return replace(added + entered + of_map("requantize", node.output, graph, 1), parallel=True)


TABLE = PsOperator(record=_table_record, calls=_table_calls, work=_table_work)
ADD = PsOperator(record=_add_record, calls=_add_calls, work=_add_work)
SCALE = PsOperator(record=_scale_record, calls=_scale_calls, work=_scale_work)
MULTIPLY = PsOperator(record=_multiply_record, calls=_multiply_calls, work=_multiply_work)
BILINEAR = PsOperator(
    record=_bilinear_record, calls=_bilinear_calls, work=_bilinear_work, arrays=_bilinear_arrays
)
INNER_AVERAGE = PsOperator(
    record=_inner_average_record, calls=_inner_average_calls, work=_inner_average_work,
    arrays=_inner_average_arrays,
)  # fmt: skip
