"""Softmax spelled out node by node, found before the nodes are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.pooling import reduced_axes
from accelgen.frontend.schema import check_schema
from accelgen.frontend.values import View
from accelgen.ir.ops import Softmax

__all__ = ["SoftmaxPieces", "find_softmaxes"]


@dataclass(frozen=True)
class SoftmaxPieces:
    """``exp(x - max(x)) / sum(exp(x - max(x)))``, whose nodes nothing else reads; without the
    maximum (``largest`` is None) ``centred`` is the Exp itself."""

    largest: OnnxNode | None
    centred: OnnxNode
    total: OnnxNode
    last: OnnxNode

    def read(self, graph: GraphBuilder, node: OnnxNode) -> View:
        """What ``node`` makes: of the last the shares, of others what goes in, since nothing else
        reads them.

        Raises
        ------
        UnsupportedOpError
            Sum or maximum are not over the channels.
        """
        x = graph.view(self.centred, 0)
        if node is not self.last:
            return x
        for part in (self.largest, self.total):
            if part is None:
                continue
            # `check` comes here after it has refused the node itself.
            check_schema(part, graph.opset)
            gone = [axis for d in reduced_axes(graph, part, x) or () for axis in x.dims[d]]
            if gone not in (["c"], []) or (not gone and x.sizes[2] > 1):
                raise part.rejected(
                    f"is part of a Softmax over {', '.join(gone) or 'nothing'}",
                    "only Softmax over channels is built",
                )
        return graph.emit(node, Softmax(), x)


def find_softmaxes(
    nodes: Sequence[OnnxNode], outputs: Sequence[str] = ()
) -> dict[str, SoftmaxPieces]:
    """For each node of a Softmax in pieces, what it is part of. ``outputs``: of the model."""
    makers = {name: node for node in nodes for name in node.outputs if name}
    readers: dict[str, list[str]] = {name: ["output"] for name in outputs}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node.name)
    found: dict[str, SoftmaxPieces] = {}
    for node in nodes:
        parts = _parts(node, makers) if node.op_type == "Div" else None
        if parts is None:
            continue
        names = {part.name for part in parts}
        inner = [name for part in parts[:-1] for name in part.outputs]
        if any(reader not in names for name in inner for reader in readers.get(name, ())):
            continue
        largest = parts[0] if parts[0].op_type == "ReduceMax" else None
        pieces = SoftmaxPieces(largest, parts[0 if largest is None else 1], parts[-2], node)
        found.update(dict.fromkeys(names, pieces))
    return found


def _parts(div: OnnxNode, makers: Mapping[str, OnnxNode]) -> list[OnnxNode] | None:
    """The nodes of a Softmax that ends with ``div``, it last; None when it ends none."""
    if len(div.inputs) != 2:
        return None
    power, total = (makers.get(name) for name in div.inputs)
    if power is None or total is None or (power.op_type, total.op_type) != ("Exp", "ReduceSum"):
        return None
    if (
        not (power.inputs and total.inputs)
        or total.inputs[0] != div.inputs[0]
        or not total.get("keepdims", 1)
    ):
        return None
    centred = makers.get(power.inputs[0])
    if centred is None or centred.op_type != "Sub" or len(centred.inputs) != 2:
        return [power, total, div]
    largest = makers.get(centred.inputs[1])
    if largest is None or largest.op_type != "ReduceMax" or not largest.get("keepdims", 1):
        return [power, total, div]
    if list(largest.inputs[:1]) != list(centred.inputs[:1]):
        return [power, total, div]
    return [largest, centred, power, total, div]
