"""Zeros between pixels and the convolution behind them, as one that is woven of strands.

By two, in columns and rows or in columns alone, strands leave the array where they belong
(isa.EXEC, ``woven``). By four it is done twice: first as a map of half the size, whose channels are
the pixels of each block, then by weights of one, a pass per strand. What is no multiple of the
columns that are written at once is made wider, and cut off again. Other factors keep their zeros
(insert.py), which cost the array fh * fw times the taps, and a vector for each pixel of the map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams
from accelgen.arch.isa import RASTER
from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import Pair, QConv2d, QInsert, QMaxPool
from accelgen.ir.shapes import infer_shape
from accelgen.lowering.insert import dense_groups
from accelgen.lowering.strands import most_taps, strands_of
from accelgen.program.weave import weave_unit

__all__ = ["weave"]

Ints = npt.NDArray[np.int64]


def weave(graph: Graph, arch: ArchParams) -> Graph:
    """``graph`` with convolutions over inserted zeros in strands, where that can be."""
    if arch.pixels < 2 or not any(isinstance(n.op, QInsert) for n in graph.nodes):
        return graph
    weaver = _Weaver(graph, arch)
    inserts = {n.output: n for n in graph.nodes if isinstance(n.op, QInsert)}
    gone: set[str] = set()
    nodes: list[Node] = []
    for node in graph.nodes:
        insert = inserts.get(node.inputs[0])
        alone = insert is not None and graph.reads(insert.output) == 1
        made = weaver.woven(node, insert) if insert is not None and alone else []
        if made:
            assert insert is not None
            gone.add(insert.output)
        nodes += made or [node]
    nodes = [n for n in nodes if n.output not in gone]
    tensors = {name: kind for name, kind in weaver.tensors.items() if name not in gone}
    return replace(graph, nodes=tuple(nodes), tensors=tensors, constants=weaver.constants)


class _Weaver:
    """Nodes for a pair of an insertion and its convolution, and what they need."""

    def __init__(self, graph: Graph, arch: ArchParams) -> None:
        self.arch = arch
        self.names = Names.of(graph)
        self.tensors = dict(graph.tensors)
        self.constants = dict(graph.constants)

    def woven(self, node: Node, insert: Node) -> list[Node]:
        """What computes ``node``; nothing where it keeps its zeros."""
        assert isinstance(insert.op, QInsert)
        op, factor = node.op, insert.op.factor
        if not isinstance(op, QConv2d) or op.input_zero != insert.op.value:
            return []
        plain = op.stride == op.dilation == op.insert == (1, 1)
        if not plain or factor not in ((1, 2), (2, 2), (1, 4), (2, 4), (4, 4)):
            return []
        op = replace(op, insert=factor)
        node = replace(node, op=op, inputs=(*insert.inputs, *node.inputs[1:]))
        node = self._grown(self._without_depthwise(node))
        if not _fits(node, self.tensors, self.arch):
            return []
        node, cut = self._widened(node)
        return [*(self._twice(node) if max(factor) > 2 else [node]), *cut]

    def _weight(self, node: Node) -> Any:
        return self.constants[node.inputs[1]]

    def _with(self, node: Node, **arrays: Any) -> Node:
        """``node`` with other constants."""
        names = list(node.inputs)
        for position, kind in enumerate(("weight", "bias", "multiplier", "shift"), start=1):
            if kind in arrays:
                name = self.names.fresh(f"{node.output}.{kind}")
                array = self.constants[name] = arrays[kind]
                self.tensors[name] = TensorType(array.shape, str(array.dtype))
                names[position] = name
        return replace(node, inputs=tuple(names))

    def _typed(self, node: Node, like: str) -> Node:
        """``node``, its output as the one ``like`` is quantized."""
        kind = self.tensors[like].quantization
        self.tensors[node.output] = TensorType(infer_shape(node, self.tensors), "int8", kind)
        return node

    def _without_depthwise(self, node: Node) -> Node:
        """One filter per channel as groups of several: strands are the array's."""
        op, weight = node.op, self._weight(node)
        channels = self.tensors[node.inputs[0]].shape[3]
        assert isinstance(op, QConv2d)
        if not op.groups == channels == len(weight) > 1:
            return node
        groups = dense_groups(channels, self.arch.lanes)
        size = channels // groups
        wide = np.zeros((*weight.shape[:3], size), np.int8)
        index = np.arange(channels)
        wide[index, :, :, index % size] = weight[..., 0]
        return self._with(replace(node, op=replace(op, groups=groups)), weight=wide)

    def _grown(self, node: Node) -> Node:
        """Each strand has a tap: the kernel is as large as the block, by zeros."""
        op = node.op
        assert isinstance(op, QConv2d)
        more = [max(0, f - k) for f, k in zip(op.insert, op.kernel, strict=True)]
        if not any(more):
            return node
        top, left, bottom, right = op.pads
        kernel = op.kernel[0] + more[0], op.kernel[1] + more[1]
        pads = top, left, bottom + more[0], right + more[1]
        weight = np.pad(self._weight(node), ((0, 0), (0, more[0]), (0, more[1]), (0, 0)))
        return self._with(replace(node, op=replace(op, kernel=kernel, pads=pads)), weight=weight)

    def _widened(self, node: Node) -> tuple[Node, list[Node]]:
        """Whole blocks, in columns of which there are enough; and what cuts the others off."""
        op = node.op
        assert isinstance(op, QConv2d)
        _, height, width, _ = self.tensors[node.output].shape
        rows, columns = op.insert
        unit = columns // 2 * weave_unit((min(rows, 2), 2), self.arch.pixels)
        more = -height % rows, -width % unit
        if not any(more):
            return node, []
        top, left, bottom, right = op.pads
        op = replace(op, pads=(top, left, bottom + more[0], right + more[1]))
        name, wide = (self.names.of_part(x, ".wide") for x in (node.name, node.output))
        cut = QMaxPool(kernel=(1, 1), pads=(0, 0, -more[0], -more[1]))
        inner = self._typed(replace(node, name=name, op=op, output=wide), node.output)
        return inner, [replace(node, op=cut, inputs=(wide,))]

    def _twice(self, node: Node) -> list[Node]:
        """By two, to a map whose channels are the pixels of blocks that are left, and by those."""
        op, weight = node.op, self._weight(node)
        assert isinstance(op, QConv2d)
        by = min(2, op.insert[0]), min(2, op.insert[1])
        rest = op.insert[0] // by[0], op.insert[1] // by[1]
        blocks = [(row, column) for row in range(rest[0]) for column in range(rest[1])]
        outputs, per = len(weight), len(weight) // op.groups
        index = np.arange(outputs)
        #: Channel, in between, of each output channel at each place of its block.
        outermost = index // per * len(blocks) * per + index % per
        channels = [outermost + place * per for place in range(len(blocks))]
        first = self._blocks(node, by, rest, channels)
        identity = np.zeros((outputs, *rest, outputs * len(blocks)), np.int8)
        for (row, column), order in zip(blocks, channels, strict=True):
            identity[index, rest[0] - 1 - row, rest[1] - 1 - column, order] = 1
        zero = op.output_zero
        second = QConv2d(
            kernel=rest, pads=(rest[0] - 1, rest[1] - 1, 0, 0), insert=rest, input_zero=zero,
            output_zero=zero,
        )  # fmt: skip
        node = self._with(
            replace(node, op=second, inputs=(first.output, *node.inputs[1:])),
            weight=identity,
            bias=np.full(outputs, -zero * len(blocks), np.int32),
            multiplier=np.full(outputs, 1 << 16, np.int32),
            shift=np.full(outputs, 16, np.int32),
        )
        return [first, node]

    def _blocks(self, node: Node, by: Pair, rest: Pair, channels: list[Ints]) -> Node:
        """The first of both: every ``rest``-th tap for each place of a block, one pad for all."""
        op, weight = node.op, self._weight(node)
        assert isinstance(op, QConv2d)
        _, height, width, _ = self.tensors[node.output].shape
        size, pads, taps = [], [], []
        for axis in (0, 1):
            step, pad = rest[axis], op.pads[axis]
            firsts = [(pad - place) % step for place in range(step)]
            before = [(pad - place - f) // step for place, f in enumerate(firsts)]
            counts = [-(-(op.kernel[axis] - f) // step) for f in firsts]
            most = max(before)
            pads.append(most)
            size.append(max(n + most - b for n, b in zip(counts, before, strict=True)))
            taps.append([(f, most - b, n) for f, b, n in zip(firsts, before, counts, strict=True)])
        total = len(weight) * len(channels)
        wide = np.zeros((total, *size, weight.shape[3]), np.int8)
        places = [(y, x) for y in taps[0] for x in taps[1]]
        for ((fy, ay, ny), (fx, ax, nx)), order in zip(places, channels, strict=True):
            part = weight[:, fy :: rest[0], fx :: rest[1]]
            wide[order, ay : ay + ny, ax : ax + nx] = part
        arrays = {"weight": wide}
        bias, multiplier, shift = (self.constants[i] for i in node.inputs[2:5])
        for kind, values in (("bias", bias), ("multiplier", multiplier), ("shift", shift)):
            arrays[kind] = np.zeros(total, np.int32)
            for order in channels:
                arrays[kind][order] = values
        every = weight.sum((1, 2, 3), np.int64)
        for order in channels:
            others = every - wide[order].sum((1, 2, 3), np.int64)
            arrays["bias"][order] += (op.input_zero * others).astype(np.int32)
        _, h, w, _ = self.tensors[node.inputs[0]].shape
        ends = [
            (height, width)[a] // rest[a] - by[a] * (h, w)[a] - pads[a] + size[a] - 1
            for a in (0, 1)
        ]
        op = replace(
            op, kernel=(size[0], size[1]), insert=by, pads=(pads[0], pads[1], ends[0], ends[1])
        )
        name, output = (self.names.of_part(x, ".blocks") for x in (node.name, node.output))
        made = self._with(replace(node, name=name, op=op, output=output), **arrays)
        return self._typed(made, node.output)


def _fits(node: Node, tensors: Mapping[str, TensorType], arch: ArchParams) -> bool:
    """A strand's kernel, pads and words can be told, and the weight ring holds them."""
    op = node.op
    assert isinstance(op, QConv2d)
    inputs = tensors[node.inputs[0]].shape[3] // op.groups
    words = most_taps(op) * (-(-inputs // arch.lanes) + (op.groups > 1))
    kernel, pad = RASTER.largest("kernel_h"), RASTER.largest("pad_top")
    strands = strands_of(op)
    small = all(max(s.kernel) <= kernel and max(map(abs, s.pads)) <= pad for s in strands)
    return small and words <= arch.weight_words
