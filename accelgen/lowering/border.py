"""Borders that repeat pixels of a map, as windows of few pixels and additions.

A window of one pixel pads a map with -128, cuts a part out of it, and puts that part elsewhere. Of
two maps that are nowhere both other than -128, ``a + b + 128`` is the one that is there: the adder
lays one into the other. Per axis:

    the map, with -128 around it  +  what stands before it  +  what stands after it

The map is padded within the step that makes it. Parts are small until they are padded to the
size of the map, within the step that adds them.
"""

from __future__ import annotations

from dataclasses import replace

from accelgen.arch.isa import RASTER
from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import Op, Pads, Pair, QAdd, QBorder, QMaxPool
from accelgen.ir.shapes import infer_shape

__all__ = ["lower_borders"]

_MOST_PADS = RASTER.largest("pad_top")
#: ``(2 a + 2 b + 256) >> 1``.
_LAY = QAdd(multiplier_a=2, multiplier_b=2, offset=256, shift=1, output_zero=0)


def lower_borders(graph: Graph) -> Graph:
    """``graph`` with pools of one pixel and additions in the place of each QBorder."""
    if not any(isinstance(node.op, QBorder) for node in graph.nodes):
        return graph
    tensors = dict(graph.tensors)
    names = Names.of(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node.op, QBorder):
            nodes += _Parts(node, tensors, names).all()
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


class _Parts:
    """The nodes that one QBorder becomes, as they accumulate."""

    def __init__(self, node: Node, tensors: dict[str, TensorType], names: Names) -> None:
        self.node, self.tensors, self.names = node, tensors, names
        self.nodes: list[Node] = []

    def all(self) -> list[Node]:
        """Columns first: they are shorter before there are more rows."""
        assert isinstance(self.node.op, QBorder)
        top, left, bottom, right = self.node.op.pads
        x = self.node.inputs[0]
        for axis, before, after in ((2, left, right), (1, top, bottom)):
            if before or after:
                x = self._axis(x, axis, before, after)
        if not self.nodes:
            self._add(QMaxPool(kernel=(1, 1)), x)
        self.nodes[-1] = replace(self.nodes[-1], name=self.node.name, output=self.node.output)
        return self.nodes

    def _axis(self, x: str, axis: int, before: int, after: int) -> str:
        size = self.tensors[x].shape[axis]
        whole = self._padded(x, axis, before, after)
        assert isinstance(self.node.op, QBorder)
        for count, rest, at in ((before, size + after, 0), (after, before + size, 1)):
            if count:
                part = self._part(x, axis, count, after=bool(at))
                pads = (rest, 0) if at else (0, rest)
                whole = self._add(_LAY, whole, self._padded(part, axis, *pads))
        return whole

    def _part(self, x: str, axis: int, count: int, *, after: bool) -> str:
        """The ``count`` rows or columns that stand before or after the map."""
        assert isinstance(self.node.op, QBorder)
        mode, size = self.node.op.mode, self.tensors[x].shape[axis]
        if mode == "wrap":
            return self._cut(x, axis, 0 if after else size - count, count)
        if mode == "edge":
            outermost = self._cut(x, axis, size - 1 if after else 0, 1)
            if count == 1:
                return outermost
            # The line at each of so many places.
            kernel = (count, 1) if axis == 1 else (1, count)
            return self._add(
                QMaxPool(kernel=kernel, pads=_along(axis, count - 1, count - 1)), outermost
            )  # fmt: skip
        part = ""
        for place in range(count):
            line = size - 2 - place if after else count - place
            one = self._padded(self._cut(x, axis, line, 1), axis, place, count - 1 - place)
            part = self._add(_LAY, part, one) if part else one
        return part

    def _cut(self, x: str, axis: int, first: int, count: int) -> str:
        size = self.tensors[x].shape[axis]
        while first > _MOST_PADS:
            x = self._add(QMaxPool(kernel=(1, 1), pads=_along(axis, -_MOST_PADS, 0)), x)
            first, size = first - _MOST_PADS, size - _MOST_PADS
        if (first, count) == (0, size):
            return x
        pads = _along(axis, -first, first + count - size)
        return self._add(QMaxPool(kernel=(1, 1), pads=pads), x)

    def _padded(self, x: str, axis: int, before: int, after: int) -> str:
        while before > _MOST_PADS:
            x = self._add(QMaxPool(kernel=(1, 1), pads=_along(axis, _MOST_PADS, 0)), x)
            before -= _MOST_PADS
        if not (before or after):
            return x
        return self._add(QMaxPool(kernel=(1, 1), pads=_along(axis, before, after)), x)

    def _add(self, op: Op, *inputs: str) -> str:
        name = self.names.fresh(f"{self.node.name}.part")
        made = replace(self.node, name=name, op=op, inputs=inputs, output=name)
        kind = self.tensors[self.node.output].quantization
        self.tensors[name] = TensorType(infer_shape(made, self.tensors), "int8", kind)
        self.nodes.append(made)
        return name


def _along(axis: int, before: int, after: int) -> Pads:
    sides: Pair = before, after
    return (sides[0], 0, sides[1], 0) if axis == 1 else (0, sides[0], 0, sides[1])
