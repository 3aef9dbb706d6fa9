"""Depthwise convolutions that are mostly zeros: parts of their channels, each with a small kernel.

The window engine takes a cycle per tap, zero or not, and a step has one kernel for all channels. A
shift of channels (ShiftNet) is a kernel of 5 x 5 with one tap per channel that is not 0. Channels
whose taps lie together become a part of their own, with the kernel that covers just those taps:
pads say where it lies, negative ones too. What makes the map is made in the same parts and what
reads it follows their order (select.py), so nothing moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams
from accelgen.arch.isa import RASTER
from accelgen.cost import Memory
from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import Pair, QConcat, QConv2d, QSelect, QTable
from accelgen.lowering.select import takes_any_order
from accelgen.lowering.storage import is_depthwise
from accelgen.lowering.windows import window_of
from accelgen.program.layout import rows_of
from accelgen.program.raster import raster_vectors

__all__ = ["share_taps"]

Bools = npt.NDArray[np.bool_]
Channels = tuple[int, ...]

#: What a part costs beside its engines, in cycles: the window engine ends after the array, and the
#: next EXEC begins.
_PART_CYCLES = 150
#: Share of the cycles of the whole that parts may take: what the plan makes of them is not known.
_AT_MOST = 0.9
#: Widths of the strips that orders of channels go through.
_STRIPS = (1, 2, 3)


@dataclass(frozen=True)
class _Box:
    """Taps (top, left) to before (bottom, right) of a kernel."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def kernel(self) -> Pair:
        return self.bottom - self.top, self.right - self.left

    def joined(self, other: _Box) -> _Box:
        """The smallest box around both."""
        return _Box(
            min(self.top, other.top), min(self.left, other.left),
            max(self.bottom, other.bottom), max(self.right, other.right),
        )  # fmt: skip


def share_taps(graph: Graph, arch: ArchParams, memory: Memory) -> Graph:
    """``graph`` with kernels no larger than what is not 0 in them, and depthwise convolutions in
    parts where a convolution makes their map, convolutions read it, and it takes fewer cycles."""
    new = _New(graph, arch, memory)
    for node in graph.nodes:
        new.add(node)
    return new.result()


class _New:
    """The new graph as it grows."""

    def __init__(self, graph: Graph, arch: ArchParams, memory: Memory) -> None:
        self.graph, self.arch, self.memory = graph, arch, memory
        self.names = Names.of(graph)
        self.tensors = dict(graph.tensors)
        self.constants = dict(graph.constants)
        self.nodes: list[Node] = []
        self.moved: set[str] = set()  # names of nodes that parts hold already

    def result(self) -> Graph:
        """All of it; the old one where nothing is new."""
        if tuple(self.nodes) == self.graph.nodes:
            return self.graph
        return self.graph.with_nodes(
            tuple(self.nodes), tensors=self.tensors, constants=self.constants
        )

    def add(self, node: Node) -> None:
        """``node``, its kernel cut, or its parts."""
        if node.name in self.moved:
            return
        used = _used(node, self.graph)
        if used is None or used.all():
            self.nodes.append(node)
            return
        parts = self._parts(node, used)
        box = _cover(used, parts[0])
        if len(parts) > 1:
            self._divide(node, used, parts)
        elif box.kernel == used.shape[1:]:
            self.nodes.append(node)
        else:
            self.nodes.append(self._cut(node, box, parts[0], node.inputs[0], node.output))

    def _parts(self, node: Node, used: Bools) -> list[Channels]:
        """Which channels go together: all, where others care for their order."""
        everything = tuple(range(len(used)))
        source = self.graph.producer(node.inputs[0])
        readers = self.graph.readers(self._behind(node)[-1].output)
        apart = (
            source is not None
            and takes_any_order(source)
            and self.graph.reads(source.output) == 1
            and self._behind(node)[-1].output not in self.graph.outputs
            and readers
            and all(map(takes_any_order, readers))
        )
        if source is None or not apart:
            return [everything]
        cycles, lanes = _cycles(source, node, self.graph, self.arch), self.arch.lanes
        enough = _AT_MOST * -(-len(used) // lanes) * cycles(_cover(used, everything).kernel)
        if _least(used, cycles, lanes) + self._spilled(node) >= enough:
            return [everything]
        best = min(
            (_cut_order(order, used, cycles, lanes) for order in _orders(used)),
            key=lambda found: found[0],
        )
        return best[1] if best[0] + self._spilled(node) < enough else [everything]

    def _spilled(self, node: Node) -> float:
        """Cycles of the map through DDR where it may not stay in the feature memory: parts do not
        hand bands on to the next step."""
        _, height, width, channels = self.graph.tensors[node.output].shape
        arch = self.arch
        rows = -(-channels // arch.lanes) * rows_of(height, width, arch.pixels)
        return rows * arch.row_bytes / self.memory.rate if 2 * rows > arch.feature_rows else 0

    def _behind(self, node: Node) -> list[Node]:
        """``node``, and a table that alone reads it: they share a step."""
        readers = self.graph.readers(node.output)
        single = self.graph.reads(node.output) == len(readers) == 1
        return [node, readers[0]] if single and isinstance(readers[0].op, QTable) else [node]

    def _divide(self, node: Node, used: Bools, parts: list[Channels]) -> None:
        """Selections, parts, all joined, and the old order of channels."""
        behind = self._behind(node)
        last = behind[-1].output
        members = []
        for number, channels in enumerate(parts):
            suffix = f".taps{number}"
            taken = self._typed(node.inputs[0], suffix, len(channels))
            made = self._typed(node.output, suffix, len(channels))
            select = QSelect(channels=channels)
            self.nodes.append(Node(name=taken, op=select, inputs=node.inputs[:1], output=taken))
            box = _cover(used, channels)
            name = self.names.of_part(node.name, suffix)
            self.nodes.append(replace(self._cut(node, box, channels, taken, made), name=name))
            for table in behind[1:]:
                after = self._typed(table.output, suffix, len(channels))
                name = self.names.of_part(table.name, suffix)
                inputs = (made, *table.inputs[1:])
                self.nodes.append(replace(table, name=name, inputs=inputs, output=after))
                made = after
            members.append(made)
        joined = self._typed(last, ".joined", len(used))
        self.nodes.append(Node(name=joined, op=QConcat(), inputs=tuple(members), output=joined))
        order = [channel for channels in parts for channel in channels]
        back = QSelect(channels=tuple(int(i) for i in np.argsort(order)))
        self.nodes.append(replace(behind[-1], op=back, inputs=(joined,)))
        self.moved |= {other.name for other in behind[1:]}

    def _cut(
        self, node: Node, box: _Box, channels: Sequence[int], source: str, output: str
    ) -> Node:
        """``node`` of ``channels`` alone, with the taps of ``box``."""
        op = node.op
        assert isinstance(op, QConv2d)
        kernel = box.kernel
        (down, across), (rows, columns) = op.dilation, op.kernel
        top, left, bottom, right = op.pads
        pads = (
            top - box.top * down, left - box.left * across,
            bottom - (rows - box.bottom) * down, right - (columns - box.right) * across,
        )  # fmt: skip
        inputs = [source]
        for i, kind in enumerate(("weight", "bias", "multiplier", "shift"), start=1):
            values = self.constants[node.inputs[i]][list(channels)]
            if kind == "weight":
                values = values[:, box.top : box.bottom, box.left : box.right]
            inputs.append(self._constant(f"{output}/{kind}.taps", values))
        op = replace(op, kernel=kernel, pads=pads, groups=len(channels))
        return replace(node, op=op, inputs=tuple(inputs), output=output)

    def _typed(self, like: str, suffix: str, channels: int) -> str:
        name = self.names.of_part(like, suffix)
        kind = self.graph.tensors[like]
        self.tensors[name] = replace(kind, shape=(*kind.shape[:3], channels))
        return name

    def _constant(self, wanted: str, array: npt.NDArray[np.generic]) -> str:
        name = self.names.fresh(wanted)
        self.constants[name] = np.ascontiguousarray(array)
        self.tensors[name] = TensorType(array.shape, str(array.dtype))
        return name


def _used(node: Node, graph: Graph) -> Bools | None:
    """Which taps of which channel are not 0, (channels, rows, columns); None where no kernel of a
    depthwise convolution can be cut."""
    op = node.op
    if not is_depthwise(node, graph) or not isinstance(op, QConv2d):
        return None
    reach = [(k - 1) * d for k, d in zip(op.kernel, op.dilation, strict=True)]
    least = RASTER["pad_left"].least
    # A larger kernel is as large as the map, and taken as another rectangle.
    too_large = max(op.kernel) > RASTER.largest("kernel_h")
    if too_large or any(p - r < least for p, r in zip(op.pads, reach, strict=False)):
        return None
    used: Bools = np.asarray(graph.constants[node.inputs[1]], np.int8)[..., 0] != np.int8(0)
    return used


def _cover(used: Bools, channels: Sequence[int]) -> _Box:
    """The smallest box with all that ``channels`` use; the middle tap where that is nothing."""
    any_used: Bools = np.any(used[list(channels)], axis=0)
    rows, columns = np.flatnonzero(any_used.any(axis=1)), np.flatnonzero(any_used.any(axis=0))
    if not len(rows):
        rows, columns = (np.array([extent // 2]) for extent in any_used.shape)
    return _Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def _orders(used: Bools) -> Iterator[list[int]]:
    """Orders in which neighbours have taps near each other: along strips of rows, or of columns, to
    and fro. Channels by the middle of what they use; of nothing last."""
    boxes = [_cover(used, [channel]) for channel in range(len(used))]
    empty = [not taps.any() for taps in used]
    for strip in _STRIPS:
        for turned in (False, True):

            def place(channel: int, strip: int = strip, turned: bool = turned) -> tuple[int, ...]:
                box = boxes[channel]
                y, x = box.top + box.bottom, box.left + box.right
                if turned:
                    y, x = x, y
                band = y // 2 // strip
                return int(empty[channel]), band, -x if band % 2 else x, y, channel

            yield sorted(range(len(used)), key=place)


def _least(used: Bools, cycles: Callable[[Pair], int], lanes: int) -> int:
    """Cycles that no order of channels gets below: a group takes as long as its slowest channel
    alone, and at best the slowest are together."""
    alone = sorted((cycles(_cover(used, [c]).kernel) for c in range(len(used))), reverse=True)
    return _PART_CYCLES + sum(alone[::lanes])


def _cut_order(
    order: list[int], used: Bools, cycles: Callable[[Pair], int], lanes: int
) -> tuple[int, list[Channels]]:
    """Cycles, and the parts of ``order`` that take the fewest: each of whole channel groups, but
    the last."""
    boxes = [_cover(used, order[first : first + lanes]) for first in range(0, len(order), lanes)]
    groups = len(boxes)
    best = [0] * (groups + 1)
    begins = [0] * (groups + 1)
    for end in range(1, groups + 1):
        found = []
        box = boxes[end - 1]
        for first in reversed(range(end)):
            box = box.joined(boxes[first])
            cost = _PART_CYCLES + (end - first) * cycles(box.kernel)
            found.append((best[first] + cost, first))
        best[end], begins[end] = min(found)
    cuts = [groups]
    while cuts[0]:
        cuts.insert(0, begins[cuts[0]])
    return best[-1], [tuple(sorted(order[a * lanes : b * lanes])) for a, b in pairwise(cuts)]


def _cycles(source: Node, node: Node, graph: Graph, arch: ArchParams) -> Callable[[Pair], int]:
    """Cycles of a channel group, by the depthwise kernel: of the slower engine, or of what takes
    its pixels away."""
    first, second = window_of(source, graph), window_of(node, graph)
    inputs = -(-graph.tensors[source.inputs[0]].shape[3] // arch.lanes)
    array = raster_vectors(first.whole(), arch.pixels) * first.kernel[0] * first.kernel[1] * inputs
    least = max(array, -(-second.out_h * second.out_w // arch.chain_pixels))
    vectors = raster_vectors(second.whole(), arch.window_width)

    def cycles(kernel: Pair) -> int:
        return max(least, vectors * arch.window_beats(kernel))

    return cycles
