"""The rewrite that select.py prepares: parts, concats that join them, weights in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import QConcat, QConv2d, QSelect, QTable
from accelgen.lowering.select import Parts, Source, find_parts, is_lane_by_lane, takes_any_order

__all__ = ["resolve_selects"]

#: requantize's identity: (acc * 65536 + 32768) >> 16 == acc.
_MULTIPLIER, _SHIFT = 1 << 16, 16
#: Times its products: what else its step takes. MixNet-S: 1,012,653 cycles; 1,020,403 with 1.
_COPY_COSTS = 3


def resolve_selects(graph: Graph) -> Graph:
    """``graph`` without QSelect. Outputs keep their names and values; a tensor whose channels are
    in another order, or fewer, has another name."""
    if not any(isinstance(n.op, QSelect) for n in graph.nodes):
        return graph
    return _Reordering(_tables_before_concats(graph)).result()


def _tables_before_concats(graph: Graph) -> Graph:
    """A table of joined maps becomes maps joined of tables, where QSelects take from it: then what
    makes those maps can make them in parts."""
    taken_from = {n.inputs[0] for n in graph.nodes if isinstance(n.op, QSelect)}
    concats = {n.output: n for n in graph.nodes if isinstance(n.op, QConcat)}
    joined = {
        n.name: concats[n.inputs[0]]
        for n in graph.nodes
        if isinstance(n.op, QTable) and n.output in taken_from and n.inputs[0] in concats
        if graph.reads(n.inputs[0]) == 1
    }
    gone = {concat.name for concat in joined.values()}
    names = Names.of(graph)
    tensors = dict(graph.tensors)
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name not in joined:
            nodes += [] if node.name in gone else [node]
            continue
        members = []
        for i, member in enumerate(joined[node.name].inputs):
            name = names.of_part(node.name, f".member{i}")
            tensors[name] = replace(tensors[node.output], shape=tensors[member].shape)
            nodes.append(replace(node, name=name, inputs=(member, *node.inputs[1:]), output=name))
            members.append(name)
        nodes.append(replace(node, op=QConcat(), inputs=tuple(members)))
    return graph.with_nodes(tuple(nodes), tensors=tensors, constants=graph.constants)


@dataclass(frozen=True)
class _Ordered:
    """A tensor of the new graph, and which channel of the old one each of its channels is."""

    tensor: str
    channels: tuple[Source, ...]


class _Reordering:
    """The new graph as it grows."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.found: Parts = find_parts(graph)
        self.nodes: list[Node] = []
        self.tensors = dict(graph.tensors)
        self.constants = dict(graph.constants)
        self.names = Names.of(graph)
        self.gathered: dict[str, _Ordered] = {}
        self.parts: dict[Source, _Ordered] = {}  # (tensor, number of its part)
        self.orders: dict[str, tuple[int, ...]] = {}  # of reordered tensors: channel of each lane

    def result(self) -> Graph:
        """The new graph; nodes that nobody reads are left out."""
        for node in self.graph.nodes:
            if isinstance(node.op, QSelect):
                continue
            if isinstance(node.op, QConcat) and node.output in self.found.loose:
                continue
            node = self._with_new_inputs(node)
            if node.output in self.found.divided:
                self.nodes += self._in_parts(node)
            else:
                self.nodes.append(node)
        for tensor in self.graph.outputs:
            if tensor in self.found.loose:
                self._copied(tensor)
        needed, kept = set(self.graph.outputs), []
        for node in reversed(self.nodes):
            if node.output in needed:
                needed |= set(node.inputs)
                kept.append(node)
        return self.graph.with_nodes(
            tuple(reversed(kept)), tensors=self.tensors, constants=self.constants
        )

    def _with_new_inputs(self, node: Node) -> Node:
        """``node``, reading what stands for its loose inputs."""
        if not self.found.loose & set(node.inputs):
            return node
        source = node.inputs[0]
        origin = self.found.origin(source, self.graph)
        at = {channel: i for i, channel in enumerate(origin)}
        if source not in self.found.loose or len(at) < len(origin):
            return self._with_copies(node)
        if node.output in self.found.reordered:
            new = self._gather(source)
            order = tuple(at[c] for c in new.channels)
            self.orders[node.output] = order
            ordered = self.names.of_part(node.output, ".ordered")
            self._type(ordered, node.output, len(order))
            return self._taking(node, new.tensor, ordered, node.name, order)
        if takes_any_order(node):
            new = self._whole(node, origin) or self._gather(source)
            weight = self.constants[node.inputs[1]]
            # What it does not read of a whole map has weights of 0.
            weight = np.concatenate([weight, np.zeros_like(weight[..., :1])], axis=-1)
            weight = weight[..., [at.get(c, -1) for c in new.channels]]
            name = self._constant(node.name, "/weight.ordered", weight)
            return replace(node, inputs=(new.tensor, name, *node.inputs[2:]))
        return self._with_copies(node)

    def _whole(self, node: Node, origin: tuple[Source, ...]) -> _Ordered | None:
        """The map that all of ``origin`` is in, if it exists, and if reading it with weights of 0
        costs ``node`` less than a copy of what it wants: a copy is a step with ends of its own."""
        source = origin[0][0]
        if {tensor for tensor, _ in origin} != {source} or source in self.found.divided:
            return None
        order = self.orders.get(source, tuple(range(self.graph.tensors[source].shape[3])))
        wanted, made = len(origin), self.constants[node.inputs[1]][..., 0].size
        if wanted == len(order) or (len(order) - wanted) * made > _COPY_COSTS * len(order) * wanted:
            return None
        name = self.names.of_part(source, ".ordered") if source in self.orders else source
        return _Ordered(name, tuple((source, c) for c in order))

    def _with_copies(self, node: Node) -> Node:
        inputs = (self._copied(i) if i in self.found.loose else i for i in node.inputs)
        return replace(node, inputs=tuple(inputs))

    def _gather(self, tensor: str) -> _Ordered:
        """Every channel of loose ``tensor`` once, in the order of the parts it comes in."""
        if tensor in self.gathered:
            return self.gathered[tensor]
        wanted = set(self.found.origin(tensor, self.graph))
        members: list[_Ordered] = []
        for source in dict.fromkeys(s for s, _ in self.found.origin(tensor, self.graph)):
            for number, channels in enumerate(self.found.parts[source]):
                if (source, channels[0]) in wanted:
                    members.append(self._part(source, number))
        name = members[0].tensor
        joined = tuple(c for m in members for c in m.channels)
        if len(members) > 1:
            name = self.names.of_part(tensor, ".gathered")
            self._type(name, tensor, len(joined))
            inputs = tuple(m.tensor for m in members)
            self.nodes.append(Node(name=name, op=QConcat(), inputs=inputs, output=name))
        self.gathered[tensor] = _Ordered(name, joined)
        return self.gathered[tensor]

    def _part(self, source: str, number: int) -> _Ordered:
        """Part ``number`` of ``source``: made so, the whole, or copied from it."""
        if (source, number) in self.parts:
            return self.parts[source, number]
        channels = self.found.parts[source][number]
        order = self.orders.get(source, tuple(range(self.graph.tensors[source].shape[3])))
        name = self.names.of_part(source, ".ordered") if source in self.orders else source
        if len(channels) < len(order):
            whole, name = name, self.names.of_part(source, f".part{number}")
            self._type(name, source, len(channels))
            self._copy(whole, name, [order.index(c) for c in channels], len(order))
            order = channels
        self.parts[source, number] = _Ordered(name, tuple((source, c) for c in order))
        return self.parts[source, number]

    def _in_parts(self, node: Node) -> Iterator[Node]:
        """``node`` once for each part of its output."""
        source = node.inputs[0]
        for number, channels in enumerate(self.found.parts[node.output]):
            part = f".part{number}"
            output = self.names.of_part(node.output, part)
            self._type(output, node.output, len(channels))
            self.parts[node.output, number] = _Ordered(
                output, tuple((node.output, c) for c in channels)
            )
            made_of = source if takes_any_order(node) else self.names.of_part(source, part)
            name = self.names.of_part(node.name, part)
            yield self._taking(node, made_of, output, name, channels)

    def _taking(
        self, node: Node, source: str, output: str, name: str, channels: Sequence[int]
    ) -> Node:
        """``node`` making output channels ``channels`` only, in that order."""
        inputs = [source, *node.inputs[1:]]
        op = node.op
        if isinstance(op, QConv2d):
            for i, suffix in enumerate(("weight", "bias", "multiplier", "shift"), start=1):
                values = self.constants[node.inputs[i]][list(channels)]
                inputs[i] = self._constant(name, f"/{suffix}.ordered", values)
            if op.groups > 1:
                op = replace(op, groups=len(channels))
        else:
            assert is_lane_by_lane(node, self.graph)
        return replace(node, name=name, op=op, inputs=tuple(inputs), output=output)

    def _copied(self, tensor: str) -> str:
        """Loose ``tensor`` in its own order."""
        if not any(n.output == tensor for n in self.nodes):
            new = self._gather(tensor)
            origin = self.found.origin(tensor, self.graph)
            if new.channels == origin and tensor not in self.graph.outputs:
                return new.tensor
            at = {channel: i for i, channel in enumerate(new.channels)}
            self._copy(new.tensor, tensor, [at[c] for c in origin], len(at))
        return tensor

    def _copy(self, source: str, name: str, lanes: Sequence[int], count: int) -> None:
        """A convolution whose output channel i is input channel ``lanes[i]`` of ``count``."""
        weight = np.zeros((len(lanes), 1, 1, count), np.int8)
        weight[np.arange(len(lanes)), 0, 0, list(lanes)] = 1
        values: dict[str, npt.NDArray[Any]] = {
            "weight": weight,
            "bias": np.zeros(len(lanes), np.int32),
            "multiplier": np.full(len(lanes), _MULTIPLIER, np.int32),
            "shift": np.full(len(lanes), _SHIFT, np.int32),
        }
        inputs = (source, *(self._constant(name, f"/{k}.copy", v) for k, v in values.items()))
        op = QConv2d(kernel=(1, 1), input_zero=0, output_zero=0)
        copy = self.names.of_part(name, ".copy")
        self.nodes.append(Node(name=copy, op=op, inputs=inputs, output=name))

    def _constant(self, base: str, suffix: str, array: npt.NDArray[Any]) -> str:
        name = self.names.of_part(base, suffix)
        self.constants[name] = np.ascontiguousarray(array)
        self.tensors[name] = TensorType(array.shape, str(array.dtype))
        return name

    def _type(self, name: str, like: str, channels: int) -> None:
        kind = self.graph.tensors[like]
        self.tensors[name] = replace(kind, shape=(*kind.shape[:3], channels))
