"""What makes vectors, or works on them: fully connected layers, averages of maps, softmax."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelgen.ir import Graph, Node
from accelgen.ir.ops import QConv2d, QGlobalAvgPool
from accelgen.ir.ps_ops import QJoinBytes
from accelgen.ir.wide import is_wide
from accelgen.ps import kernels
from accelgen.ps.kernels import Call, Requant
from accelgen.ps.operators.operator import (
    PsOperator,
    StepKernel,
    Tensor,
    count_of,
    flat,
    float_bits,
    sizes_of,
)
from accelgen.ps.operators.plain import plain
from accelgen.ps.work import Work, elements, of_map

__all__ = ["AVERAGE", "DENSE", "JOIN_BYTES", "SOFTMAX"]


def _dense_record(node: Node, graph: Graph) -> tuple[StepKernel, list[int]]:
    op = node.op
    assert isinstance(op, QConv2d)
    outputs, inputs = graph.tensors[node.output].shape[3], count_of(node.inputs[0], graph)
    return StepKernel.FC, [outputs, inputs, op.output_zero, op.low, op.high, int(op.wide)]


def _dense_calls(node: Node, graph: Graph, inputs: list[Tensor]) -> list[Call]:
    x, weight, bias, multiplier, shift = inputs
    assert isinstance(node.op, QConv2d)
    if node.op.wide:
        return [kernels.dense_wide(x.reshape(-1), weight.reshape(len(weight), -1), bias)]
    q = Requant.of(node.op, bias, multiplier, shift)
    return [kernels.dense(x.reshape(1, -1), weight.reshape(len(weight), -1), q)]


def _dense_work(node: Node, graph: Graph) -> Work:
    """In panels of 8 outputs and blocks of 32 inputs, full or not; sums that leave as they are are
    not scaled, and wider."""
    outputs, inputs = graph.tensors[node.output].shape[3], count_of(node.inputs[0], graph)
    packed = -(-outputs // 8) * 8 * -(-inputs // 32) * 32
    wide = is_wide(node)
    left, given = (4, 4) if wide else (1, 12)
    product = replace(
        elements("fc", packed, 0), map_bytes=inputs + left * outputs,
        constant_bytes=packed + given * outputs,
    )  # fmt: skip
    if wide:
        return replace(product, parallel=True)
    return replace(product + elements("requantize", outputs, 0), parallel=True)


def _average_record(node: Node, graph: Graph) -> tuple[StepKernel, list[int]]:
    op = node.op
    assert isinstance(op, QGlobalAvgPool)
    numbers = [op.input_zero, op.multiplier, op.shift, op.output_zero]
    return StepKernel.AVERAGE, [*sizes_of(node.inputs[0], graph), *numbers]


def _average_calls(node: Node, graph: Graph, inputs: list[Tensor]) -> list[Call]:
    assert isinstance(node.op, QGlobalAvgPool)
    return [kernels.average(node.op, flat(inputs[0]))]


def _average_work(node: Node, graph: Graph) -> Work:
    return replace(of_map("average", node.inputs[0], graph, 1), parallel=True)


def _softmax_record(node: Node, graph: Graph) -> tuple[StepKernel, list[int]]:
    """Pixel after pixel, each over its channels."""
    sizes, x = sizes_of(node.output, graph), graph.tensors[node.inputs[0]]
    if x.dtype != "int8":  # an int32 tensor is read as real numbers
        return StepKernel.SOFTMAX, [*sizes]
    assert x.quantization is not None
    numbers = [x.quantization.zero_point, float_bits(x.quantization.scale)]
    return StepKernel.SOFTMAX_INT8, [*sizes, *numbers]


def _softmax_calls(node: Node, graph: Graph, inputs: list[Tensor]) -> list[Call]:
    """Pixel after pixel, each over its channels."""
    rows, x = flat(inputs[0]), graph.tensors[node.inputs[0]]
    if x.dtype == "float32":
        return [kernels.softmax(row) for row in rows]
    if x.steps:
        steps = np.asarray(x.steps, np.float32)
        return [kernels.softmax_int32(row, steps) for row in rows]
    assert x.quantization is not None
    return [kernels.softmax_int8(row, x.quantization) for row in rows]


def _softmax_work(node: Node, graph: Graph) -> Work:
    wide = graph.tensors[node.inputs[0]].dtype == "int32"
    loops = ("dequantize_int32" if wide else "dequantize", "largest", "exponential", "divide")
    return sum((of_map(loop, node.output, graph, 4) for loop in loops), Work())


def _join_bytes(node: Node, graph: Graph) -> list[int]:
    assert isinstance(node.op, QJoinBytes)
    return [count_of(node.output, graph), node.op.offset]


def _join_bytes_work(node: Node, graph: Graph) -> Work:
    """Four planes of bytes in, as much out."""
    return of_map("join_bytes", node.output, graph, 8)


JOIN_BYTES = plain(StepKernel.JOIN_BYTES, _join_bytes, _join_bytes_work)
DENSE = PsOperator(record=_dense_record, calls=_dense_calls, work=_dense_work)
AVERAGE = PsOperator(record=_average_record, calls=_average_calls, work=_average_work)
SOFTMAX = PsOperator(record=_softmax_record, calls=_softmax_calls, work=_softmax_work)
