"""Operators whose kernel takes the step of frame.bin as it stands (``neon/frame_steps.c``): one
description is both the record and the call."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph, Node
from accelgen.ps.kernels import Call, Output
from accelgen.ps.operators.operator import PsOperator, StepKernel, Tensor
from accelgen.ps.work import Work

__all__ = ["plain"]

#: What ``run_cases`` adds to the number of a step's kernel.
_IN_CASES = 100


def plain(
    kernel: StepKernel,
    integers: Callable[[Node, Graph], list[int]],
    work: Callable[[Node, Graph], Work],
    arrays: Callable[[Node], list[npt.NDArray[np.int32]]] = lambda node: [],
) -> PsOperator:
    """An operator whose call is its record."""

    def record(node: Node, graph: Graph) -> tuple[StepKernel, list[int]]:
        return kernel, integers(node, graph)

    def calls(node: Node, graph: Graph, inputs: list[Tensor]) -> list[Call]:
        kind = graph.tensors[node.output]
        output = Output(kind.shape, np.dtype(kind.dtype).type)
        numbers = tuple(integers(node, graph))
        buffers: tuple[Tensor | Output, ...] = (*inputs, *arrays(node), output)
        return [Call(kernel=_IN_CASES + kernel, integers=numbers, buffers=buffers)]

    return PsOperator(record=record, calls=calls, work=work, arrays=arrays)
