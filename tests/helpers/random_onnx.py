"""Random small ONNX nets by hypothesis: shapes and structure are drawn, numbers come of a seed."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from hypothesis import strategies as st

from accelgen.ir.activations import BY_ONNX
from accelgen.ir.shapes import window_sizes, windows_touch_map
from tests.helpers.nets import make_net, node

__all__ = ["ACTIVATIONS", "OnnxNet", "Room", "banded_nets", "nets"]

#: Largest side of a map, channels of a tensor, and beats (of 4 x 4 channels x 4 pixels) of a node.
SIDE, CHANNELS, BEATS = 33, 70, 25_000
#: A flattened map becomes a kernel as large as the map: it must fit the small weight memories.
FLAT_SIDE = 7

ACTIVATIONS = (
    "Relu", "Clip", "Swish", "HardSwish", "LeakyRelu", "Sigmoid", "HardSigmoid", "Tanh", "Mish",
)  # fmt: skip
ACTIVATIONS += tuple(
    sorted({op for op, kind in BY_ONNX.items() if kind.everywhere} - set(ACTIVATIONS))
)
ATTRIBUTES = {"LeakyRelu": {"alpha": 13 / 128}, "HardSigmoid": {"alpha": 1 / 6, "beta": 0.5}}


class OnnxNet:
    """Builds a model node by node; each method returns the tensor it makes.

    ``values`` says what weights look like: "normal", "signs" (1 or -1 each, so that int8 weights
    are all 127 or -127) or "ones". ``str()`` lists the nodes.
    """

    def __init__(self, shape, seed=0, values="normal"):
        self.shape, self.seed, self.values = shape, seed, values  # (h, w, c)
        self.rng = np.random.default_rng(seed)
        self.nodes, self.lines, self.constants = [], [], {}
        self.shapes = {"x": shape}

    def __repr__(self):
        head = f"x {self.shape}, seed {self.seed}, weights {self.values}"
        return "; ".join([head, *self.lines])

    def model(self, extra=()):
        """ONNX bytes; what nobody reads is an output, and ``extra`` are too."""
        read = {i for n in self.nodes for i in n.input}
        made = [n.output[0] for n in self.nodes]
        outputs = dict.fromkeys([*(t for t in made if t not in read), *extra])
        h, w, c = self.shape
        net = make_net(self.nodes, self.constants, shape=(1, c, h, w), outputs=" ".join(outputs))
        return net.SerializeToString()

    def _add(self, op, inputs, shape, **attributes):
        output = f"t{len(self.nodes)}"
        self.nodes.append(node(op, inputs, output, f"{op.lower()}_{output}", **attributes))
        self.shapes[output] = shape
        shown = "".join(f" {k}={v}" for k, v in attributes.items())
        self.lines.append(f"{output} = {op}({inputs}){shown} {shape}")
        return output

    def _weight(self, *shape):
        name = f"c{len(self.constants)}"
        if self.values == "normal":
            scale = np.sqrt(2 / max(prod(shape[1:]), 1))
            array = self.rng.standard_normal(shape) * scale
        else:
            array = np.ones(shape) if self.values == "ones" else self.rng.choice([-1.0, 1.0], shape)
        self.constants[name] = array.astype(np.float32)
        return name

    def _bias(self, channels):
        name = f"c{len(self.constants)}"
        self.constants[name] = (self.rng.standard_normal(channels) * 0.1).astype(np.float32)
        return name

    # Operators.

    def conv(self, x, channels, window, groups=1):
        """``window``: attributes of Conv with kernel_shape."""
        h, w, c = self.shapes[x]
        weight = self._weight(channels, c // groups, *window["kernel_shape"])
        shape = (*window_out(window, (h, w)), channels)
        inputs = f"{x} {weight} {self._bias(channels)}"
        return self._add("Conv", inputs, shape, group=groups, **window)

    def pool(self, op, x, window):
        h, w, c = self.shapes[x]
        counted = {"count_include_pad": 1} if op == "AveragePool" else {}
        return self._add(op, x, (*window_out(window, (h, w)), c), **window, **counted)

    def upsample(self, x):
        """Nearest neighbour, by two."""
        h, w, c = self.shapes[x]
        self.constants["two"] = np.array([1, 1, 2, 2], np.float32)
        modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self._add("Resize", f"{x} _ two", (2 * h, 2 * w, c), mode="nearest", **modes)

    def split(self, x, at):
        """Channels before ``at``, and the others."""
        h, w, c = self.shapes[x]
        self.constants[f"sizes{at}_{c}"] = np.array([at, c - at])
        first = f"t{len(self.nodes)}"
        both = f"{first} {first}b"
        self.nodes.append(node("Split", f"{x} sizes{at}_{c}", both, f"split_{first}", axis=1))
        self.shapes |= {first: (h, w, at), f"{first}b": (h, w, c - at)}
        self.lines.append(f"{both} = Split({x}) at {at}")
        return first, f"{first}b"

    def shuffle(self, x, groups):
        """Reshape, Transpose, Reshape."""
        h, w, c = self.shapes[x]
        split, joined = f"split{groups}_{h}_{w}_{c}", f"joined_{h}_{w}_{c}"
        self.constants[split] = np.array([1, groups, c // groups, h, w])
        self.constants[joined] = np.array([1, c, h, w])
        y = self._add("Reshape", f"{x} {split}", (groups, c // groups, h, w))
        y = self._add("Transpose", y, (c // groups, groups, h, w), perm=[0, 2, 1, 3, 4])
        return self._add("Reshape", f"{y} {joined}", (h, w, c))

    def whole(self, op, x):
        """GlobalAveragePool, GlobalMaxPool."""
        return self._add(op, x, (1, 1, self.shapes[x][2]))

    def activation(self, x, kind):
        shape = self.shapes[x]
        if kind == "Clip":
            self.constants |= {"low": np.float32(0), "high": np.float32(6)}
            return self._add("Clip", f"{x} low high", shape)
        if kind == "Swish":
            return self._add("Mul", f"{x} {self._add('Sigmoid', x, shape)}", shape)
        if kind == "Mish":
            gate = self._add("Tanh", self._add("Softplus", x, shape), shape)
            return self._add("Mul", f"{x} {gate}", shape)
        if kind in (
            "Exp",
            "Sinh",
            "Cosh",
        ):  # of sums as large as weights of ones make them, it is infinite
            x = self._add("Tanh", x, shape)
        return self._add(kind, x, shape, **ATTRIBUTES.get(kind, {}))

    def add(self, a, b):
        return self._add("Add", f"{a} {b}", self.shapes[a])

    def concat(self, members):
        h, w, _ = self.shapes[members[0]]
        shape = (h, w, sum(self.shapes[m][2] for m in members))
        return self._add("Concat", " ".join(members), shape, axis=1)

    def squeeze_excite(self, x, channels, kind, gate):
        s = self.whole("GlobalAveragePool", x)
        s = self.activation(self.conv(s, channels, POINT), kind)
        s = self.activation(self.conv(s, self.shapes[x][2], POINT), gate)
        return self._add("Mul", f"{x} {s}", self.shapes[x])

    def fully_connected(self, x, channels):
        """Flatten, Gemm, and back to a map."""
        size = prod(self.shapes[x])
        flat = self._add("Flatten", x, (size,))
        inputs = f"{flat} {self._weight(channels, size)} {self._bias(channels)}"
        y = self._add("Gemm", inputs, (channels,), transB=1)
        name = f"c{len(self.constants)}"
        self.constants[name] = np.array([1, channels, 1, 1])
        return self._add("Reshape", f"{y} {name}", (1, 1, channels))


POINT = {"kernel_shape": [1, 1]}


def window_out(window, size):
    """Height and width behind a window given by its attributes."""
    return window_sizes(
        tuple(window["kernel_shape"]), tuple(window.get("strides", (1, 1))),
        tuple(window.get("dilations", (1, 1))), tuple(window.get("pads", (0,) * 4)), size,
    )  # fmt: skip


# What is drawn.


@dataclass(frozen=True)
class Room:
    """The largest tensor: ``rows`` feature rows of ``pixels`` words of ``lanes`` channels.

    A step reads up to two tensors and writes one; in a memory of three it always fits.
    """

    lanes: int = 4
    pixels: int = 4
    rows: int = 1 << 20

    def channels(self, h, w):
        """Most channels of a map of h x w."""
        return max(0, min(CHANNELS, self.rows // -(-h * w // self.pixels) * self.lanes))


@st.composite
def nets(draw, room=None, *, most=7):
    """A connected net of one to ``most`` operators (a block counts as one)."""
    room = room or Room()
    h, w = draw(sides()), draw(sides())
    c = draw(st.integers(1, room.channels(h, w)))
    net = OnnxNet((h, w, c), draw(st.integers(0, 999)), draw(st.sampled_from(VALUES)))
    made = ["x"]
    for _ in range(draw(st.integers(1, most))):
        # Counted from the latest, so that a shrunk net is a chain.
        x = made[-1 - draw(st.integers(0, min(2, len(made) - 1)))]
        made.append(draw(st.sampled_from(OPERATORS))(Drawing(draw, net, room, made), x))
    return net


@st.composite
def banded_nets(draw, *, most=4):
    """Nets whose maps exceed a memory of some hundred rows: widths are whole rows of 8 pixels, so
    that they can pass through it in bands."""
    shape = (draw(st.integers(20, SIDE)), draw(st.sampled_from([16, 32])), draw(st.integers(1, 40)))
    net = OnnxNet(shape, draw(st.integers(0, 999)))
    made = ["x"]
    for _ in range(draw(st.integers(1, most))):
        at = Drawing(draw, net, Room(), made)
        made.append(draw(st.sampled_from(BANDED))(at, made[-1 - draw(st.integers(0, 1)) :][0]))
    return net


VALUES = ("normal", "normal", "normal", "signs", "ones")


def sides():
    """Small maps are as frequent as all others together."""
    return st.one_of(st.integers(1, 9), st.integers(1, SIDE))


@dataclass(frozen=True)
class Drawing:
    """What an operator is drawn from: hypothesis, the net so far, and what may be read."""

    draw: object
    net: OnnxNet
    room: Room
    made: list

    def channels(self, size, most=CHANNELS):
        """A number of channels for a map of ``size``."""
        return self.draw(st.integers(1, max(1, min(most, self.room.channels(*size)))))

    def window(self, x, groups_in, *, dilate=True, outside=True):
        """A window over ``x`` that is quick for ``groups_in`` groups, with room for its output."""
        h, w, c = self.net.shapes[x]
        window = self.draw(windows((h, w), dilate=dilate, outside=outside))
        if self.room.channels(*window_out(window, (h, w))) < c:
            kernel = [min(k, n) for k, n in zip(window["kernel_shape"], (h, w), strict=True)]
            window = {"kernel_shape": kernel, "strides": window["strides"]}
        kernel = window["kernel_shape"]
        while beats(window, (h, w), groups_in) > BEATS and max(kernel) > 1:
            kernel[kernel.index(max(kernel))] -= 1
            if self.room.channels(*window_out(window, (h, w))) < c:
                window.pop("pads", None)
        return window


@st.composite
def windows(draw, size, *, dilate=True, outside=True):
    """Attributes of a window over a map of ``size``; ``outside``: pads may be as large as the
    kernel, so that whole windows lie in the padding."""
    sides = []
    for extent in size:
        kernel = draw(st.integers(1, 7))
        before, after = (draw(st.integers(0, kernel - (not outside))) for _ in "ab")
        while extent + before + after > SIDE + kernel - 1 and before + after:
            before, after = (before - 1, after) if before else (before, after - 1)
        before += max(0, kernel - extent - before - after)
        room = (extent + before + after - 1) // max(1, kernel - 1)
        dilation = draw(st.integers(1, max(1, min(3, room)))) if dilate else 1
        sides.append((kernel, draw(st.integers(1, 3)), dilation, before, after))
    (kh, sh, dh, top, bottom), (kw, sw, dw, left, right) = sides
    return {
        "kernel_shape": [kh, kw], "strides": [sh, sw], "pads": [top, left, bottom, right],
        **({"dilations": [dh, dw]} if dilate else {}),
    }  # fmt: skip


def beats(window, size, groups_in):
    """Cycles of one output group on 4 x 4 channels and 4 pixels."""
    out_h, out_w = window_out(window, size)
    positions = out_h * out_w * window.get("strides", (1, 1))[1]
    return positions * prod(window["kernel_shape"]) * groups_in / 4


def _conv(at, x, *, point=False):
    h, w, c = at.net.shapes[x]
    groups_in = -(-c // 4)
    window = POINT if point else at.window(x, groups_in)
    most = int(BEATS / beats(window, (h, w), groups_in)) * 4
    return at.net.conv(x, at.channels(window_out(window, (h, w)), most), window)


def _pointwise(at, x):
    return _conv(at, x, point=True)


def _depthwise(at, x):
    c = at.net.shapes[x][2]
    return at.net.conv(x, c, at.window(x, -(-c // 4)), groups=c)


def _grouped(at, x):
    """Groups of any size, or a depthwise convolution with a multiplier."""
    h, w, c = at.net.shapes[x]
    groups = at.draw(st.sampled_from([g for g in range(1, c + 1) if c % g == 0]))
    # Groups narrower than a word take a word each.
    groups_in = -(-c // 4)
    window = at.window(x, groups_in * 4)
    most = int(BEATS / beats(window, (h, w), groups_in)) * 4
    each = at.channels(window_out(window, (h, w)), most) // groups
    return at.net.conv(x, groups * max(1, each), window, groups)


def _max_pool(at, x):
    h, w, c = at.net.shapes[x]
    window = at.window(x, -(-c // 4), outside=False)
    ones = {"dilations": (1, 1), "pads": (0,) * 4, **window}
    keys = ("kernel_shape", "strides", "dilations", "pads")
    if not windows_touch_map(*(tuple(ones[k]) for k in keys), (h, w)):
        window = {"kernel_shape": [min(h, 2), min(w, 2)], "strides": window["strides"]}
    return at.net.pool("MaxPool", x, window)


def _average_pool(at, x):
    c = at.net.shapes[x][2]
    return at.net.pool(
        "AveragePool", x, at.window(x, -(-c // 4), dilate=False, outside=False)
    )  # fmt: skip


def _global(at, x):
    largest = max(at.net.shapes[x][:2]) <= FLAT_SIDE and at.draw(st.booleans())
    return at.net.whole("GlobalMaxPool" if largest else "GlobalAveragePool", x)


def _activation(at, x):
    return at.net.activation(x, at.draw(st.sampled_from(ACTIVATIONS)))


def _residual(at, x):
    """With itself, where nothing else has its shape."""
    same = [t for t in at.made if at.net.shapes[t] == at.net.shapes[x]]
    return at.net.add(*at.draw(st.permutations([x, at.draw(st.sampled_from(same))])))


def _concat(at, x):
    shapes = at.net.shapes
    fitting = [t for t in at.made if shapes[t][:2] == shapes[x][:2]]
    members = [x]
    most = at.room.channels(*shapes[x][:2])
    for other in at.draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=2)):
        if sum(shapes[m][2] for m in [*members, other]) <= most:
            members.append(other)
    if len(members) == 1:
        return _activation(at, x)
    return at.net.concat(at.draw(st.permutations(members)))


def _inverted_residual(at, x):
    """Expand, activation, depthwise, activation, perhaps SE, project, add."""
    h, w, c = at.net.shapes[x]
    if h * w * c > 4000:
        return _depthwise(at, x)
    net, kind = at.net, at.draw(st.sampled_from(ACTIVATIONS))
    wide = at.channels((h, w))
    y = net.activation(net.conv(x, wide, POINT), kind)
    side = at.draw(st.sampled_from([1, 2]))
    window = {"kernel_shape": [2 * side + 1] * 2, "pads": [side] * 4}
    y = net.activation(net.conv(y, wide, window, groups=wide), kind)
    if at.draw(st.booleans()):
        y = net.squeeze_excite(y, at.draw(st.integers(1, 8)), kind, "Sigmoid")
    return net.add(net.conv(y, c, POINT), x)


def _squeeze_excite(at, x):
    gate = at.draw(st.sampled_from(["Sigmoid", "HardSigmoid"]))
    kind = at.draw(st.sampled_from(ACTIVATIONS))
    return at.net.squeeze_excite(x, at.draw(st.integers(1, 16)), kind, gate)


def _fully_connected(at, x):
    if max(at.net.shapes[x][:2]) > FLAT_SIDE:
        return _global(at, x)
    return at.net.fully_connected(x, at.draw(st.integers(1, CHANNELS)))


def _shuffle(at, x):
    c = at.net.shapes[x][2]
    groups = [g for g in range(2, c) if c % g == 0]
    return at.net.shuffle(x, at.draw(st.sampled_from(groups))) if groups else _activation(at, x)


def _split_unit(at, x):
    """ShuffleNetV2's: a part passes, the other is computed, both are joined and shuffled."""
    c = at.net.shapes[x][2]
    if c < 2:
        return _activation(at, x)
    passed, y = at.net.split(x, at.draw(st.integers(1, c - 1)))
    y = at.draw(st.sampled_from([_pointwise, _depthwise_same, _activation]))(at, y)
    if at.net.shapes[y][2] + at.net.shapes[passed][2] > at.room.channels(*at.net.shapes[x][:2]):
        return _shuffle(at, x)
    return _shuffle(at, at.net.concat([passed, y]))


def _depthwise_same(at, x):
    c = at.net.shapes[x][2]
    return at.net.conv(x, c, {"kernel_shape": [3, 3], "pads": [1] * 4}, groups=c)


def _upsample(at, x):
    """Between the passes it is padded."""
    h, w, c = at.net.shapes[x]
    if max(h, w) > SIDE // 2 or at.room.channels(2 * h + 2, 2 * w + 4) < c:
        return _activation(at, x)
    return at.net.upsample(x)


def _same(at, x, groups_in):
    """A window that keeps the map's size, or halves it while its width is two rows or more."""
    w = at.net.shapes[x][1]
    side = at.draw(st.integers(0, 2 if groups_in < 4 else 1))
    stride = at.draw(st.sampled_from([1, 2])) if w >= 16 else 1
    return {"kernel_shape": [2 * side + 1] * 2, "pads": [side] * 4, "strides": [stride] * 2}


def _same_conv(at, x):
    groups_in = -(-at.net.shapes[x][2] // 4)
    return at.net.conv(x, at.draw(st.integers(1, 24)), _same(at, x, groups_in))


def _same_depthwise(at, x):
    c = at.net.shapes[x][2]
    return at.net.conv(x, c, _same(at, x, 1), groups=c)


def _same_pool(at, x):
    window = _same(at, x, 1)
    if window["kernel_shape"] == [1, 1]:
        window = {"kernel_shape": [1, 1]}
    return at.net.pool(at.draw(st.sampled_from(["MaxPool", "AveragePool"])), x, window)


#: The simplest first: hypothesis shrinks towards it.
OPERATORS = (
    _pointwise, _activation, _conv, _depthwise, _grouped, _max_pool, _average_pool, _residual,
    _concat, _global, _squeeze_excite, _inverted_residual, _fully_connected,
    _conv, _depthwise, _activation, _upsample, _shuffle, _split_unit,
)  # fmt: skip
BANDED = (_same_conv, _activation, _same_depthwise, _same_pool, _residual, _squeeze_excite)
