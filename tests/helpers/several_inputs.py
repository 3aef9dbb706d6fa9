"""Models with several inputs, and what they are given."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.helpers.nets import node, weights

__all__ = ["MODELS", "added", "gated", "given", "late", "save_given"]


def _model(nodes, constants, inputs, output):
    def values(shapes):
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]

    tensors = [numpy_helper.from_array(a, name) for name, a in constants.items()]
    graph = helper.make_graph(nodes, "net", values(inputs), values(output), tensors)
    opset = helper.make_opsetid("", 13)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def added():
    """Colour and depth of one size, each through a convolution, added, and classified."""
    constants = {
        "w1": weights(8, 3, 3, 3), "b1": weights(8, seed=1),
        "w2": weights(8, 1, 3, 3, seed=2), "b2": weights(8, seed=3),
        "w3": weights(10, 8, seed=4), "b3": weights(10, seed=5),
    }  # fmt: skip
    nodes = [
        node("Conv", "rgb w1 b1", "a", pads=[1] * 4),
        node("Conv", "depth w2 b2", "c", pads=[1] * 4),
        node("Add", "a c", "s"), node("Relu", "s", "r"), node("GlobalAveragePool", "r", "g"),
        node("Flatten", "g", "f"), node("Gemm", "f w3 b3", "y", transB=1),
    ]  # fmt: skip
    inputs = {"rgb": (1, 3, 12, 12), "depth": (1, 1, 12, 12)}
    return _model(nodes, constants, inputs, {"y": (1, 10)})


def gated():
    """A tracker: what the template's branch finds, pooled, gates the search map's channels."""
    constants = {
        "w1": weights(8, 3, 3, 3), "b1": weights(8, seed=1),
        "w2": weights(4, 8, 1, 1, seed=2), "b2": weights(4, seed=3),
    }  # fmt: skip
    halves = {"pads": [1] * 4, "strides": [2, 2]}
    nodes = [
        node("Conv", "search w1 b1", "s", **halves), node("Relu", "s", "sr"),
        node("Conv", "template w1 b1", "t", **halves), node("Relu", "t", "tr"),
        node("GlobalAveragePool", "tr", "g"), node("Sigmoid", "g", "gs"),
        node("Mul", "sr gs", "m"), node("Conv", "m w2 b2", "y"),
    ]  # fmt: skip
    inputs = {"template": (1, 3, 6, 6), "search": (1, 3, 12, 12)}
    return _model(nodes, constants, inputs, {"y": (1, 4, 6, 6)})


def late():
    """In two parts, since the processor multiplies; the second part alone reads ``z``."""
    constants = {
        "w1": weights(8, 3, 3, 3), "b1": weights(8, seed=1),
        "w2": weights(8, 3, 3, 3, seed=2), "b2": weights(8, seed=3),
        "w3": weights(6, 8, 1, 1, seed=4), "b3": weights(6, seed=5),
    }  # fmt: skip
    nodes = [
        node("Conv", "x w1 b1", "a", pads=[1] * 4), node("Conv", "x w2 b2", "c", pads=[1] * 4),
        node("Mul", "a c", "m"), node("Conv", "m w3 b3", "d"), node("Add", "d z", "y"),
    ]  # fmt: skip
    inputs = {"x": (1, 3, 8, 8), "z": (1, 6, 8, 8)}
    return _model(nodes, constants, inputs, {"y": (1, 6, 8, 8)})


MODELS = {"added": added, "gated": gated, "late": late}


def given(model, count=9, seed=0):
    """Floats of each input as the model takes them: (count, ...), by name."""
    rng = np.random.default_rng(seed)
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in model.graph.input
    }
    return {
        name: rng.normal(0, 1 + i, (count, *shape[1:])).astype(np.float32)
        for i, (name, shape) in enumerate(shapes.items())
    }


def save_given(model, where, count=9):
    """Model and .npz in directory ``where``; their paths."""
    onnx.save(model, where / "net.onnx")
    np.savez(where / "given.npz", **given(model, count))
    return where / "net.onnx", where / "given.npz"
