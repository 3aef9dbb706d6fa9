"""The graph: immutable nodes in topological order, tensors and constants by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy.typing as npt

from accelgen.ir.ops import Op
from accelgen.ir.types import TensorType
from accelgen.ir.views import OutputView, plain_view

__all__ = ["Graph", "Node"]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operation. ``inputs`` and ``output`` are tensor or constant names.

    ``sources`` are the names of the ONNX nodes it stands for, so that every report can speak of
    the user's model.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    output: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A network from one or more inputs to one or more outputs.

    ``input`` is the model's first, ``more`` are its others, in its order. (What no node of a part
    of a network makes is an input of that part's program, too: ``lowering.concats``.)
    ``tensors`` holds the types of activations and of constants; ``constants`` the arrays.
    ``outputs`` are tensors, each once; ``views`` the model's outputs, in its order, made of them.
    ``reserved`` are names that what is added here may not have: other parts of a frame have them.
    """

    nodes: tuple[Node, ...]
    tensors: Mapping[str, TensorType]
    constants: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    input: str
    outputs: tuple[str, ...]
    more: tuple[str, ...] = ()
    name: str = "model"
    views: tuple[OutputView, ...] = ()
    reserved: frozenset[str] = frozenset()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The model's inputs, in its order."""
        return (self.input, *self.more)

    def model_outputs(self) -> tuple[OutputView, ...]:
        """The model's outputs; of a graph made without a model: maps in NCHW, vectors (1, c)."""
        return self.views or tuple(
            plain_view(name, name, self.tensors[name].shape) for name in self.outputs
        )

    def producer(self, tensor: str) -> Node | None:
        """The node that makes ``tensor``; None for inputs and constants."""
        return self._makers.get(tensor)

    def readers(self, tensor: str) -> tuple[Node, ...]:
        """The nodes that read ``tensor``, in order."""
        return self._read_by.get(tensor, ())

    def reads(self, tensor: str) -> int:
        """How often ``tensor`` is read, by nodes or as an output of the graph."""
        inside = sum(node.inputs.count(tensor) for node in self.readers(tensor))
        return inside + self.outputs.count(tensor)

    @cached_property
    def _makers(self) -> dict[str, Node]:
        return {node.output: node for node in reversed(self.nodes)}

    @cached_property
    def _read_by(self) -> dict[str, tuple[Node, ...]]:
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def activations(self) -> tuple[str, ...]:
        """The inputs and every node's output, in order."""
        return (*self.inputs, *(n.output for n in self.nodes))

    def with_nodes(self, nodes: tuple[Node, ...], **changes: Any) -> Graph:
        """Same graph, other nodes (and fields in ``changes``); drops what nobody names any more."""
        graph = replace(self, nodes=nodes, **changes)
        named = {*graph.inputs, *graph.outputs} | {n.output for n in nodes}
        named |= {name for n in nodes for name in n.inputs}
        return replace(
            graph,
            tensors={k: t for k, t in graph.tensors.items() if k in named},
            constants={k: c for k, c in graph.constants.items() if k in named},
        )
