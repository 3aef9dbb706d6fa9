"""Models with one thing wrong each."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["convolution_net", "save"]


def convolution_net(
    *, opset=13, shape=(1, 3, 8, 8), weight=None, channels=3, op="Conv", attributes=None
):
    """x -> ``op`` (a 3x3 convolution by default) -> y."""
    rng = np.random.default_rng(1)
    if weight is None:
        weight = rng.standard_normal((4, channels, 3, 3)).astype(np.float32)
    node = helper.make_node(op, ["x", "w"], ["y"], name="first", **(attributes or {}))
    graph = helper.make_graph(
        [node],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def save(model, path):
    """Write ``model`` without any check."""
    path.write_bytes(model.SerializeToString() if isinstance(model, onnx.ModelProto) else model)
    return path
