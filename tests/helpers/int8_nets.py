"""Random int8 graphs, as the quantizer would make them, with hostile parameters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from accelgen.ir import Graph, Node, Quantization, TensorType
from accelgen.ir.ops import (
    QAdd,
    QAvgPool,
    QBilinear,
    QBorder,
    QConcat,
    QConv2d,
    QGlobalAvgPool,
    QInnerAvgPool,
    QInsert,
    QMaxPool,
    QMul,
    QScale,
    QSelect,
    QTable,
    QUpsample,
    Softmax,
)
from accelgen.ir.ps_ops import (
    QChannelMax,
    QDeform,
    QLocalNorm,
    QNormalize,
    QResponse,
    QSoftmax,
    QUnpool,
)
from accelgen.ir.wide import widened

__all__ = ["Int8Net", "random_net", "unrounded", "window_out"]


def window_out(extent, kernel, stride, dilation, before, after):
    """Output extent of a window."""
    return (extent + before + after - (kernel - 1) * dilation - 1) // stride + 1


@dataclass
class Int8Net:
    """Builds a graph node by node; every method returns the name of the tensor it makes."""

    shape: tuple[int, int, int]
    seed: int = 0
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, TensorType] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    x: str = "x"

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)
        self._type(self.x, (1, *self.shape))

    # Plumbing.

    def _type(self, name, shape):
        zero = int(self.rng.integers(-128, 128))
        self.tensors[name] = TensorType(tuple(shape), "int8", Quantization(0.05, zero))

    def _constant(self, name, array):
        self.constants[name] = array
        self.tensors[name] = TensorType(array.shape, str(array.dtype))
        return name

    def _node(self, op, inputs, shape):
        name = f"{type(op).__name__.lower().removeprefix('q')}{len(self.nodes)}"
        self.nodes.append(Node(name=name, op=op, inputs=tuple(inputs), output=f"{name}:0"))
        self._type(f"{name}:0", shape)
        return f"{name}:0"

    def dims(self, tensor):
        """(h, w, c)."""
        return self.tensors[tensor].shape[1:]

    def zero(self, tensor):
        quantization = self.tensors[tensor].quantization
        return quantization.zero_point if quantization else 0

    def _any_zero(self):
        return int(self.rng.integers(-128, 128))

    def graph(self, *outputs):
        outputs = outputs or (self.nodes[-1].output,)
        return Graph(
            nodes=tuple(self.nodes),
            tensors=self.tensors,
            constants=self.constants,
            input=self.x,
            outputs=tuple(outputs),
            name="random",
        )

    def input(self):
        """Random input, (h, w, c) int8."""
        return self.rng.integers(-128, 128, self.shape, np.int8)

    # Operations.

    def conv(
        self,
        x,
        channels,
        kernel=(1, 1),
        stride=(1, 1),
        pads=(0, 0, 0, 0),
        dilation=(1, 1),
        groups=1,
    ):
        h, w, c = self.dims(x)
        oh = window_out(h, kernel[0], stride[0], dilation[0], pads[0], pads[2])
        ow = window_out(w, kernel[1], stride[1], dilation[1], pads[1], pads[3])
        rng = self.rng
        weight = rng.integers(-127, 128, (channels, *kernel, c // groups)).astype(np.int8)
        terms = weight[0].size
        zero = self.zero(x)
        bias = rng.integers(-3000, 3000, channels) - zero * weight.astype(np.int64).sum((1, 2, 3))
        # Scaled so that outputs cover the int8 range, some of them clamped.
        spread = 127 * 74 / np.sqrt(12) * 2 * np.sqrt(terms)
        real = rng.uniform(0.3, 1.5, channels) * 128 / spread
        shift = np.clip(np.floor(16 - np.log2(real)), 1, 47).astype(np.int32)
        multiplier = np.clip(np.rint(real * 2.0**shift), 0, (1 << 17) - 1).astype(np.int32)
        low = int(rng.choice([-128, self._any_zero()]))
        op = QConv2d(
            kernel=kernel, stride=stride, dilation=dilation, pads=pads, groups=groups,
            input_zero=zero, output_zero=self._any_zero(), low=min(low, 100), high=127,
        )  # fmt: skip
        n = len(self.nodes)
        inputs = [
            x,
            self._constant(f"w{n}", weight),
            self._constant(f"b{n}", bias.astype(np.int32)),
            self._constant(f"m{n}", multiplier),
            self._constant(f"s{n}", shift),
        ]
        return self._node(op, inputs, (1, oh, ow, channels))

    def depthwise(self, x, kernel=(3, 3), stride=(1, 1), pads=(1, 1, 1, 1), dilation=(1, 1)):
        c = self.dims(x)[2]
        return self.conv(x, c, kernel, stride, pads, dilation, groups=c)

    def fc(self, x, channels):
        h, w, _ = self.dims(x)
        return self.conv(x, channels, kernel=(h, w))

    def max_pool(self, x, kernel=(2, 2), stride=(2, 2), pads=(0, 0, 0, 0), dilation=(1, 1)):
        h, w, c = self.dims(x)
        oh = window_out(h, kernel[0], stride[0], dilation[0], pads[0], pads[2])
        ow = window_out(w, kernel[1], stride[1], dilation[1], pads[1], pads[3])
        op = QMaxPool(kernel=kernel, stride=stride, dilation=dilation, pads=pads)
        return self._node(op, [x], (1, oh, ow, c))

    def avg_pool(self, x, kernel=(2, 2), stride=(2, 2), pads=(0, 0, 0, 0)):
        h, w, c = self.dims(x)
        oh = window_out(h, kernel[0], stride[0], 1, pads[0], pads[2])
        ow = window_out(w, kernel[1], stride[1], 1, pads[1], pads[3])
        multiplier = round((1 << 20) / kernel[0] / kernel[1]) % (1 << 17)
        op = QAvgPool(
            kernel=kernel, stride=stride, pads=pads, input_zero=self.zero(x),
            output_zero=self._any_zero(), multiplier=multiplier, shift=20,
        )  # fmt: skip
        return self._node(op, [x], (1, oh, ow, c))

    def gap(self, x):
        h, w, c = self.dims(x)
        shift = 16 + (h * w - 1).bit_length()
        multiplier = min(round((1 << shift) / (h * w)), (1 << 17) - 1)
        op = QGlobalAvgPool(
            input_zero=self.zero(x),
            output_zero=self._any_zero(),
            multiplier=multiplier,
            shift=shift,
        )
        return self._node(op, [x], (1, 1, 1, c))

    def table(self, x):
        n = len(self.nodes)
        table = self._constant(f"t{n}", self.rng.integers(-128, 128, 256, np.int8))
        return self._node(QTable(), [x, table], (1, *self.dims(x)))

    def add(self, a, b):
        rng = self.rng
        ma, mb = (int(v) for v in rng.integers(-(1 << 17), 1 << 17, 2))
        op = QAdd(
            multiplier_a=ma, multiplier_b=mb, offset=int(rng.integers(-(1 << 22), 1 << 22)),
            shift=17, output_zero=self._any_zero(), low=-128, high=int(rng.integers(0, 128)),
        )  # fmt: skip
        return self._node(op, [a, b], (1, *self.dims(a)))

    def scale(self, x, s):
        op = QScale(
            x_zero=self.zero(x), s_zero=self.zero(s), multiplier=int(self.rng.integers(1 << 17)),
            shift=24, output_zero=self._any_zero(),
        )  # fmt: skip
        return self._node(op, [x, s], (1, *self.dims(x)))

    def concat(self, *members):
        h, w, _ = self.dims(members[0])
        return self._node(QConcat(), members, (1, h, w, sum(self.dims(m)[2] for m in members)))

    def upsample(self, x, factor=(2, 2)):
        """Nearest neighbour; the scale is the input's, of which nothing depends here."""
        h, w, c = self.dims(x)
        shape = (1, factor[0] * h, factor[1] * w, c)
        return self._node(QUpsample(factor=factor), [x], shape)

    def insert(self, x, factor, value=None):
        """``value`` (the zero point) after each row and column."""
        (fh, fw), (h, w, c) = factor, self.dims(x)
        value = self.zero(x) if value is None else value
        return self._node(QInsert(factor=factor, value=value), [x], (1, fh * h, fw * w, c))

    def inner_pool(self, x, kernel=(3, 3), stride=(1, 1), pads=(1, 1, 1, 1)):
        """Padding is not counted."""
        h, w, c = self.dims(x)
        oh = window_out(h, kernel[0], stride[0], 1, pads[0], pads[2])
        ow = window_out(w, kernel[1], stride[1], 1, pads[1], pads[3])
        counts = range(1, kernel[0] * kernel[1] + 1)
        op = QInnerAvgPool(
            kernel=kernel, stride=stride, pads=pads, input_zero=self.zero(x),
            output_zero=self._any_zero(), multipliers=tuple((1 << 16) // n for n in counts),
            shifts=(16,) * len(counts),
        )  # fmt: skip
        return self._node(op, [x], (1, oh, ow, c))

    def normalize(self, x, along="channels"):
        """To about 40 steps of deviation."""
        op = QNormalize(
            along=along, epsilon=100, multiplier=80_000, shift=11, output_zero=self._any_zero()
        )
        return self._node(op, [x], (1, *self.dims(x)))

    def unpool(self, x, like, kernel=(2, 2)):
        """Same scale out."""
        op = QUnpool(kernel=kernel, value=self.zero(x))
        return self._node(op, [x, like], (1, *self.dims(like)))

    def deform(self, x, offset, *mask, groups=1):
        """Of 3x3 taps; offsets of up to two pixels."""
        h, w, c = self.dims(x)
        numbers = np.arange(-128, 128)
        factors = (np.arange(256) * 64).tolist() if mask else [1 << 14]
        op = QDeform(
            kernel=(3, 3), pads=(1, 1, 1, 1), groups=groups, input_zero=self.zero(x),
            output_zero=self._any_zero(), shift=14, offsets=tuple((32 * numbers).tolist()),
            factors=tuple(factors),
        )  # fmt: skip
        return self._node(op, [x, offset, *mask], (1, h, w, 9 * c))

    def response(self, x):
        """Of numbers around 1."""
        op = QResponse(
            input_zero=self.zero(x), epsilon=1000, multiplier=70_000, shift=11,
            output_zero=self._any_zero(),
        )  # fmt: skip
        return self._node(op, [x], (1, 1, 1, self.dims(x)[2]))

    def local_norm(self, x):
        """Factors that fall as sums grow."""
        factors = np.linspace((1 << 17) - 1, 1000, 64 * 16).astype(int)
        op = QLocalNorm(
            size=5, input_zero=self.zero(x), output_zero=self._any_zero(), shift=16,
            factors=tuple(factors.tolist()),
        )  # fmt: skip
        return self._node(op, [x], (1, *self.dims(x)))

    def soften(self, x):
        """To steps of 1/256."""
        powers = np.rint(2.0**20 * np.exp(-0.02 * np.arange(256))).astype(int)
        op = QSoftmax(powers=tuple(powers.tolist()), multiplier=1 << 16, shift=8, output_zero=-128)
        return self._node(op, [x], (1, *self.dims(x)))

    def channel_max(self, x):
        """The scale is the input's, of which nothing depends here."""
        h, w, _ = self.dims(x)
        return self._node(QChannelMax(), [x], (1, h, w, 1))

    def multiply(self, a, b):
        """Of two maps."""
        op = QMul(
            a_zero=self.zero(a), b_zero=self.zero(b), multiplier=int(self.rng.integers(1 << 17)),
            shift=24, output_zero=self._any_zero(),
        )  # fmt: skip
        return self._node(op, [a, b], (1, *self.dims(a)))

    def bilinear(self, x, height, width, **factor):
        """Positions anywhere, ends of the map among them, in no order."""
        h, w, c = self.dims(x)
        rows, columns = (
            tuple(int(v) for v in self.rng.integers(0, 2048 * (old - 1) + 1, new))
            for old, new in ((h, height - 1), (w, width - 1))
        )
        op = QBilinear(rows=(2048 * (h - 1), *rows), columns=(*columns, 2048 * (w - 1)), **factor)
        return self._node(op, [x], (1, height, width, c))

    def border(self, x, pads, mode):
        h, w, c = self.dims(x)
        shape = (1, h + pads[0] + pads[2], w + pads[1] + pads[3], c)
        return self._node(QBorder(pads=pads, mode=mode), [x], shape)

    def select(self, x, channels):
        h, w, _ = self.dims(x)
        channels = tuple(int(c) for c in channels)
        return self._node(QSelect(channels=channels), [x], (1, h, w, len(channels)))

    def softmax(self, x):
        made = self._node(Softmax(), [x], (1, *self.dims(x)))
        self.tensors[made] = TensorType((1, *self.dims(x)), "float32")
        return made

    # Larger pieces.

    def squeeze_excite(self, x, channels):
        s = self.gap(x)
        s = self.table(self.conv(s, channels))
        s = self.table(self.conv(s, self.dims(x)[2]))
        return self.scale(x, s)


def unrounded(net, *last, softmax=False, also=()):
    """The graph of ``net`` whose ``last`` layers leave their sums, in steps that differ where
    channels do; a softmax of each instead, or what is made ``also``, is an output too."""
    makers = {node.output: i for i, node in enumerate(net.nodes)}
    steps = {}
    for tensor in last:
        node = net.nodes[makers[tensor]]
        channels = net.tensors[tensor].shape[3]
        if isinstance(node.op, QConv2d):
            net.nodes[makers[tensor]] = replace(node, op=replace(node.op, low=-128, high=127))
            steps[node.name] = np.linspace(1e-4, 3e-4, channels)
        else:
            steps[node.name] = np.full(channels, 2e-4)
    outputs = [net.softmax(y) for y in last] if softmax else [*last]
    graph = widened(net.graph(*outputs, *also), steps)
    assert all(graph.tensors[y].dtype == "int32" for y in last)
    return graph


def random_net(seed, *, nodes=8, largest=33, channels=70):
    """A random connected graph of about ``nodes`` operations; returns the net and its graph."""
    rng = np.random.default_rng(seed)
    h, w = (int(v) for v in rng.integers(1, largest + 1, 2))
    net = Int8Net((h, w, int(rng.integers(1, channels + 1))), seed)
    made = [net.x]
    for _ in range(nodes):
        x = made[-1] if rng.random() < 0.7 else made[int(rng.integers(len(made)))]
        made.append(_random_node(net, rng, x, made, channels, largest))
    read = {i for n in net.nodes for i in n.inputs}
    loose = [n.output for n in net.nodes if n.output not in read]
    extra = [n.output for n in net.nodes if rng.random() < 0.1 and n.output not in loose]
    return net, net.graph(*loose, *extra)


def _random_node(net, rng, x, made, channels, largest):
    h, w, c = net.dims(x)
    few = int(rng.integers(1, channels + 1))
    kind = rng.choice([
        "conv", "conv", "pointwise", "pointwise", "depthwise", "depthwise", "group", "multiplier",
        "max", "avg", "gap", "table", "table", "add", "add", "concat", "se", "fc", "upsample",
    ])  # fmt: skip
    if kind == "conv":
        return net.conv(x, few, **random_window(rng, h, w, dilate=True))
    if kind == "pointwise":
        return net.conv(x, few)
    if kind == "depthwise":
        return net.depthwise(x, **random_window(rng, h, w, dilate=True))
    if kind in ("group", "multiplier"):
        groups = c if kind == "multiplier" else int(rng.choice(divisors(c)))
        out = groups * int(rng.integers(1, max(1, channels // groups) + 1))
        return net.conv(x, out, **random_window(rng, h, w, dilate=False), groups=groups)
    if kind == "max":
        return net.max_pool(x, **random_window(rng, h, w, dilate=True))
    if kind == "avg":
        return net.avg_pool(x, **random_window(rng, h, w, dilate=False))
    if kind == "gap":
        return net.gap(x)
    if kind == "add":
        same = [t for t in made if net.dims(t) == (h, w, c)]
        return net.add(*rng.permutation([x, str(rng.choice(same))]).tolist())
    if kind == "concat":
        fitting = [t for t in made if net.dims(t)[:2] == (h, w)]
        members = rng.choice(fitting, int(rng.integers(2, 4))).tolist()
        if sum(net.dims(m)[2] for m in members) <= 3 * channels:
            return net.concat(*members)
    if kind == "se":
        return net.squeeze_excite(x, int(rng.integers(1, 17)))
    if kind == "upsample" and max(h, w) <= largest / 2:
        return net.upsample(x)
    if kind == "fc" and h <= 7 and w <= 7:
        return net.fc(x, few)
    return net.table(x)


def divisors(n):
    return [d for d in range(1, n + 1) if n % d == 0]


def random_window(rng, h, w, *, dilate):
    """Kernel, stride, pads (up to kernel - 1, each side its own) and dilation that fit h x w."""
    sides = []
    for extent in (h, w):
        kernel = int(rng.integers(1, 8))
        dilation = int(rng.integers(1, 4)) if dilate and rng.random() < 0.2 else 1
        before, after = (int(v) for v in rng.integers(0, kernel, 2))
        while (kernel - 1) * dilation + 1 > extent + before + after:
            kernel, dilation = kernel - 1, 1
            before, after = min(before, kernel - 1), min(after, kernel - 1)
        sides.append((kernel, int(rng.integers(1, 4)), dilation, before, after))
    (kh, sh, dh, top, bottom), (kw, sw, dw, left, right) = sides
    window = {"kernel": (kh, kw), "stride": (sh, sw), "pads": (top, left, bottom, right)}
    return window | ({"dilation": (dh, dw)} if dilate else {})
