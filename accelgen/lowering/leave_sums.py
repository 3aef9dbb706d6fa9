"""Wide layers that stay on the PL: their sums leave it byte by byte, and the PS puts them together.

What the PL writes are bytes; an int32 is four of them, each a plane of its own, ``[4][c]``.

- A fully connected layer has four times the outputs, each time the same weights. A requantizer that
  does not clamp keeps the lowest 8 bits of ``(acc + bias) * M + half >> s``. With M = 2, s = 1
  these are the sum's lowest byte; with M = 1, s = 8 k and ``half`` taken off the bias they are byte
  k. So the weights are read four times, which ``flow.placement`` weighs against the PS.
- An average (``QSumBytes``) takes no longer than rounded: the squeeze's sums leave as a row of
  four words, which takes four pixels of a row, instead of one word.

``QJoinBytes`` makes the int32 of them on the PS, with what the sums lack: of an average, minus
pixels times the input's zero point.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from accelgen.arch import ArchParams, limits
from accelgen.errors import ScheduleError
from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import QConv2d, QGlobalAvgPool, QSumBytes
from accelgen.ir.ps_ops import QJoinBytes
from accelgen.ir.shapes import BYTES, infer_shape
from accelgen.ir.wide import wide_nodes

__all__ = ["largest_accumulator", "leave_sums", "leaves_sums"]


def leaves_sums(graph: Graph, node: Node, arch: ArchParams) -> bool:
    """Whether ``arch`` has room for the sums of the wide ``node``: a row of the feature memory for
    the four bytes of an average, accumulators for sum, bias and rounding of a layer."""
    if isinstance(node.op, QGlobalAvgPool):
        return arch.pixels >= limits.SUM_BYTES
    worst = largest_accumulator(graph, node) + (1 << (8 * (BYTES - 1) - 1))
    return worst < 1 << (arch.acc_bits - 1)


def largest_accumulator(graph: Graph, node: Node) -> int:
    """What the sums of a convolution can reach, whatever the pixels, in any order of summation,
    with bias or without."""
    weight = np.asarray(graph.constants[node.inputs[1]], np.int64)
    weight = weight.reshape(len(weight), -1)
    bias = np.asarray(graph.constants[node.inputs[2]], np.int64)
    positive = np.maximum(weight, 0).sum(1)
    negative = positive - weight.sum(1)
    highest = np.maximum(127 * positive + 128 * negative + np.maximum(bias, 0), 0)
    lowest = np.maximum(128 * positive + 127 * negative - np.minimum(bias, 0), 0)
    return int(max(highest.max(), lowest.max(), np.abs(bias).max()))


def leave_sums(graph: Graph, arch: ArchParams, on_ps: Collection[str]) -> Graph:
    """``graph`` without wide nodes but those named in ``on_ps``.

    Raises ScheduleError when ``arch`` has no room for one.
    """
    here = {node.name for node in wide_nodes(graph)} - set(on_ps)
    if not here:
        return graph
    names = Names.of(graph)
    tensors, constants = dict(graph.tensors), dict(graph.constants)
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name not in here:
            nodes.append(node)
            continue
        if not leaves_sums(graph, node, arch):
            raise ScheduleError(
                f"node '{node.name}' leaves its sums in int32, for which this configuration has no"
                " room on the PL; compute it on the PS, or let it leave int8 (--logits int8)",
                node=node.name,
            )
        offset = 0
        made = replace(node, output=names.of_part(node.output, ".bytes"))
        if isinstance(node.op, QGlobalAvgPool):
            _, height, width, _ = graph.tensors[node.inputs[0]].shape
            offset = -height * width * node.op.input_zero
            made = replace(made, op=QSumBytes())
        else:
            made, arrays = _by_bytes(made, graph, names)
            constants |= arrays
            tensors |= {k: TensorType(v.shape, str(v.dtype)) for k, v in arrays.items()}
        tensors[made.output] = TensorType(infer_shape(made, tensors), "int8")
        join = names.of_part(node.name, ".join")
        op = QJoinBytes(offset=offset)
        nodes += [made, replace(node, name=join, op=op, inputs=(made.output,), sources=())]
    return replace(graph, nodes=tuple(nodes), tensors=tensors, constants=constants)


def _by_bytes(node: Node, graph: Graph, names: Names) -> tuple[Node, dict[str, np.ndarray]]:
    """The fully connected ``node`` with four outputs for each, and its constants."""
    assert isinstance(node.op, QConv2d)
    weight, bias = (np.asarray(graph.constants[name]) for name in node.inputs[1:3])
    halves = [0, *(1 << (8 * k - 1) for k in range(1, BYTES))]
    steps = np.repeat(np.arange(BYTES), len(bias))
    arrays = {
        "weight": np.concatenate([weight] * BYTES),
        "bias": np.concatenate([bias.astype(np.int64) - half for half in halves]).astype(np.int32),
        "multiplier": np.where(steps == 0, 2, 1).astype(np.int32),
        "shift": np.where(steps == 0, 1, 8 * steps).astype(np.int32),
    }
    named = {names.of_part(node.name, f".bytes/{kind}"): value for kind, value in arrays.items()}
    op = replace(node.op, wide=False, output_zero=0, low=127, high=-128)
    return replace(node, op=op, inputs=(node.inputs[0], *named)), named
