"""What a deformable convolution gathers, for the product on the PL."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph, Node
from accelgen.ir.ps_ops import QDeform
from accelgen.ps.operators.operator import StepKernel, count_of
from accelgen.ps.operators.plain import plain
from accelgen.ps.work import PIXEL_CYCLES, Work, elements

__all__ = ["DEFORM"]


def _integers(node: Node, graph: Graph) -> list[int]:
    op = node.op
    assert isinstance(op, QDeform)
    _, *size = graph.tensors[node.inputs[0]].shape
    _, height, width, _ = graph.tensors[node.output].shape
    return [*size, height, width, op.kernel[0] * op.kernel[1], op.groups, len(op.factors)]


def _arrays(node: Node) -> list[npt.NDArray[np.int32]]:
    op = node.op
    assert isinstance(op, QDeform)
    window = (*op.kernel, *op.stride, *op.pads[:2], *op.dilation)
    numbers = (*window, op.input_zero, op.output_zero, op.shift, *op.offsets, *op.factors)
    return [np.asarray(numbers, np.int32)]


def _work(node: Node, graph: Graph) -> Work:
    """Each tap of each pixel finds its place, mixes four pixels of the map, and goes to the
    channels' order."""
    op = node.op
    assert isinstance(op, QDeform)
    made = count_of(node.output, graph)
    _, height, width, _ = graph.tensors[node.output].shape
    places = height * width * op.kernel[0] * op.kernel[1] * op.groups
    moved = made + sum(count_of(name, graph) for name in node.inputs)
    entered = Work(cycles=2 * places * PIXEL_CYCLES, map_bytes=moved)
    mixed, ordered = (elements(loop, made, 0) for loop in ("mix_pixels", "order_taps"))
    return replace(mixed + ordered + entered, parallel=True)


DEFORM = plain(StepKernel.DEFORM, _integers, _work, _arrays)
