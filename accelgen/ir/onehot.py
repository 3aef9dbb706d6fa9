"""Convolutions that move pixels: each output is one pixel of the input, of one channel.

Space to depth, depth to space, shifts and added channels are written so: every filter has a
single weight, which is one. Passes fold them into the convolution behind them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from accelgen.ir.graph import Graph, Node
from accelgen.ir.ops import Conv2d, Insert, Pair

__all__ = ["moves_pixels", "phase_weight", "single_taps"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def phase_weight(channels: int, block: Pair, phases: Sequence[Pair]) -> Floats:
    """Weight OHWI with which a convolution of kernel and stride ``block`` takes a map apart.

    Output channel ``n * channels + c`` is channel c of the pixels that lie ``phases[n]`` (rows,
    columns) from the corner of each block. SpaceToDepth has all phases, row by row.
    """
    weight = np.zeros((len(phases) * channels, *block, channels), np.float32)
    for n, (row, column) in enumerate(phases):
        for c in range(channels):
            weight[n * channels + c, row, column, c] = 1
    return weight


def single_taps(graph: Graph, node: Node) -> Ints | None:
    """Per output (kernel row, kernel column, input channel) of a Conv2d that moves pixels.

    The channel is -1 where a filter has no weight at all. None for any other node: one whose
    filters have more than one weight, or another than one, or which adds a bias.
    """
    if not isinstance(node.op, Conv2d):
        return None
    weight, bias = (graph.constants[name] for name in node.inputs[1:])
    flat = weight.reshape(len(weight), -1)
    count = np.count_nonzero(flat, axis=1)
    if bias.any() or not count.any() or (count > 1).any() or (flat.sum(1) != count).any():
        return None
    row, column, within = np.unravel_index(flat.argmax(1), weight.shape[1:])
    per_group = len(weight) // node.op.groups
    channel = np.arange(len(weight)) // per_group * weight.shape[3] + within
    return np.stack([row, column, np.where(count, channel, -1)], axis=1).astype(np.int64)


def moves_pixels(graph: Graph, node: Node) -> bool:
    """Whether ``node`` is a convolution of more than one pixel or channel that only moves them.

    After an Insert of blocks as large as its kernel, each window has one pixel: then it may have a
    single weight of one for each (DepthToSpace).
    """
    op = node.op
    if not isinstance(op, Conv2d) or (op.kernel == (1, 1) and op.groups > 1):
        return False
    maker = graph.producer(node.inputs[0])
    if maker is None or not isinstance(maker.op, Insert) or op.kernel != maker.op.factor:
        return single_taps(graph, node) is not None
    weight, bias = (graph.constants[name] for name in node.inputs[1:])
    singles = np.count_nonzero(weight, axis=3) == 1
    whole = op.stride == op.dilation == (1, 1)
    return whole and bool(singles.all() and (weight.max(3) == 1).all() and not bias.any())
