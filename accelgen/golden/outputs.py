"""What the model gives: its own outputs, in its order and shapes, of a graph's tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.arith import real_array
from accelgen.ir import Graph
from accelgen.ir.views import apply_view

__all__ = ["model_outputs"]


def model_outputs(
    graph: Graph, values: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """Outputs of the model by name, in its order.

    Parameters
    ----------
    graph : Graph
        Float or int8.
    values : mapping of tensor to (1, h, w, c) array
        At least ``graph.outputs`` of one frame, as :func:`~.interpret.interpret` gives them.

    Returns
    -------
    dict of str to array
        float32; int8 or uint8 where the model itself ends in QuantizeLinear; int64 indices where it
        ends in ArgMax or ArgMin.
    """
    result = {}
    for view in graph.model_outputs():
        tensors = {piece.tensor: values[piece.tensor] for piece in view.pieces}
        if view.dtype in ("float32", "int64"):
            tensors = {name: real_array(x, graph.tensors[name]) for name, x in tensors.items()}
        seen = apply_view(view, tensors)
        if view.dtype == "uint8":
            seen = (seen.astype(np.int16) + 128).astype(np.uint8)
        result[view.name] = seen
    return result
