"""Groups of channels that are moved by some pixels (ShiftNet), as exported: one convolution."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from accelgen.ir.graph import Graph, Node
from accelgen.ir.ops import Concat, Conv2d, MaxPool, Pads, Select
from accelgen.passes.rewrite import Lookup, Rewrite, join_sources, rewrite

__all__ = ["fuse_shifts"]

#: Furthest shift: half the largest kernel of a raster.
_FURTHEST = 7


def fuse_shifts(graph: Graph) -> Graph:
    """``Select -> Pad, Slice -> Concat``, of all channels of a map in their order, becomes a
    depthwise Conv2d with a single weight of one per channel.

    Where the padding and the cutting of each group leave the map as large as it was, and zeros
    where pixels came from outside. The window engine runs it behind what makes the map.
    """
    return rewrite(graph, _match)


def _match(lookup: Lookup, joined: Node) -> Rewrite | None:
    if not isinstance(joined.op, Concat):
        return None
    shifts = [_shift(lookup, name) for name in joined.inputs]
    known = [shift for shift in shifts if shift is not None]
    if len(known) != len(shifts) or len({shift.tensor for shift in known}) != 1:
        return None
    source = known[0].tensor
    channels = lookup.graph.tensors[source].shape[3]
    offsets = [shift.offset for shift in known for _ in shift.channels]
    order = [channel for shift in known for channel in shift.channels]
    reach = max(abs(n) for offset in offsets for n in offset)
    if order != list(range(channels)) or not 0 < reach <= _FURTHEST:
        return None
    side = 2 * reach + 1
    weight = np.zeros((channels, side, side, 1), np.float32)
    for channel, (down, across) in enumerate(offsets):
        weight[channel, reach + down, reach + across] = 1
    names = f"{joined.name}.weight", f"{joined.name}.bias"
    conv = replace(
        joined,
        op=Conv2d(kernel=(side, side), pads=(reach,) * 4, groups=channels),
        inputs=(source, *names),
        sources=join_sources(*(node for shift in known for node in shift.nodes), joined),
    )
    arrays = weight, np.zeros(channels, np.float32)
    return Rewrite(joined, conv, constants=dict(zip(names, arrays, strict=True)))


@dataclass(frozen=True)
class _Shift:
    """Channels of ``tensor`` whose pixel (y, x) is its pixel (y, x) + ``offset``, or 0."""

    tensor: str
    channels: tuple[int, ...]
    offset: tuple[int, int]
    nodes: tuple[Node, ...]


def _shift(lookup: Lookup, tensor: str) -> _Shift | None:
    """What ``tensor`` is, if it is that."""
    moved: list[Pads] = []
    nodes: list[Node] = []
    channels: tuple[int, ...] | None = None
    while (node := lookup.producer(tensor)) is not None:
        pads = _moved(lookup, node)
        if isinstance(node.op, Select):
            chosen = node.op.channels
            channels = chosen if channels is None else tuple(chosen[c] for c in channels)
        elif pads is not None:
            moved.insert(0, pads)
        else:
            break
        nodes.insert(0, node)
        tensor = node.inputs[0]
    if channels is None:
        return None
    size = lookup.graph.tensors[tensor].shape[1:3]
    offsets = [_along(size[a], [(pads[a], pads[a + 2]) for pads in moved]) for a in (0, 1)]
    if offsets[0] is None or offsets[1] is None:
        return None
    return _Shift(tensor, channels, (offsets[0], offsets[1]), tuple(nodes))


def _moved(lookup: Lookup, node: Node) -> Pads | None:
    """Zeros added around the map, or what is cut off (negative); None if more happens."""
    affine = lookup.affine(node)
    if affine is not None and affine.neutral:
        return affine.pads
    op = node.op
    cuts = isinstance(op, MaxPool) and max(op.pads) <= 0 and any(op.pads)
    if isinstance(op, MaxPool) and cuts and op.kernel == op.stride == (1, 1):
        return op.pads
    return None


def _along(size: int, moved: list[tuple[int, int]]) -> int | None:
    """How far a shift by padding and cutting goes along one axis; None if it is none."""
    offset, length, low, high = 0, size, 0, size
    for before, after in moved:
        # What was cut off before is not there any more when zeros come.
        low, high = max(low, offset), min(high, offset + length)
        offset, length = offset - before, length + before + after
    same = max(low, offset), min(high, offset + length)
    whole = max(0, offset), min(size, offset + length)
    return offset if length == size and same == whole else None
