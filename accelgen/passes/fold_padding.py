"""Pad into the convolution or pool after it."""

from __future__ import annotations

from dataclasses import replace

from accelgen.ir.activations import is_never_negative
from accelgen.ir.graph import Graph, Node
from accelgen.ir.ops import Activation, AvgPool, Conv2d, MaxPool, Pads
from accelgen.ir.shapes import windows_touch_map
from accelgen.passes.rewrite import Lookup, Rewrite, join_sources, rewrite

__all__ = ["fold_padding"]


def fold_padding(graph: Graph) -> Graph:
    """A Pad (1x1 convolution by one, with pads) adds its pads to the next window's.

    After it: a Conv2d, an AvgPool, or a MaxPool over values that are nowhere negative (there a
    zero wins as rarely as nothing). When somebody else reads the padded map, nothing changes.
    """
    return rewrite(graph, _match)


def _match(lookup: Lookup, pad: Node) -> Rewrite | None:
    affine = lookup.affine(pad)
    if affine is None or not any(affine.pads) or not affine.neutral:
        return None
    reader = lookup.sole_reader(pad.output)
    if reader is None:
        return None
    op = _with_pads(lookup, pad, reader, affine.pads)
    if op is None:
        return None
    inputs = (pad.inputs[0], *reader.inputs[1:])
    merged = replace(reader, op=op, inputs=inputs, sources=join_sources(pad, reader))
    return Rewrite(reader, merged, gone=(pad,))


def _with_pads(
    lookup: Lookup, pad: Node, reader: Node, extra: Pads
) -> Conv2d | AvgPool | MaxPool | None:
    op = reader.op
    if not isinstance(op, Conv2d | AvgPool | MaxPool):
        return None
    a, b, c, d = (p + q for p, q in zip(op.pads, extra, strict=True))
    padded = replace(op, pads=(a, b, c, d))
    if isinstance(padded, MaxPool):
        _, height, width, _ = lookup.graph.tensors[pad.inputs[0]].shape
        if not _is_never_negative(lookup, pad.inputs[0]):
            return None
        # No file can hold a MaxPool whose pads are as large as its kernel.
        if any(p >= k for p, k in zip(padded.pads, padded.kernel * 2, strict=True)):
            return None
        if not windows_touch_map(
            padded.kernel, padded.stride, padded.dilation, padded.pads, (height, width)
        ):
            return None
    return padded


def _is_never_negative(lookup: Lookup, tensor: str) -> bool:
    node = lookup.producer(tensor)
    while node is not None and isinstance(node.op, MaxPool | AvgPool):
        node = lookup.producer(node.inputs[0])
    if node is None or not isinstance(node.op, Activation):
        return False
    return is_never_negative(node.op.kind, node.op.params)
