"""MaxUnpool where the largest of a window are equal: either place is right.

Of numbers that are equal but for the rounding of float32 onnxruntime may find another one the
largest than the golden model does. What it places there, a MaxUnpool puts elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from accelgen.frontend.load import name_nodes
from accelgen.frontend.read_model import read_model
from accelgen.golden.interpret import run_node
from accelgen.ir import Graph
from accelgen.ir.ps_ops import Unpool
from tests.helpers.second_opinion import ort_outputs

__all__ = ["their_places", "with_their_ties"]


def their_places(data: bytes, x: np.ndarray) -> dict[str, np.ndarray]:
    """Of each MaxUnpool, by its name, the indices that onnxruntime's MaxPool gives it."""
    model = read_model(data)
    wanted = {
        n.name: n.inputs[1]
        for n in name_nodes(model)
        if n.op_type == "MaxUnpool" and n.has_input(1)
    }
    if not wanted:
        return {}
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    del extended.graph.output[:]
    extended.graph.output.extend(onnx.ValueInfoProto(name=name) for name in set(wanted.values()))
    made = ort_outputs(extended, x)
    return {node: made[name] for node, name in wanted.items()}


def with_their_ties(
    graph: Graph, values: dict[str, np.ndarray], places: Mapping[str, np.ndarray], atol: float
) -> dict[str, np.ndarray]:
    """``values`` of the float ``graph`` again, each Unpool by onnxruntime's ``places`` where the
    number there is the largest but for ``atol`` on either side. Any other place stays ours."""
    if not any(isinstance(node.op, Unpool) for node in graph.nodes):
        return values
    made = {graph.input: values[graph.input]}
    for node in graph.nodes:
        seen = made
        if isinstance(node.op, Unpool) and (theirs := places.get(node.sources[0])) is not None:
            like = _chosen(made[node.inputs[1]], theirs, node.op.kernel, 2 * atol)
            seen = {**made, node.inputs[1]: like}
        made[node.output] = run_node(graph, node, seen)
    return made


def _chosen(
    like: np.ndarray, theirs: np.ndarray, kernel: tuple[int, int], most: float
) -> np.ndarray:
    """``like`` (1, h, w, c), raised to infinity at ``theirs`` (indices into 1, c, h, w) where that
    is as large as the window's largest but for ``most``."""
    _, height, width, channels = like.shape
    (kh, kw), (rows, columns) = kernel, theirs.shape[2:]
    flat = like.transpose(0, 3, 1, 2).reshape(-1)
    blocks = like[0, : rows * kh, : columns * kw].reshape(rows, kh, columns, kw, channels)
    largest = blocks.max((1, 3)).transpose(2, 0, 1).reshape(-1)
    at = theirs.reshape(-1)
    tied = at[largest - flat[at] <= most]
    raised = flat.copy()
    raised[tied] = np.inf
    return raised.reshape(1, channels, height, width).transpose(0, 2, 3, 1)
