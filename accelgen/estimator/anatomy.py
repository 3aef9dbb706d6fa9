"""What a layer is, whatever computes it: parameters, memory access, intensity, receptive field.

The numbers that a designer of networks goes by. Memory access cost is Ma et al.'s (ShuffleNetV2,
ECCV 2018, section 2): elements read and written once each, maps in, map out, and parameters; of
int8 an element is a byte. Arithmetic intensity is MACs per such byte. The receptive field is what
of the network's input, in pixels, one output pixel depends on (Araujo et al., Distill 2019):
r_out = r_in + (k - 1) * d * j_in, j_out = j_in * s, cut off at the input's size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from accelgen.ir import Graph, Node
from accelgen.ir.macs import count_macs
from accelgen.program.records import Program

__all__ = ["Anatomy", "anatomy"]

Pair = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """One node. ``output`` (height, width, channels); ``parameters``: weights, and a bias of each
    output; ``memory_access`` in bytes; ``intensity`` in MACs per byte of it; ``receptive_field``
    (rows, columns) of input pixels."""

    name: str
    output: tuple[int, int, int]
    macs: int
    parameters: int
    memory_access: int
    intensity: float
    receptive_field: tuple[int, int]


@dataclass(frozen=True)
class _Reach:
    """Of a tensor: input pixels that one of its pixels sees, and from one to the next."""

    field: Pair
    jump: Pair


def anatomy(programs: Sequence[Program], size: tuple[int, int]) -> Iterator[Anatomy]:
    """Each node of the ``programs`` of a network whose input is ``size`` (height, width), in order.

    Nodes are those that the compiler made: names are the schedule's.
    """
    reach: dict[str, _Reach] = {}
    for program in programs:
        graph = program.graph
        for name in graph.inputs:
            if name not in reach:
                # The host may have put several pixels side by side.
                _, height, width, _ = graph.tensors[name].shape
                jump = size[0] / height, size[1] / width
                reach[name] = _Reach(jump, jump)
        for node in graph.nodes:
            reach[node.output] = made = _reach(node, graph, reach)
            yield _anatomy(node, graph, made, size)


def _anatomy(node: Node, graph: Graph, made: _Reach, size: tuple[int, int]) -> Anatomy:
    _, height, width, channels = graph.tensors[node.output].shape
    maps = [i for i in node.inputs if i not in graph.constants]
    weights = 0
    if hasattr(node.op, "kernel") and len(node.inputs) > len(maps):
        weights = sum(np.size(graph.constants[name]) for name in node.inputs[1:3])
    read = sum(math.prod(graph.tensors[name].shape) for name in maps)
    bytes_ = read + height * width * channels + weights
    macs = count_macs(node, graph)
    rows, columns = (min(math.ceil(f), s) for f, s in zip(made.field, size, strict=True))
    return Anatomy(
        name=node.name, output=(height, width, channels), macs=macs, parameters=weights,
        memory_access=bytes_, intensity=macs / bytes_, receptive_field=(rows, columns),
    )  # fmt: skip


def _reach(node: Node, graph: Graph, reach: dict[str, _Reach]) -> _Reach:
    """Of the output of ``node``: the widest of what its inputs give."""
    found = [_through(node, graph, name, reach[name]) for name in node.inputs if name in reach]
    field = tuple(max(r.field[i] for r in found) for i in (0, 1))
    jump = tuple(max(r.jump[i] for r in found) for i in (0, 1))
    return _Reach((field[0], field[1]), (jump[0], jump[1]))


def _through(node: Node, graph: Graph, name: str, before: _Reach) -> _Reach:
    field, jump = list(before.field), list(before.jump)
    for i in (0, 1):
        size, made = (graph.tensors[t].shape[1 + i] for t in (name, node.output))
        kernel = getattr(node.op, "kernel", (1, 1))[i]
        dilation = getattr(node.op, "dilation", (1, 1))[i]
        if made == 1:
            kernel = max(kernel, size)  # an average of the map, or all of it by weights
        field[i] += (kernel - 1) * dilation * jump[i]
        jump[i] *= getattr(node.op, "stride", (1, 1))[i] if made < size else size / made
    return _Reach((field[0], field[1]), (jump[0], jump[1]))
