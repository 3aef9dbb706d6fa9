"""Pointwise convolutions with a stride, where the map they read is read without one too.

In rows the PE array computes what lies between and drops it, and phases are only for maps that
nobody reads otherwise (phases.py): a ResNet-50's shortcut. The window engine drops pixels once
per input group, the array once per input and output group.
"""

from __future__ import annotations

from dataclasses import replace

from accelgen.ir import Graph, Node, TensorType
from accelgen.ir.ops import QConv2d, QMaxPool
from accelgen.ir.shapes import infer_shape

__all__ = ["decimate"]


def decimate(graph: Graph) -> Graph:
    """``graph`` with the dropping of pixels a step of its own before such convolutions."""
    tensors = dict(graph.tensors)
    nodes: list[Node] = []
    for node in graph.nodes:
        source = node.inputs[0]
        if _drops(node) and not all(_strides(n, source) for n in graph.readers(source)):
            assert isinstance(node.op, QConv2d)
            name = f"{node.name}.decimated"
            op = QMaxPool(kernel=(1, 1), stride=node.op.stride)
            fewer = replace(node, name=name, op=op, inputs=(source,), output=name)
            kind = tensors[source]
            tensors[name] = TensorType(infer_shape(fewer, tensors), "int8", kind.quantization)
            inputs = (name, *node.inputs[1:])
            node = replace(node, op=replace(node.op, stride=(1, 1)), inputs=inputs)
            nodes.append(fewer)
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


def _drops(node: Node) -> bool:
    """A dense pointwise convolution that skips columns."""
    op = node.op
    if not isinstance(op, QConv2d) or op.groups > 1 or op.kernel != (1, 1) or any(op.pads):
        return False
    return op.stride[1] > 1


def _strides(node: Node, tensor: str) -> bool:
    """A convolution on the array that phases can serve."""
    dense = isinstance(node.op, QConv2d) and node.op.groups == 1 and node.op.stride[1] == 2
    return dense and node.inputs.count(tensor) == 1
