"""A network with the PS in its middle twice, and a map that crosses both times."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import accelgen
from accelgen.flow import packages

__all__ = ["package_in_parts", "parts_model"]

SHAPE = (3, 6, 8)


class _Net:
    def __init__(self):
        self.rng = np.random.default_rng(3)
        self.nodes, self.constants = [], []

    def add(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name, values):
        self.constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def conv(self, x, shape, name):
        spread = (2 / np.prod(shape[1:])) ** 0.5
        weight = self.constant(f"{name}_w", self.rng.normal(0, spread, shape))
        bias = self.constant(f"{name}_b", self.rng.normal(0, 0.1, shape[0]))
        return self.add("Conv", [x, weight, bias], name, pads=[shape[2] // 2] * 4)


def parts_model():
    """ONNX: a product of two maps and an average that does not count its padding after the first
    part, a bilinear resize after the second, a Softmax after the third. ``z`` is an output that
    the second part makes, of a map that the first has left; the product is an output, too."""
    net = _Net()
    a = net.add("Relu", [net.conv("x", (8, 3, 3, 3), "a")], "a_relu")
    skip = net.conv(a, (12, 8, 1, 1), "skip")
    gate = net.add("Sigmoid", [net.conv(a, (12, 8, 3, 3), "gate")], "gate_sigmoid")
    product = net.add("Mul", [skip, gate], "product")
    scales = net.constant("scales", np.array([1, 1, 1.5, 1.5]))
    resized = net.add(
        "Resize", [net.conv(product, (16, 12, 3, 3), "b"), "", scales], "resized", mode="linear",
        coordinate_transformation_mode="half_pixel",
    )  # fmt: skip
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    pooled = net.add("AveragePool", [skip], "pooled", count_include_pad=0, **window)
    net.add("Relu", [net.add("Add", [net.conv(pooled, (12, 12, 1, 1), "c"), skip], "sum")], "z")
    mean = net.add("GlobalAveragePool", [net.conv(resized, (12, 16, 1, 1), "d")], "mean")
    logits = net.add("Flatten", [net.conv(mean, (10, 12, 1, 1), "logits")], "flat")
    net.add("Softmax", [logits], "y")
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *shape])
        for name, shape in (("y", (10,)), ("z", (12, 6, 8)), ("product", (12, 6, 8)))
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *SHAPE])
    graph = helper.make_graph(net.nodes, "parts", [x], outputs, net.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


def package_in_parts(where):
    """The network compiled, its package at ``where``, four inputs (c, h, w)."""
    file = where.parent / "parts.onnx"
    onnx.save(parts_model(), file)
    compiled = accelgen.compile(file, accelgen.target(preset="small"))
    assert len(compiled.parts) == 3
    packages.build(compiled, where, program_only=True)
    x = np.random.default_rng(5).normal(0, 1, (4, *SHAPE)).astype(np.float32)
    return compiled, where, x
