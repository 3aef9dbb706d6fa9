"""One operator of the processor: its record in frame.bin, its kernel calls, its price."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph, Node
from accelgen.ps.kernels import Call
from accelgen.ps.work import Work

__all__ = ["PsOperator", "StepKernel", "Tensor", "count_of", "flat", "float_bits", "sizes_of"]

Tensor = npt.NDArray[Any]


class StepKernel(IntEnum):
    """Numbers of kernels in frame.bin: ``neon/frame.h`` has the same."""

    FC = 1
    TABLE = 2
    ADD = 3
    SCALE = 4
    AVERAGE = 5
    SOFTMAX_INT8 = 6
    SOFTMAX = 7
    DEQUANTIZE = 8
    GATHER = 9
    BILINEAR = 10
    MULTIPLY = 11
    INNER_AVERAGE = 12
    CHOOSE_INT8 = 13
    CHOOSE = 14
    NORMALIZE = 15
    RESPONSE = 16
    LOCAL_NORM = 17
    SOFTEN = 18
    CHANNEL_MAX = 19
    UNPOOL = 20
    DEFORM = 21
    DEQUANTIZE_INT32 = 22
    JOIN_BYTES = 23


def _no_arrays(node: Node) -> list[npt.NDArray[np.int32]]:
    return []


@dataclass(frozen=True, kw_only=True)
class PsOperator:
    """What the three readers ask of an operator.

    Parameters
    ----------
    record : (node, graph) -> kernel, integers
        The step in frame.bin, at most 8 integers. Its operands are the node's inputs, then
        ``arrays``, then the output.
    calls : (node, graph, inputs) -> list of Call
        Kernel calls; their outputs, one after the other, are the node's. ``inputs`` are the
        node's, (1, h, w, c) maps and constants.
    work : (node, graph) -> Work
        The same calls' price, on maps that are already NHWC.
    arrays : node -> int32 arrays
        Numbers of the operation that the kernel takes as constants.
    """

    record: Callable[[Node, Graph], tuple[StepKernel, list[int]]]
    calls: Callable[[Node, Graph, list[Tensor]], list[Call]]
    work: Callable[[Node, Graph], Work]
    arrays: Callable[[Node], list[npt.NDArray[np.int32]]] = _no_arrays


def sizes_of(tensor: str, graph: Graph) -> tuple[int, int]:
    """Pixels and channels."""
    _, height, width, channels = graph.tensors[tensor].shape
    return height * width, channels


def count_of(tensor: str, graph: Graph) -> int:
    """Elements."""
    return math.prod(graph.tensors[tensor].shape)


def flat(x: Tensor) -> Tensor:
    """(pixels, channels)."""
    return x.reshape(-1, x.shape[-1])


def float_bits(value: float) -> int:
    """The 32 bits of a float, as frame.bin has them."""
    return int(np.float32(value).view(np.uint32))
