"""Which tensors are functions of one other tensor, number by number: those become tables."""

from __future__ import annotations

from accelgen.ir.graph import Graph, Node
from accelgen.ir.ops import Activation, Conv2d, Mul

__all__ = ["is_map_product", "is_product_built", "is_uniform"]


def is_uniform(graph: Graph, node: Node) -> bool:
    """Whether a node is ``x * constant + constant``, the same for all channels."""
    op = node.op
    if not isinstance(op, Conv2d) or op.kernel != (1, 1) or op.stride != (1, 1):
        return False
    weight, bias = (graph.constants[name] for name in node.inputs[1:])
    plain = op.groups == weight.shape[0] == graph.tensors[node.inputs[0]].shape[3]
    return (
        plain
        and not any(op.pads)
        and bool((weight == weight.flat[0]).all() and (bias == bias.flat[0]).all())
    )


def is_map_product(graph: Graph, node: Node) -> bool:
    """Whether a node multiplies two maps that are no functions of one tensor."""
    return isinstance(node.op, Mul) and not is_product_built(graph, node)


def is_product_built(graph: Graph, node: Node) -> bool:
    """Whether a Mul is by one value per channel, or of functions of one tensor."""
    channels = graph.tensors[node.inputs[0]].shape[3]
    if graph.tensors[node.inputs[1]].shape == (1, 1, 1, channels):
        return True
    return bool(_ancestors(graph, node.inputs[0]) & _ancestors(graph, node.inputs[1]))


def _ancestors(graph: Graph, tensor: str) -> set[str]:
    """``tensor`` and all of which it is a function, number by number."""
    found = {tensor}
    maker = graph.producer(tensor)
    while maker is not None:
        if isinstance(maker.op, Mul):
            if not is_product_built(graph, maker):
                break
            a, b = (_ancestors(graph, name) for name in maker.inputs)
            return found | (a & b)
        if not isinstance(maker.op, Activation) and not is_uniform(graph, maker):
            break
        found.add(maker.inputs[0])
        maker = graph.producer(maker.inputs[0])
    return found
