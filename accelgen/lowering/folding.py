"""Inputs folded along rows: what a first strided convolution saves, for nothing.

The host writes the input; it may as well call ``fold`` neighbouring pixels of a row one pixel of
``fold`` times the channels: (h, w, c) -> (h, w / fold, fold * c) is the same bytes in NHWC. A
convolution with stride ``fold`` along rows then has stride 1, fewer taps, and no lane computes
what is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph, Node
from accelgen.ir.ops import QConv2d

__all__ = ["FoldedKernel", "choose_folds", "fold_kernel", "fold_weight"]


@dataclass(frozen=True)
class FoldedKernel:
    """Kernel columns and left padding in folded pixels."""

    width: int
    pad_left: int


def choose_folds(graph: Graph, inputs: frozenset[str], lanes: int) -> dict[str, int]:
    """Input tensor: how many pixels are worth folding into one. Others are left as they are."""
    folds: dict[str, int] = {}
    for tensor in sorted(inputs):
        readers = graph.readers(tensor)
        strides = {n.op.stride[1] for n in readers if isinstance(n.op, QConv2d)}
        plain = all(
            isinstance(n.op, QConv2d) and n.op.groups == 1 and n.op.dilation[1] == 1
            for n in readers
        )
        if len(strides) != 1 or not plain or tensor in graph.outputs:
            continue
        (fold,) = strides
        width, channels = graph.tensors[tensor].shape[2:]
        if fold > 1 and width % fold == 0 and _pays(readers, fold, channels, lanes):
            folds[tensor] = fold
    return folds


def _pays(readers: tuple[Node, ...], fold: int, channels: int, lanes: int) -> bool:
    """Columns times input groups, per ``fold`` lanes before, per lane after."""
    before = after = 0
    for node in readers:
        assert isinstance(node.op, QConv2d)
        before += fold * node.op.kernel[1] * -(-channels // lanes)
        after += fold_kernel(node.op, fold).width * -(-fold * channels // lanes)
    return after < before


def fold_kernel(op: QConv2d, fold: int) -> FoldedKernel:
    """Tap kx looks ``kx - pad_left`` pixels ahead: in which folded pixels do taps fall?"""
    first = -op.pads[1] // fold
    last = (op.kernel[1] - 1 - op.pads[1]) // fold
    return FoldedKernel(width=last - first + 1, pad_left=-first)


def fold_weight(weight: npt.NDArray[np.int8], op: QConv2d, fold: int) -> npt.NDArray[np.int8]:
    """Weights (o, kh, kw, c) to (o, kh, folded kw, fold * c); where no tap falls they are 0."""
    outputs, rows, columns, channels = weight.shape
    kernel = fold_kernel(op, fold)
    folded = np.zeros((outputs, rows, kernel.width * fold, channels), np.int8)
    first = kernel.pad_left * fold - op.pads[1]
    folded[:, :, first : first + columns] = weight
    return folded.reshape(outputs, rows, kernel.width, fold * channels)
