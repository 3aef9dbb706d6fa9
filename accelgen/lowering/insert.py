"""Values between the pixels of a map, in walks that the array has.

Pixels are linear, and what a lane sees outside its map is a pad value. So a walk over rows that
are longer than those of the map inserts:

    columns: the map as rows of one pixel, each walked as ``factor`` pixels
    rows:    the rows as they are, each walked as ``factor`` rows

Each is a pass of the array, a convolution by one (the window engine's ring would free pixels that
the next row still needs). It reads only the channels of its lanes, wherever channels divide.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import Pair, QConv2d, QInsert
from accelgen.ir.shapes import infer_shape

__all__ = ["dense_groups", "lower_inserts"]


def lower_inserts(graph: Graph, lanes: int) -> Graph:
    """``graph`` with a convolution for each axis of each QInsert; the last makes its output."""
    if not any(isinstance(node.op, QInsert) for node in graph.nodes):
        return graph
    tensors, constants = dict(graph.tensors), dict(graph.constants)
    names = Names.of(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        if not isinstance(node.op, QInsert):
            nodes.append(node)
            continue
        height, width = node.op.factor
        # Columns first: the fewer rows, the fewer pixels that take a vector each.
        axes = ((1, width), "columns"), ((height, 1), "rows")
        stages = [axis for axis in axes if axis[0] != (1, 1)] or [((1, 1), "")]
        channels = tensors[node.output].shape[3]
        groups = dense_groups(channels, lanes)
        arrays = _identity(channels, groups, node.op.value)
        inputs = tuple(names.fresh(f"{node.output}.{kind}") for kind in arrays)
        constants |= dict(zip(inputs, arrays.values(), strict=True))
        tensors |= {n: TensorType(constants[n].shape, str(constants[n].dtype)) for n in inputs}
        source = node.inputs[0]
        for factor, suffix in stages:
            last = factor == stages[-1][0]
            stage = replace(
                node,
                name=node.name if last else names.of_part(node.name, f".{suffix}"),
                op=_stage(factor, groups, node.op.value),
                inputs=(source, *inputs),
                output=node.output if last else names.of_part(node.output, f".{suffix}"),
            )
            kind = graph.tensors[node.output].quantization
            tensors[stage.output] = TensorType(infer_shape(stage, tensors), "int8", kind)
            nodes.append(stage)
            source = stage.output
    return replace(graph, nodes=tuple(nodes), tensors=tensors, constants=constants)


def _stage(factor: Pair, groups: int, value: int) -> QConv2d:
    return QConv2d(
        kernel=(1, 1), groups=groups, insert=factor, input_zero=value, output_zero=value
    )  # fmt: skip


def dense_groups(channels: int, lanes: int) -> int:
    """As many as make groups of several channels (one each would be depthwise) that do not reach
    from word to word: then the array reads a word per output word."""
    sizes = [n for n in range(2, lanes + 1) if channels % n == 0 and lanes % n == 0]
    return channels // sizes[0] if sizes else 1


def _identity(channels: int, groups: int, value: int) -> dict[str, npt.NDArray[Any]]:
    """Constants with which ``(x - value) + value`` comes out, exactly."""
    size = channels // groups
    return {
        "weight": np.tile(np.eye(size, dtype=np.int8), (groups, 1)).reshape(channels, 1, 1, size),
        "bias": np.full(channels, -value, np.int32),
        "multiplier": np.full(channels, 1 << 16, np.int32),
        "shift": np.full(channels, 16, np.int32),
    }
