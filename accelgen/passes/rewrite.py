"""Match and replace: what every pass is made of."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir.graph import Graph, Node
from accelgen.ir.names import Names
from accelgen.ir.ops import Conv2d, Pads
from accelgen.ir.types import TensorType

__all__ = ["Affine", "Lookup", "Rewrite", "join_sources", "rewrite"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Affine:
    """``x * scale + shift`` per channel (both of shape (c,)), after padding x with zeros."""

    scale: Floats
    shift: Floats
    pads: Pads

    @property
    def uniform(self) -> tuple[float, float] | None:
        """(scale, shift) when all channels share them and nothing is padded."""
        if any(self.pads) or np.ptp(self.scale) or np.ptp(self.shift):
            return None
        return float(self.scale[0]), float(self.shift[0])

    @property
    def neutral(self) -> bool:
        """Whether it changes no value (it may still pad)."""
        return bool((self.scale == 1).all()) and not self.shift.any()


@dataclass(frozen=True)
class Lookup:
    """A graph's questions, answered in constant time."""

    graph: Graph

    @cached_property
    def _producers(self) -> dict[str, Node]:
        return {node.output: node for node in self.graph.nodes}

    @cached_property
    def _readers(self) -> dict[str, list[Node]]:
        readers: dict[str, list[Node]] = defaultdict(list)
        for node in self.graph.nodes:
            for name in dict.fromkeys(node.inputs):
                readers[name].append(node)
        return readers

    @cached_property
    def _reads(self) -> Counter[str]:
        reads = Counter(self.graph.outputs)
        for node in self.graph.nodes:
            reads.update(node.inputs)
        return reads

    def producer(self, tensor: str) -> Node | None:
        """The node that makes ``tensor``, if any."""
        return self._producers.get(tensor)

    def sole_reader(self, tensor: str) -> Node | None:
        """The node that reads ``tensor``, when nothing else does and it does so once."""
        return (
            self._readers[tensor][0] if self._reads[tensor] == 1 and self._readers[tensor] else None
        )

    def affine(self, node: Node | None) -> Affine | None:
        """``node`` as scale and shift: depthwise, 1x1, stride 1, as many channels out as in."""
        if node is None or not isinstance(node.op, Conv2d):
            return None
        op = node.op
        weight = self.graph.constants[node.inputs[1]]
        channels = self.graph.tensors[node.inputs[0]].shape[3]
        if op.kernel != (1, 1) or op.stride != (1, 1):
            return None
        if op.groups != channels or weight.shape[0] != channels:
            return None
        return Affine(weight.reshape(-1), self.graph.constants[node.inputs[2]], op.pads)


@dataclass(frozen=True)
class Rewrite:
    """Put ``by`` in the place of ``node``, drop ``gone``.

    ``by`` may name ``constants`` as its inputs after the first; they get a new name where theirs
    is taken, so that a name never changes its meaning.
    """

    node: Node
    by: Node
    gone: tuple[Node, ...] = ()
    constants: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


def join_sources(*nodes: Node) -> tuple[str, ...]:
    """The ONNX nodes that ``nodes`` stand for, each once."""
    return tuple(dict.fromkeys(source for node in nodes for source in node.sources))


def rewrite(graph: Graph, match: Callable[[Lookup, Node], Rewrite | None]) -> Graph:
    """Apply ``match`` to every node until it finds nothing more.

    ``match`` is asked about nodes in order; within one sweep a node takes part in one rewrite only.
    """
    while True:
        lookup = Lookup(graph)
        touched: set[str] = set()
        found: list[Rewrite] = []
        for node in graph.nodes:
            change = match(lookup, node)
            if change is None:
                continue
            names = {n.name for n in (change.node, *change.gone)}
            if not names & touched:
                touched |= names
                found.append(change)
        if not found:
            return graph
        graph = _apply(graph, found)


def _apply(graph: Graph, found: list[Rewrite]) -> Graph:
    tensors, constants = dict(graph.tensors), dict(graph.constants)
    fresh = Names.of(graph)
    replaced: dict[str, Node | None] = {}
    for change in found:
        names = {}
        for wanted, array in change.constants.items():
            names[wanted] = fresh.fresh(wanted)
            constants[names[wanted]] = np.ascontiguousarray(array, np.float32)
            tensors[names[wanted]] = TensorType(array.shape, "float32")
        first, *rest = change.by.inputs
        inputs = (first, *(names.get(name, name) for name in rest))
        replaced |= dict.fromkeys((n.name for n in change.gone), None)
        replaced[change.node.name] = replace(change.by, inputs=inputs)
    nodes = [replaced.get(node.name, node) for node in graph.nodes]
    kept = tuple(node for node in nodes if node is not None)
    return graph.with_nodes(kept, tensors=tensors, constants=constants)
