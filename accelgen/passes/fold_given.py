"""Scale and shift beside a convolution of a file that has scales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir.graph import Graph, Node
from accelgen.ir.types import Quantization
from accelgen.passes.fold_affine import match_after, match_before
from accelgen.passes.rewrite import Lookup, Rewrite, rewrite

__all__ = ["fold_given"]

#: Of steps of a bias: what a zero point times the weights is fits 32 bits with it.
_MOST_STEPS = 2.0**30


def fold_given(
    graph: Graph,
    scales: Mapping[str, Quantization],
    weight_scales: Mapping[str, npt.NDArray[Any]],
) -> Graph:
    """``Conv2d -> affine`` and ``affine -> Conv2d`` become one Conv2d, when nobody else reads the
    middle and the file does not round it (MatMul and Add of a bias, with scales at both ends).

    The file's integers stay: weights in ``weight_scales`` take in shifts alone, and only those
    that the steps of their sums can hold beside ``scales``, which are the tensors'.
    """

    def match(lookup: Lookup, first: Node) -> Rewrite | None:
        if first.output in scales:
            return None
        for one in (match_after, match_before):
            found = one(lookup, first)
            if found is not None and keeps(lookup, first, found):
                return found
        return None

    def keeps(lookup: Lookup, first: Node, found: Rewrite) -> bool:
        weight = found.by.inputs[1]
        integer = [n.inputs[1] for n in (first, found.node) if n.inputs[1] in weight_scales]
        if not integer:
            return True
        return integer == [weight] and _fits(found, scales, weight_scales[weight])

    return rewrite(graph, match)


def _fits(
    found: Rewrite, scales: Mapping[str, Quantization], weight_scale: npt.NDArray[Any]
) -> bool:
    """Whether int32 holds the new bias in steps of the sums, and no step of the output is lost."""
    x, y = (scales.get(name) for name in (found.by.inputs[0], found.by.output))
    if x is None:
        return True  # samples choose one
    sums = x.scale * weight_scale.astype(np.float64)
    bias = np.abs(found.constants[found.by.inputs[2]])
    return bool((bias <= _MOST_STEPS * sums).all() and (y is None or sums.max() <= y.scale))
