"""Vectors brought to length 1: LpNormalization, and what PyTorch's normalize becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.norms import escaping, normalized, reduced_by
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import View

__all__ = ["Length", "find_lengths", "import_lp_normalization"]

#: Least length that is divided by: beyond it, it would be seen.
_MOST_LEAST = 1e-4


def import_lp_normalization(graph: GraphBuilder, node: OnnxNode) -> View:
    """LpNormalization: by the root of the sum of squares along ``axis``."""
    x = graph.view(node)
    axis, rank = int(node.get("axis", -1)), len(x.dims)
    if not -rank <= axis < rank:
        raise ModelError(f"{node.label}: axis={axis} is not within rank {rank}", node=node.name)
    if (p := node.get("p", 2)) != 2:
        raise node.unsupported("p", p, "p=2 is built")
    return _unit(graph, node, x, set(x.dims[axis]))


def _unit(graph: GraphBuilder, node: OnnxNode, x: View, axes: set[str]) -> View:
    return normalized(graph, node, x, axes, 0.0, centred=False, unit=True)


@dataclass(frozen=True)
class Length:
    """``x / max(length(x), least)``, whose nodes nothing else reads: ``parts`` from the first that
    squares to the division; ``reduce`` is the one that sums."""

    parts: tuple[OnnxNode, ...]
    reduce: OnnxNode
    limit: OnnxNode | None

    def read(self, graph: GraphBuilder, node: OnnxNode) -> View:
        """What ``node`` makes: of the last the vectors of length 1, of others what goes in."""
        x = graph.view(self.parts[-1], 0)
        if node is not self.parts[-1]:
            return x
        for part in self.parts:
            if part.op_type == "Pow" and graph.number(part, 1) != (exponent := 2.0):
                raise part.rejected(
                    f"has exponent {graph.number(part, 1):g} within a length",
                    f"only {exponent:g} is built there",
                )
        if self.limit is not None and not 0 <= self._least(graph, self.limit) <= _MOST_LEAST:
            raise self.limit.rejected(
                f"divides by {self._least(graph, self.limit):g} at least",
                f"numbers from 0 to {_MOST_LEAST:g} are built",
            )
        return _unit(graph, node, x, reduced_by(graph, self.reduce, x))

    def _least(self, graph: GraphBuilder, limit: OnnxNode) -> float:
        if limit.op_type == "Clip" and graph.opset < 11:
            return float(limit.get("min", 0.0))
        if limit.op_type == "Clip" and not limit.has_input(1):
            return 0.0
        of = {name for part in self.parts for name in part.outputs}
        return graph.number(limit, 1 if limit.op_type == "Clip" or limit.inputs[0] in of else 0)


def find_lengths(nodes: Sequence[OnnxNode], outputs: Sequence[str] = ()) -> dict[str, Length]:
    """Of each node of a :class:`Length`, what it is part of. ``outputs``: of the model."""
    makers = {name: node for node in nodes for name in node.outputs if name}
    found: dict[str, Length] = {}
    for node in nodes:
        length = _length(node, makers) if node.op_type == "Div" else None
        if length is not None and not escaping([*length.parts], nodes, outputs):
            found.update({part.name: length for part in length.parts})
    return found


def _length(div: OnnxNode, makers: Mapping[str, OnnxNode]) -> Length | None:
    """The length that ends with ``div``; None when it ends none."""
    if len(div.inputs) != 2:
        return None
    x, parts, limit = div.inputs[0], [div], None
    at = makers.get(div.inputs[1])
    while at is not None and at.op_type in ("Clip", "Max", "Add", "Expand", "Sqrt"):
        parts.insert(0, at)
        if at.op_type in ("Clip", "Max", "Add"):
            limit = at
        of = [makers[name] for name in at.inputs if name in makers and makers[name] not in parts]
        at = next((m for m in of if m.op_type not in ("Constant", "Shape")), None)
    if at is None or sum(p.op_type in ("Clip", "Max", "Add") for p in parts) > 1:
        return None
    rooted = any(p.op_type == "Sqrt" for p in parts)
    wanted = ("ReduceSumSquare", "ReduceSum") if rooted else ("ReduceL2",)
    if at.op_type not in wanted or not at.get("keepdims", 1):
        return None
    reduce, before = at, at.inputs[0]
    parts.insert(0, reduce)
    if reduce.op_type == "ReduceSum":
        square = makers.get(before)
        if square is None or square.op_type not in ("Pow", "Mul"):
            return None
        if square.op_type == "Mul" and square.inputs[:1] != square.inputs[1:]:
            return None
        parts.insert(0, square)
        before = square.inputs[0]
    return Length(tuple(parts), reduce, limit) if before == x else None
