"""The model's names go to what they name: the last piece of an operator that becomes several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from accelgen.frontend.builder import GraphBuilder, Value
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import (
    BlockView,
    ChoiceView,
    ExpandedView,
    IndicesView,
    JoinedView,
    MaskView,
    QuantizedView,
    SplitView,
    StridedView,
    View,
)

__all__ = ["name_results"]


def name_results(graph: GraphBuilder, nodes: Iterable[OnnxNode]) -> None:
    """Name what each of ``nodes`` made, once all are read.

    A tensor that stands for an output of the node that made it takes that output's name, and its
    maker the node's. Pieces on the way, and parts that only the host joins, keep made names.
    """
    makers = {n.output: at for at, n in enumerate(graph.nodes)}
    called = {n.name: at for at, n in enumerate(graph.nodes)}
    tensors: dict[str, str] = {}
    names = [n.name for n in graph.nodes]
    for node in nodes:
        for output in node.outputs:
            made = _tensor(graph.values.get(output))
            at = makers.get(made)
            if at is None or made in tensors or graph.nodes[at].sources != (node.name,):
                continue
            if output in graph.tensors:  # a constant of that name
                continue
            tensors[made] = output
            first = called.get(node.name)
            # Of several outputs the first names the operation.
            if first is not None and output == node.outputs[0]:
                names[first], names[at] = names[at], names[first]
    _rename(graph, tensors, names)


def _tensor(value: Value | None) -> str:
    """What ``value`` is all of; nothing, if it is no tensor of the graph."""
    if isinstance(value, QuantizedView):
        return _tensor(value.view)
    return value.tensor if isinstance(value, View | SplitView | BlockView) else ""


def _rename(graph: GraphBuilder, tensors: dict[str, str], names: list[str]) -> None:
    def new(name: str) -> str:
        return tensors.get(name, name)

    graph.nodes = [
        replace(n, name=name, inputs=tuple(map(new, n.inputs)), output=new(n.output))
        for n, name in zip(graph.nodes, names, strict=True)
    ]
    graph.tensors = {new(name): kind for name, kind in graph.tensors.items()}
    graph.quantization = {new(name): q for name, q in graph.quantization.items()}
    graph.values = {name: _renamed(value, tensors) for name, value in graph.values.items()}


def _renamed(value: Any, tensors: dict[str, str]) -> Any:
    """``value`` of the tensors under their new names."""
    if isinstance(value, View | SplitView | BlockView):
        return replace(value, tensor=tensors.get(value.tensor, value.tensor))
    if isinstance(value, JoinedView):
        return replace(value, parts=tuple(_renamed(p, tensors) for p in value.parts))
    if isinstance(
        value, ChoiceView | ExpandedView | IndicesView | MaskView | QuantizedView | StridedView
    ):
        return replace(value, view=_renamed(value.view, tensors))
    return value
