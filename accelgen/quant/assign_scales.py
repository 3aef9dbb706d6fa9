"""From the range of each tensor to its scale: tensors that must agree get one together."""

from __future__ import annotations

from collections.abc import Mapping

from accelgen.ir import Graph, Quantization, ops
from accelgen.quant.scales import Range, quantization_of

__all__ = ["assign_scales"]

# A tensor that others read beside a Concat may lose so much resolution to save a rescaling table.
_TOLERATED_GROWTH = 2.0


def assign_scales(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, Quantization]:
    """Scale and zero point of each tensor in ``ranges``.

    Outputs of MaxPool, Select and Upsample have their input's scale. A Concat's input has the
    Concat's when nobody but Concats reads it, or when that at most doubles its range; otherwise
    it keeps its own, and a rescaling table will stand between them.
    """
    groups = _Groups(ranges)
    for node in graph.nodes:
        if isinstance(node.op, ops.MaxPool | ops.Select | ops.Upsample):
            groups.join(node.inputs[0], node.output)
    for node in graph.nodes:
        if isinstance(node.op, ops.Concat):
            for name in node.inputs:
                if _only_joined(graph, name):
                    groups.join(name, node.output)
    for node in graph.nodes:
        if isinstance(node.op, ops.Concat):
            for name in node.inputs:
                if groups.growth(name, node.output) <= _TOLERATED_GROWTH:
                    groups.join(name, node.output)
    return {name: quantization_of(groups.range_of(name)) for name in ranges}


def _only_joined(graph: Graph, tensor: str) -> bool:
    """Whether nothing but Concats reads ``tensor``."""
    return tensor not in graph.outputs and all(
        isinstance(reader.op, ops.Concat) for reader in graph.readers(tensor)
    )


class _Groups:
    """Sets of tensors that share a range (union-find)."""

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        self._parent = {name: name for name in ranges}
        self._range = dict(ranges)

    def _root(self, name: str) -> str:
        while self._parent[name] != name:
            name = self._parent[name]
        return name

    def range_of(self, name: str) -> Range:
        """The range of the set ``name`` is in."""
        return self._range[self._root(name)]

    def join(self, a: str, b: str) -> None:
        """Make one set of two."""
        root, other = self._root(a), self._root(b)
        self._range[root] = self._range[root].join(self._range[other])
        self._parent[other] = root

    def growth(self, a: str, b: str) -> float:
        """How much wider than either the joint range would be, for the one that grows most."""
        one, two = self.range_of(a), self.range_of(b)
        narrow = min(one.width, two.width)
        if narrow == 0:
            return 1.0
        return one.join(two).width / narrow
