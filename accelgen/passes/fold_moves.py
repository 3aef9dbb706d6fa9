"""Pixels that are only moved, into the convolution after them: space to depth, Focus."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir.graph import Graph, Node
from accelgen.ir.onehot import single_taps
from accelgen.ir.ops import Conv2d
from accelgen.passes.rewrite import Lookup, Rewrite, join_sources, rewrite

__all__ = ["fold_moves"]

#: Largest kernel and stride that a raster holds: what grows beyond stays apart.
_LARGEST = 15


def fold_moves(graph: Graph) -> Graph:
    """``moving Conv2d (stride a, no pads) -> Conv2d (stride b)`` becomes one Conv2d of stride a b.

    When nobody else reads the middle, and the first one's kernel is its stride. Kernel and pads
    grow by a, ``W'[o, a u + row(c), a v + column(c), channel(c)] += W[o, u, v, c]``, where row,
    column and channel say what pixel channel c of the middle is. SpaceToDepth before a 3x3
    convolution is one of 6x6 and stride 2: the same products, and nothing to move.
    """
    return rewrite(graph, _match)


def _match(lookup: Lookup, first: Node) -> Rewrite | None:
    taps = single_taps(lookup.graph, first)
    second = lookup.sole_reader(first.output)
    if taps is None or second is None or not isinstance(second.op, Conv2d):
        return None
    op = _merged_op(lookup, first, second.op)
    if op is None or second.inputs[0] != first.output:
        return None
    assert isinstance(first.op, Conv2d)
    channels = lookup.graph.tensors[first.inputs[0]].shape[3]
    weight = _merged_weight(
        lookup.graph.constants[second.inputs[1]], taps, first.op.stride, (*op.kernel, channels)
    )
    name = f"{second.name}.weight"
    merged = Node(
        name=second.name, op=op, inputs=(first.inputs[0], name, second.inputs[2]),
        output=second.output, sources=join_sources(first, second),
    )  # fmt: skip
    return Rewrite(second, merged, gone=(first,), constants={name: weight})


def _merged_op(lookup: Lookup, first: Node, after: Conv2d) -> Conv2d | None:
    """Both windows as one; None where they do not make one."""
    op = first.op
    assert isinstance(op, Conv2d)
    # Blocks side by side: those that overlap make a larger kernel of the same pixels.
    if op.kernel != op.stride or any(op.pads) or op.dilation != (1, 1) or after.groups != 1:
        return None
    if op.kernel == (1, 1) and op.groups != 1:
        return None
    size = lookup.graph.tensors[first.inputs[0]].shape[1:3]
    for a in (0, 1):
        if after.dilation[a] != 1 and after.kernel[a] != 1:
            return None
        # What the blocks leave over would lie where zeros must.
        if size[a] % op.stride[a] and after.pads[a + 2]:
            return None
    kernel = op.stride[0] * after.kernel[0], op.stride[1] * after.kernel[1]
    stride = op.stride[0] * after.stride[0], op.stride[1] * after.stride[1]
    if max(*kernel, *stride) > _LARGEST:
        return None
    top, left, bottom, right = (p * s for p, s in zip(after.pads, op.stride * 2, strict=True))
    return Conv2d(kernel=kernel, stride=stride, pads=(top, left, bottom, right))


def _merged_weight(
    weight: npt.NDArray[Any],
    taps: npt.NDArray[np.int64],
    step: tuple[int, int],
    shape: tuple[int, ...],
) -> npt.NDArray[Any]:
    merged = np.zeros((len(weight), *shape), weight.dtype)
    for c, (row, column, channel) in enumerate(taps):
        if channel < 0:
            continue
        rows = slice(row, row + step[0] * (weight.shape[1] - 1) + 1, step[0])
        columns = slice(column, column + step[1] * (weight.shape[2] - 1) + 1, step[1])
        merged[:, rows, columns, channel] += weight[..., c]
    return merged
