"""What a maximum pool took goes back to where it was."""

from __future__ import annotations

from dataclasses import replace

from accelgen.ir import Graph, Node
from accelgen.ir.ps_ops import QUnpool
from accelgen.ps.operators.operator import StepKernel, count_of
from accelgen.ps.operators.plain import plain
from accelgen.ps.work import PIXEL_CYCLES, Work, of_map

__all__ = ["UNPOOL"]


def _integers(node: Node, graph: Graph) -> list[int]:
    op = node.op
    assert isinstance(op, QUnpool)
    return [*graph.tensors[node.output].shape[1:], *op.kernel, op.value]


def _work(node: Node, graph: Graph) -> Work:
    """Each pixel of the output is looked at once, and written once."""
    _, height, width, _ = graph.tensors[node.output].shape
    found, put = (of_map(loop, node.output, graph, 1) for loop in ("keep_larger", "put_pixel"))
    entered = Work(
        cycles=2 * height * width * PIXEL_CYCLES, map_bytes=count_of(node.inputs[0], graph)
    )
    return replace(found + put + entered, parallel=True)


UNPOOL = plain(StepKernel.UNPOOL, _integers, _work)
