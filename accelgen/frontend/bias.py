"""The bias of Conv, Gemm and their kin."""

from __future__ import annotations

import numpy as np

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode

__all__ = ["add_bias"]


def add_bias(
    graph: GraphBuilder, node: OnnxNode, channels: int, factor: float = 1.0, index: int = 2
) -> str:
    """An input as a bias per channel, broadcast where ONNX would; zeros when it is missing."""
    if not node.has_input(index):
        return graph.add_made_constant(f"{node.name}.bias", np.zeros(channels, np.float32))
    constant = graph.constant(node, index)
    array = graph.floats(node, index)
    if array.size not in (1, channels) or (array.ndim and array.shape[-1] != array.size):
        raise ModelError(
            f"{node.label}: bias '{constant.name}' has shape {array.shape}; {channels} output"
            f" channels need ({channels},)",
            node=node.name,
        )
    name = graph.add_constant(
        constant.name, np.broadcast_to(array.reshape(-1) * np.float32(factor), (channels,))
    )
    if constant.integers is not None and factor == 1.0 and array.size == channels:
        graph.integer_biases[name] = constant.integers.values.reshape(-1).astype(np.int32)
        scale = constant.integers.scale.reshape(-1).astype(np.float64)
        graph.bias_scales[name] = np.broadcast_to(scale, (channels,))
    return name
