"""Convolutions of more weight words per output group than the weight ring holds.

The ring frees words as the last vector of a group reads them, so a walk of a single vector needs
no more room than the ring has, whatever its kernel: that is how fully connected layers run. Here a
convolution over a map is given rows of whole vectors, and its step is cut into bands of one vector
(``schedule.steps.geometry``, ``schedule.plan.tiling``); each band streams the words again. The sums
are those of the whole kernel: nothing is rounded in between.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from accelgen.arch import ArchParams
from accelgen.arch.isa import RASTER
from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import QConv2d, QMaxPool
from accelgen.ir.shapes import infer_shape

__all__ = ["is_streamed", "may_stream", "stream_words"]


def is_streamed(node: Node, graph: Graph, arch: ArchParams) -> bool:
    """Whether ``node`` is a convolution over pixels whose words the ring does not hold."""
    op = node.op
    if not isinstance(op, QConv2d) or op.groups != 1 or op.insert != (1, 1):
        return False
    _, height, width, _ = graph.tensors[node.output].shape
    groups = -(-graph.tensors[node.inputs[0]].shape[3] // arch.lanes)
    return height * width > 1 and prod(op.kernel) * groups > arch.weight_words


def may_stream(width: int, pad_left: int, arch: ArchParams) -> bool:
    """Whether a raster can begin with the last vector of a row: by negative padding."""
    return pad_left - (width - arch.pixels) >= RASTER["pad_left"].least


def stream_words(graph: Graph, arch: ArchParams) -> Graph:
    """``graph`` with the rows of convolutions that are streamed as long as whole vectors: columns
    after the map are computed, and cut off again. A stride along rows becomes one of the cut."""
    tensors = dict(graph.tensors)
    names = Names.of(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        wide = _widened(node, graph, arch) if is_streamed(node, graph, arch) else None
        if wide is None:
            nodes.append(node)
            continue
        assert isinstance(node.op, QConv2d)
        stride = node.op.stride[1]
        span = (tensors[node.output].shape[2] - 1) * stride + 1
        name, middle = names.of_part(node.name, ".wide"), names.of_part(node.output, ".wide")
        inner = replace(node, name=name, op=wide, output=middle)
        kind = tensors[node.output].quantization
        tensors[middle] = TensorType(infer_shape(inner, tensors), "int8", kind)
        right = span - tensors[middle].shape[2]
        cut = QMaxPool(kernel=(1, 1), stride=(1, stride), pads=(0, 0, 0, right))
        nodes += [inner, replace(node, op=cut, inputs=(middle,))]
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


def _widened(node: Node, graph: Graph, arch: ArchParams) -> QConv2d | None:
    """The convolution with rows of whole vectors; None when it has them, or they are too long."""
    op = node.op
    assert isinstance(op, QConv2d)
    span = (graph.tensors[node.output].shape[2] - 1) * op.stride[1] + 1
    reach = op.dilation[1] * (op.kernel[1] - 1) + 1
    top, left, bottom, _ = op.pads
    wide = -(-span // arch.pixels) * arch.pixels
    right = wide - 1 + reach - left - graph.tensors[node.inputs[0]].shape[2]
    same = span == wide and op.stride[1] == 1
    if same or not may_stream(wide, left, arch):
        return None
    return replace(op, stride=(op.stride[0], 1), pads=(top, left, bottom, right))
