"""What works channel by channel on joined maps, done before they are joined.

    table(concat(conv_a(x), conv_b(x)))  ->  concat(table(conv_a(x)), table(conv_b(x)))

A convolution takes a table, a pool or a depthwise convolution behind it into its own step; behind
a concat it cannot, and the joined map goes to the memory and back first. MixNet's first unit joins
two expansions of 112 x 112 pixels before its activation and its depthwise convolution; SqueezeNet
pools what its fire modules join. Averages of whole maps are free in the step that makes the map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import QAvgPool, QConcat, QConv2d, QMaxPool, QTable
from accelgen.lowering.storage import is_depthwise

__all__ = ["through_concats"]


def through_concats(graph: Graph) -> Graph:
    """``graph`` with tables, pools and depthwise convolutions in front of concats, where each
    member's step takes them in. Values and names of all tensors that stay are the same."""
    new = _New(graph)
    for node in graph.nodes:
        concat = new.makers.get(node.inputs[0])
        if concat is not None and new.goes_through(node, concat):
            new.move(node, concat)
        else:
            new.add(node)
    return new.result()


class _New:
    """The new graph as it grows. What is read once in the old one is read once here."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names = Names.of(graph)
        self.nodes: list[Node] = []
        self.makers: dict[str, Node] = {}
        self.tensors = dict(graph.tensors)
        self.constants = dict(graph.constants)
        self.moved: set[str] = set()  # tensors that only this graph has: each is read once

    def add(self, node: Node) -> None:
        """Append ``node``."""
        self.nodes.append(node)
        self.makers[node.output] = node

    def result(self) -> Graph:
        """Without the concats that nobody reads any more."""
        read = {name for node in self.nodes for name in node.inputs} | set(self.graph.outputs)
        nodes = (n for n in self.nodes if not isinstance(n.op, QConcat) or n.output in read)
        return self.graph.with_nodes(tuple(nodes), tensors=self.tensors, constants=self.constants)

    def goes_through(self, node: Node, concat: Node) -> bool:
        """Every member of ``concat`` is made by a step that takes ``node`` in, for it alone."""
        if not isinstance(concat.op, QConcat) or len(set(concat.inputs)) < len(concat.inputs):
            return False
        if node.op.in_squeeze:
            return all(self._computes(m) for m in concat.inputs)
        if not self._once(concat.output):
            return False
        if isinstance(node.op, QTable):
            return all(self._once(m) and self._computes(m) for m in concat.inputs)
        if isinstance(node.op, QMaxPool | QAvgPool) or is_depthwise(node, self.graph):
            return all(self._once(m) and self._in_array(m) for m in concat.inputs)
        return False

    def move(self, node: Node, concat: Node) -> None:
        """Put ``node`` before ``concat``, whose output is ``node``'s then."""
        members = []
        first = 0
        for number, member in enumerate(concat.inputs):
            channels = self.tensors[member].shape[3]
            name = self.names.of_part(node.name, f".member{number}")
            kind = self.tensors[node.output]
            self.tensors[name] = replace(kind, shape=(*kind.shape[:3], channels))
            self.moved.add(name)
            part = self._of_channels(node, name, slice(first, first + channels))
            self.add(replace(part, name=name, inputs=(member, *part.inputs[1:]), output=name))
            members.append(name)
            first += channels
        self.add(replace(node, op=QConcat(), inputs=tuple(members)))

    def _of_channels(self, node: Node, name: str, channels: slice) -> Node:
        """``node`` for some of its channels."""
        if not isinstance(node.op, QConv2d):
            return node
        inputs = [node.inputs[0]]
        for constant, suffix in zip(node.inputs[1:], _SUFFIXES, strict=True):
            values = np.ascontiguousarray(self.constants[constant][channels])
            inputs.append(self.names.of_part(name, suffix))
            self.constants[inputs[-1]] = values
            self.tensors[inputs[-1]] = TensorType(values.shape, str(values.dtype))
        groups = channels.stop - channels.start
        return replace(node, op=replace(node.op, groups=groups), inputs=tuple(inputs))

    def _once(self, tensor: str) -> bool:
        """Nothing but one node reads ``tensor``."""
        if tensor in self.moved:
            return True
        return self.graph.reads(tensor) == 1 and tensor not in self.graph.outputs

    def _computes(self, tensor: str) -> bool:
        """A convolution or a pool makes ``tensor``, with a table or without."""
        maker = self.makers.get(tensor)
        if maker is not None and isinstance(maker.op, QTable):
            maker = self.makers.get(maker.inputs[0])
        return maker is not None and isinstance(maker.op, _WITH_TABLE)

    def _in_array(self, tensor: str) -> bool:
        """The PE array makes ``tensor``, with a table or without."""
        maker = self.makers.get(tensor)
        if maker is not None and isinstance(maker.op, QTable) and self._once(maker.inputs[0]):
            maker = self.makers.get(maker.inputs[0])
        return (
            maker is not None
            and isinstance(maker.op, QConv2d)
            and not _is_depthwise(maker, self.tensors)
        )


_SUFFIXES = ("/weight", "/bias", "/multiplier", "/shift")
_WITH_TABLE = (QConv2d, QMaxPool, QAvgPool)


def _is_depthwise(node: Node, tensors: Mapping[str, TensorType]) -> bool:
    """As :func:`~.storage.is_depthwise`, of a node whose tensors are new."""
    assert isinstance(node.op, QConv2d)
    return node.op.groups > 1 and node.op.groups == tensors[node.output].shape[3]
