"""Scale and shift (BatchNormalization, Mul and Add by constants) into the convolution beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir.graph import Graph, Node
from accelgen.ir.ops import Conv2d
from accelgen.passes.rewrite import Lookup, Rewrite, join_sources, rewrite

__all__ = ["fold_affine_after", "fold_affine_before", "match_after", "match_before"]

Array = npt.NDArray[Any]


def fold_affine_after(graph: Graph) -> Graph:
    """``Conv2d -> affine`` becomes one Conv2d, when nobody else reads the middle.

    ``W'[o] = W[o] * scale[o]``, ``b'[o] = b[o] * scale[o] + shift[o]``.
    """
    return rewrite(graph, match_after)


def match_after(lookup: Lookup, first: Node) -> Rewrite | None:
    """``first`` and the affine that alone reads it, as one."""
    if not isinstance(first.op, Conv2d):
        return None
    second = lookup.sole_reader(first.output)
    affine = lookup.affine(second)
    if second is None or affine is None or any(affine.pads):
        return None
    scale = affine.scale.astype(np.float64)
    weight = None
    if (scale != 1).any():
        weight = lookup.graph.constants[first.inputs[1]] * scale.reshape(-1, 1, 1, 1)
    bias = lookup.graph.constants[first.inputs[2]] * scale + affine.shift
    return _merged(first, second, first, weight, bias)


def fold_affine_before(graph: Graph) -> Graph:
    """``affine -> Conv2d`` becomes one Conv2d, when nobody else reads the middle.

    ``W'[o, ., ., i] = W[o, ., ., i] * scale[i]``, ``b'[o] = b[o] + sum(W[o] * shift)``. Where the
    convolution pads, zeros would become shifts: only maps without shift are folded there.
    """
    return rewrite(graph, match_before)


def match_before(lookup: Lookup, first: Node) -> Rewrite | None:
    """``first``, an affine, and the convolution that alone reads it, as one."""
    affine = lookup.affine(first)
    if affine is None or any(affine.pads):
        return None
    second = lookup.sole_reader(first.output)
    if second is None or not isinstance(second.op, Conv2d) or second.inputs[0] != first.output:
        return None
    if any(second.op.pads) and affine.shift.any():
        return None
    weight = lookup.graph.constants[second.inputs[1]].astype(np.float64)
    outputs, _, _, width = weight.shape
    # Input channels of output o: its group's.
    group = np.arange(outputs) // (outputs // second.op.groups)
    channels = group[:, None] * width + np.arange(width)
    scale = affine.scale.astype(np.float64)[channels][:, None, None, :]
    shift = affine.shift.astype(np.float64)[channels][:, None, None, :]
    bias = lookup.graph.constants[second.inputs[2]] + (weight * shift).sum((1, 2, 3))
    scaled = weight * scale if (scale != 1).any() else None
    return _merged(first, second, second, scaled, bias)


def _merged(first: Node, second: Node, conv: Node, weight: Array | None, bias: Array) -> Rewrite:
    """Both as one convolution, with ``conv``'s name and geometry, in ``second``'s place.

    Without a new ``weight`` it keeps its own, and with it the integers a QDQ file gave it.
    """
    names = (conv.inputs[1] if weight is None else f"{conv.name}.weight", f"{conv.name}.bias")
    constants = {names[1]: bias} | ({} if weight is None else {names[0]: weight})
    merged = Node(
        name=conv.name,
        op=conv.op,
        inputs=(first.inputs[0], *names),
        output=second.output,
        sources=join_sources(first, second),
    )
    return Rewrite(second, merged, gone=(first,), constants=constants)
