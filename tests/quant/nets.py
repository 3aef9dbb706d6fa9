"""Float graphs built by hand, with seeded weights."""

from __future__ import annotations

import numpy as np

from accelgen.ir import Graph, Node, TensorType, ops
from accelgen.ir.shapes import infer_shape

RELU = (0.0, float("inf"))


class Net:
    """A float graph as it grows: every method adds a node and returns its output's name."""

    def __init__(self, h, w, c, seed=0):
        self.rng = np.random.default_rng(seed)
        self.tensors = {"x": TensorType((1, h, w, c), "float32")}
        self.constants = {}
        self.nodes = []

    def node(self, op, *inputs, name=None):
        name = name or f"{type(op).__name__.lower()}{len(self.nodes)}"
        node = Node(name=name, op=op, inputs=inputs, output=f"{name}_out", sources=(name,))
        self.nodes.append(node)
        self.tensors[node.output] = TensorType(infer_shape(node, self.tensors), "float32")
        return node.output

    def constant(self, name, array):
        self.constants[name] = np.asarray(array, np.float32)
        self.tensors[name] = TensorType(self.constants[name].shape, "float32")
        return name

    def conv(self, x, c_out, kernel=(1, 1), *, weight=None, bias=None, groups=1, **fields):
        c_in = self.tensors[x].shape[3]
        shape = (c_out, *kernel, c_in // groups)
        if weight is None:
            weight = self.rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
        if bias is None:
            bias = self.rng.normal(0, 0.1, c_out)
        index = len(self.nodes)
        w, b = self.constant(f"w{index}", weight), self.constant(f"b{index}", bias)
        return self.node(ops.Conv2d(kernel=kernel, groups=groups, **fields), x, w, b)

    def act(self, x, kind="clip", params=()):
        params = params or (RELU if kind == "clip" else ())
        return self.node(ops.Activation(kind=kind, params=params), x)

    def add(self, a, b):
        return self.node(ops.Add(), a, b)

    def sub(self, a, b):
        return self.node(ops.Add(minus=True), a, b)

    def mul(self, x, s):
        return self.node(ops.Mul(), x, s)

    def concat(self, *inputs):
        return self.node(ops.Concat(), *inputs)

    def max_pool(self, x, kernel=(2, 2), **fields):
        return self.node(ops.MaxPool(kernel=kernel, **fields), x)

    def avg_pool(self, x, kernel=(2, 2), **fields):
        return self.node(ops.AvgPool(kernel=kernel, **fields), x)

    def select(self, x, *channels):
        return self.node(ops.Select(channels=channels), x)

    def upsample(self, x):
        return self.node(ops.Upsample(), x)

    def gap(self, x):
        return self.node(ops.GlobalAvgPool(), x)

    def softmax(self, x):
        return self.node(ops.Softmax(), x)

    def graph(self, *outputs):
        outputs = outputs or (self.nodes[-1].output,)
        return Graph(
            nodes=tuple(self.nodes), tensors=self.tensors, constants=self.constants, input="x",
            outputs=outputs,
        )  # fmt: skip

    def samples(self, n, scale=1.0):
        shape = self.tensors["x"].shape[1:]
        return self.rng.normal(0, scale, (n, *shape)).astype(np.float32)


def everything(seed=0):
    """A small network with every operation: SE, residual, concat, pools, tables, softmax."""
    net = Net(9, 7, 3, seed)
    a = net.act(net.conv("x", 8, (3, 3), pads=(0, 1, 1, 0), stride=(2, 1)), "hard_swish")
    b = net.act(net.conv(a, 8, (5, 3), groups=8, pads=(2, 1, 2, 1)), "swish")
    s = net.act(net.conv(net.act(net.conv(net.gap(b), 2), "clip"), 8), "sigmoid")
    c = net.act(net.add(net.conv(net.mul(b, s), 8), a), "clip")
    d = net.concat(net.max_pool(c, (3, 3), pads=(1, 1, 1, 1)), net.act(net.conv(c, 6, groups=2)), c)
    e = net.avg_pool(net.act(d, "leaky_relu", (0.1,)), (2, 2), pads=(0, 1, 0, 0))
    f = net.conv(e, 5, net.tensors[e].shape[1:3])
    return net.graph(net.softmax(f)), net.samples(6)
