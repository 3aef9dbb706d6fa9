"""Convolutions over a map with zeros put between its pixels, as what is left of each without them.

A ``QConv2d`` with ``insert`` (fh, fw) slides its kernel over ``x`` with zeros after each pixel; so
ConvTranspose, DepthToSpace and Resize are read. Of its taps only every fh-th row and every fw-th
column meet pixels, which ones depends on the output pixel's place in its block of fh x fw. So the
output is woven of fh * fw *strands* (phases, elsewhere): strand (r, s) makes rows r, r + fh, ...
and columns s, s + fw, ..., an ordinary convolution of ``x`` by every fh-th and fw-th tap:

    output row fh * m + r, tap ky = first + fh * u:  row m + u - (pad_top - r - first) / fh of x
    first = (pad_top - r) mod fh, and the same along columns

The strands share the kernel's taps out: together they have as many, each over h x w pixels, where
the map with its zeros has fh * h * fw * w. What the other taps would have met is the zero point,
so their weights are in the strand's bias: its sums are those of the whole kernel, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph, Node
from accelgen.ir.ops import Pair, QConv2d
from accelgen.lowering.windows import Window

__all__ = ["Strand", "is_woven", "most_taps", "strands_of"]


@dataclass(frozen=True)
class Strand:
    """Output rows ``place[0]``, ``place[0] + fh``, ..., columns alike, of a woven convolution: its
    taps from ``first`` on, a kernel of ``kernel``, with ``pads`` (top, left) over the map."""

    place: Pair
    first: Pair
    kernel: Pair
    pads: Pair

    def window(self, node: Node, graph: Graph) -> Window:
        """Over the map without zeros."""
        op = node.op
        assert isinstance(op, QConv2d)
        _, height, width, _ = graph.tensors[node.inputs[0]].shape
        _, out_h, out_w, _ = graph.tensors[node.output].shape
        return Window(
            height=height,
            width=width,
            out_h=out_h // op.insert[0],
            out_w=out_w // op.insert[1],
            kernel=self.kernel,
            pad_top=self.pads[0],
            pad_left=self.pads[1],
            pad_value=op.input_zero,
        )

    def weights(
        self, node: Node, graph: Graph
    ) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
        """Its part of the weights (o, kernel, i), and its bias: what the zero point adds under the
        other taps is in it."""
        assert isinstance(node.op, QConv2d)
        rows, columns = node.op.insert
        weight, bias = (np.asarray(graph.constants[i]) for i in node.inputs[1:3])
        mine = weight[:, self.first[0] :: rows, self.first[1] :: columns]
        others = weight.sum((1, 2, 3), np.int64) - mine.sum((1, 2, 3), np.int64)
        return mine, bias + node.op.input_zero * others


def is_woven(node: Node) -> bool:
    """A convolution in strands: with a kernel. (Without one, it inserts: lowering/insert.py.)"""
    op = node.op
    return isinstance(op, QConv2d) and op.insert != (1, 1) and op.kernel != (1, 1)


def strands_of(op: QConv2d) -> tuple[Strand, ...]:
    """Row by row of the block."""
    along = tuple(
        [_along(op.kernel[a], op.pads[a], op.insert[a], place) for place in range(op.insert[a])]
        for a in (0, 1)
    )
    return tuple(
        Strand((r, s), (y[0], x[0]), (y[1], x[1]), (y[2], x[2]))
        for r, y in enumerate(along[0]) for s, x in enumerate(along[1])
    )  # fmt: skip


def most_taps(op: QConv2d) -> int:
    """Of the strand with the largest kernel."""
    return max(strand.kernel[0] * strand.kernel[1] for strand in strands_of(op))


def _along(kernel: int, pad: int, step: int, place: int) -> tuple[int, int, int]:
    """First tap, taps and padding along one axis."""
    first = (pad - place) % step
    return first, -(-(kernel - first) // step), (pad - place - first) // step
