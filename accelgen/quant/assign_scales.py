"""From the range of each tensor to its scale: tensors that must agree get one together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from accelgen.ir import Graph, Node, Quantization, ops
from accelgen.ir.onehot import moves_pixels
from accelgen.ir.ps_ops import Deform, Unpool
from accelgen.quant.fusion import fusable_clip
from accelgen.quant.scales import LARGEST_FACTOR, Range, quantization_of

__all__ = ["assign_scales"]

# A tensor that others read beside a Concat may lose so much resolution to save a rescaling table.
_TOLERATED_GROWTH = 2.0


def assign_scales(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, Quantization]:
    """Scale and zero point of each tensor in ``ranges``.

    Outputs of MaxPool, Select and their kin, Bilinear, Unpool, Deform without a mask, and of what
    only moves pixels (ir.onehot) have their input's scale. A Concat's input has the Concat's when
    nobody but Concats reads it, or when that at most doubles its range; otherwise it keeps its own,
    and a rescaling table will stand between them. The output of an Add is not so much finer than
    its inputs that no factor reaches from one to the other.
    """
    groups = _Groups(ranges)
    for node in graph.nodes:
        keeps = node.op.keeps_scale and not isinstance(node.op, ops.Concat)
        between = isinstance(node.op, Deform) and len(node.inputs) == 2
        same = keeps or between or isinstance(node.op, ops.Bilinear | Unpool)
        # A clip behind what moves pixels is one with it, and has the range.
        moved = moves_pixels(graph, node) and fusable_clip(graph, node) is None
        if same or moved:
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
    while sum(_widened(groups, graph, node) for node in graph.nodes):
        pass  # a group that has grown may feed an earlier Add
    return {name: quantization_of(groups.range_of(name)) for name in ranges}


def _widened(groups: _Groups, graph: Graph, node: Node) -> bool:
    """Make the range of an Add's output (or of the clip fused with it) wide enough; whether that
    was needed: two maps that cancel each other leave next to nothing."""
    if not isinstance(node.op, ops.Add):
        return False
    clip = fusable_clip(graph, node)
    output = clip.output if clip else node.output
    if not groups.knows((*node.inputs, output)):
        return False
    scales = [quantization_of(groups.range_of(name)).scale for name in (*node.inputs, output)]
    if max(scales[:-1]) <= LARGEST_FACTOR * scales[-1]:
        return False
    # One percent more: scales are rounded to float32.
    groups.widen(output, Range(0, 1.01 * 255 * max(scales) / LARGEST_FACTOR))
    return True


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

    def knows(self, names: Iterable[str]) -> bool:
        """Whether all of them have ranges."""
        return all(name in self._parent for name in names)

    def widen(self, name: str, span: Range) -> None:
        """Make room for ``span`` in the set ``name`` is in."""
        root = self._root(name)
        self._range[root] = self._range[root].join(span)

    def growth(self, a: str, b: str) -> float:
        """How much wider than either the joint range would be, for the one that grows most."""
        one, two = self.range_of(a), self.range_of(b)
        narrow = min(one.width, two.width)
        if narrow == 0:
            return 1.0
        return one.join(two).width / narrow
