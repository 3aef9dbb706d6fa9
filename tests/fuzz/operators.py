"""What drawn models consist of: operators, and blocks as exporters write them.

Every function takes a :class:`~.spelling.Model` and a map of it, and returns a map, or None where
it does not fit.
"""

from __future__ import annotations

from math import prod

import numpy as np

from accelgen.ir.shapes import window_sizes
from tests.fuzz.spelling import Model

__all__ = ["BLOCKS", "ENDS", "activation"]

CHANNELS, SIDE, MACS = 40, 24, 1_500_000


def _window(m: Model, x: str, *, most: int = 5) -> tuple[dict, tuple[int, int]]:
    """Attributes of a window over ``x``, and the size behind it."""
    c = m.choices
    h, w = m.shapes[x][2:]
    kernel = [c.between(1, min(most, h)), c.between(1, min(most, w))]
    if c.chance(60):
        kernel = [min(k, 3, h, w) for k in (kernel[0], kernel[0])]
    strides = [1 + c.chance(25), 1 + c.chance(25)] if not c.chance(8) else [c.between(1, 3)] * 2
    dilations = [1 + c.chance(8), 1 + c.chance(8)]
    pads = [c.below(k + (c.below(6) == 5)) for k in kernel * 2]
    if c.chance(40):
        pads = [k // 2 for k in kernel] * 2
    how = {"kernel_shape": kernel}
    if strides != [1, 1] or c.chance(50):
        how["strides"] = strides
    if dilations != [1, 1] or c.chance(20):
        how["dilations"] = dilations
    if c.chance(8):
        how["auto_pad"] = c.one_of(["SAME_UPPER", "SAME_LOWER", "VALID"])
        if how["auto_pad"] == "VALID":
            pads = [0] * 4
        elif dilations == [1, 1]:
            return how, (-(-h // strides[0]), -(-w // strides[1]))
        else:
            del how["auto_pad"]
    if any(pads) or c.chance(20):
        how["pads"] = pads
    if how.get("auto_pad"):
        how.pop("pads", None)
    size = window_sizes(tuple(kernel), tuple(strides), tuple(dilations), tuple(pads), (h, w))
    return how, size


def conv(m: Model, x: str) -> str | None:
    """Conv of any kind."""
    c = m.choices
    n, i = m.shapes[x][:2]
    how, size = _window(m, x)
    if min(size) < 1:
        return None
    kind = c.below(4)
    groups = (1, 1, i, c.one_of([g for g in range(1, i + 1) if i % g == 0]))[kind]
    o = groups * c.between(1, max(1, min(CHANNELS, 16 if kind < 2 else 2 * i) // groups))
    if prod(size) * o * i // groups * prod(how["kernel_shape"]) > MACS or o > CHANNELS:
        return None
    weight = m.floats(o, i // groups, *how["kernel_shape"])
    bias = [m.floats(o, scale=0.2)] if c.below(3) != 2 else []
    if groups > 1 or c.chance(30):
        how["group"] = groups
    if c.chance(30):
        del how["kernel_shape"]  # the weight says it
    pads = how.get("pads", [0] * 4)
    if any(pads) and c.chance(15):  # padded by a node of its own
        del how["pads"]
        x = m.pad(x, tuple(pads))
    return m.add("Conv", [x, weight, *bias], (n, o, *size), **how)


def batch_norm(m: Model, x: str) -> str:
    """BatchNormalization."""
    n = m.shapes[x][1]
    var = m.constant(m.rng.uniform(0.3, 2, n).astype(np.float32))
    given = [x, m.floats(n, scale=1.0), m.floats(n, scale=0.5), m.floats(n, scale=0.5), var]
    how = {"epsilon": 1e-3} if m.choices.chance(40) else {}
    if m.choices.chance(30):
        how["momentum"] = 0.9
    if m.opset >= 14 and m.choices.chance(20):
        how["training_mode"] = 0
    return m.add("BatchNormalization", given, m.shapes[x], **how)


def pool(m: Model, x: str) -> str | None:
    """MaxPool or AveragePool, with the attributes they have."""
    c = m.choices
    n, i, h, w = m.shapes[x]
    op = c.one_of(["MaxPool", "AveragePool"])
    how, size = _window(m, x, most=4)
    if min(size) < 1:
        return None
    if op == "AveragePool":
        if m.opset < 19 and how.pop("dilations", [1, 1]) != [1, 1]:
            return None
        if not c.chance(10):
            how["count_include_pad"] = 1
    elif m.opset < 10 and how.pop("dilations", [1, 1]) != [1, 1]:
        return None
    if any(p >= k for p, k in zip(how.get("pads", [0] * 4), how["kernel_shape"] * 2, strict=True)):
        return None
    if m.opset >= 10 and c.chance(10) and "auto_pad" not in how:
        how["ceil_mode"] = c.below(2)
        if how["ceil_mode"]:
            return None if c.chance(70) else m.add(op, [x], (n, i, *_ceiled(how, (h, w))), **how)
    if op == "MaxPool" and c.chance(5):
        how["storage_order"] = 0
    return m.add(op, [x], (n, i, *size), **how)


def _ceiled(how: dict, size) -> tuple[int, ...]:
    strides, dilations = how.get("strides", [1, 1]), how.get("dilations", [1, 1])
    pads = how.get("pads", [0] * 4)
    out = []
    for a in (0, 1):
        span = size[a] + pads[a] + pads[a + 2] - dilations[a] * (how["kernel_shape"][a] - 1) - 1
        out.append(-(-span // strides[a]) + 1)
        if (out[-1] - 1) * strides[a] >= size[a] + pads[a]:
            out[-1] -= 1
    return tuple(out)


def activation(m: Model, x: str) -> str:
    """Any activation, as an operator or spelled out."""
    c, shape = m.choices, m.shapes[x]
    kind = c.below(20)
    if kind < 4:
        return m.add("Relu", [x], shape)
    if kind == 4:
        low, high = c.one_of([(0, 6), (0, None), (None, 1.5), (-1, 1), (None, None), (0.5, 4)])
        return m.clip(x, low, high)
    if kind == 5:
        alpha = c.one_of([None, 0.1, 0.2, 13 / 128])
        return m.add("LeakyRelu", [x], shape, alpha=alpha)
    if kind == 6:
        names = ["Sigmoid", "Tanh", "Softplus", "Softsign", "Abs", "Exp", "Erf", "Selu", "Neg"]
        return m.add(c.one_of(names), [x], shape)
    if kind == 7:
        alpha, beta = c.one_of([(None, None), (1 / 6, 0.5), (0.25, 0.4)])
        return m.add("HardSigmoid", [x], shape, alpha=alpha, beta=beta)
    if kind == 8:
        return m.add("Elu", [x], shape, alpha=c.one_of([None, 0.5, 1.0]))
    if kind == 9:
        slope = c.one_of([(1,), (), (1, 1, 1), (shape[1], 1, 1)]) if len(shape) == 4 else (1,)
        value = np.full(slope, 0.2, np.float32)
        if value.size > 1 and c.chance(30):
            value = m.rng.uniform(0.1, 0.4, slope).astype(np.float32)
        return m.add("PRelu", [x, m.constant(value)], shape)
    if kind == 10:
        op = c.one_of(["Max", "Min"])
        given = [x, m.constant(np.float32(c.one_of([0, 0.5, -0.5])))]
        return m.add(op, given[:: c.one_of([1, -1])], shape)
    if kind == 11 and m.opset >= 14:
        return m.add("HardSwish", [x], shape)
    if kind == 12 and m.opset >= 18:
        return m.add("Mish", [x], shape)
    if kind in (11, 13):
        return _hard_swish(m, x)
    if kind in (12, 14):
        gate = m.add("Tanh", [m.add("Softplus", [x], shape)], shape)
        return m.add("Mul", [x, gate], shape)
    if kind == 15:
        gate = m.add(c.one_of(["Sigmoid", "HardSigmoid"]), [x], shape)
        return m.add("Mul", [x, gate][:: c.one_of([1, -1])], shape)
    if kind == 16:
        return _dropout(m, x)
    if kind == 17:
        return m.add("Cast", [x], shape, to=1)
    if kind == 18:
        return _seldom(m, x)
    return m.add("Identity", [x], shape)


def _seldom(m: Model, x: str) -> str:
    """What few networks have."""
    c, shape = m.choices, m.shapes[x]
    kind = c.below(6)
    if kind == 0 and m.opset >= 12:
        return m.add("Celu", [x], shape, alpha=c.one_of([None, 0.5, 2.0]))
    if kind == 1 and m.opset >= 10:
        return m.add("ThresholdedRelu", [x], shape, alpha=c.one_of([None, 0.0, 0.5]))
    if kind == 2 and m.opset >= 20:
        return m.add("Gelu", [x], shape, approximate=c.one_of([None, "none", "tanh"]))
    if kind == 3 and m.opset >= 24:
        return m.add("Swish", [x], shape)
    if kind == 4:
        return m.add("Sqrt", [m.add(c.one_of(["Relu", "Abs"]), [x], shape)], shape)
    power = m.constant(np.float32(c.one_of([1, 2, 3, 0.5])))
    return m.add("Pow", [x, power], shape)


def _dropout(m: Model, x: str) -> str:
    if m.opset < 12:
        return m.add("Dropout", [x], m.shapes[x], ratio=m.choices.one_of([None, 0.3]))
    ratio = [m.constant(np.float32(0.4))] if m.choices.below(2) else []
    return m.add("Dropout", [x, *ratio], m.shapes[x])


def _hard_swish(m: Model, x: str) -> str:
    """x * Clip(x + 3, 0, 6) / 6, in the orders exporters have."""
    c, shape = m.choices, m.shapes[x]
    three, six = m.constant(np.float32(3)), m.constant(np.float32(6))
    a = m.clip(m.add("Add", [x, three][:: c.one_of([1, -1])], shape), 0, 6)
    way = c.below(3)
    if way == 0:
        return m.add("Div", [m.add("Mul", [x, a], shape), six], shape)
    if way == 1:
        return m.add("Mul", [x, m.add("Div", [a, six], shape)], shape)
    sixth = m.constant(np.float32(1 / 6))
    return m.add("Mul", [m.add("Mul", [x, a], shape), sixth], shape)


def affine(m: Model, x: str) -> str:
    """Add, Sub, Mul or Div with a constant."""
    c, shape = m.choices, m.shapes[x]
    sizes = [(), (1,), (shape[1], 1, 1), (1, shape[1], 1, 1), (1, 1, 1, 1)]
    value = m.rng.uniform(0.4, 2, c.one_of(sizes)).astype(np.float32)
    op = c.one_of(["Add", "Mul", "Sub", "Div", "Sum"])
    given = [x, m.constant(value)]
    if op in ("Add", "Mul", "Sum", "Sub") and c.chance(30):
        given.reverse()
    return m.add(op, given, shape)


def residual(m: Model, x: str) -> str:
    """Add or Sum of maps of one shape."""
    same = [t for t, s in m.shapes.items() if s == m.shapes[x] and t != x]
    other = m.choices.one_of([*same, x]) if len(same) < 9 else same[-1]
    op = m.choices.one_of(["Add", "Add", "Sum"])
    given = [x, other]
    if op == "Sum" and m.choices.chance(30):
        given.append(x)
    return m.add(op, given, m.shapes[x])


def concat(m: Model, x: str) -> str | None:
    """Concat of channels."""
    n, _, h, w = m.shapes[x]
    fitting = [t for t, s in m.shapes.items() if len(s) == 4 and s[2:] == (h, w)]
    members = [x]
    for _ in range(m.choices.between(1, 2)):
        members.insert(m.choices.below(2), m.choices.one_of(fitting))
    total = sum(m.shapes[t][1] for t in members)
    if total > 2 * CHANNELS:
        return None
    axis = -3 if m.choices.chance(10) and m.opset >= 11 else 1
    return m.add("Concat", members, (n, total, h, w), axis=axis)


def squeeze_excite(m: Model, x: str) -> str:
    """Gate of one number per channel, by Convs or fully connected layers."""
    c = m.choices
    n, i, h, w = m.shapes[x]
    s = spread(m, x)
    mid = c.between(1, 8)
    if c.below(2):
        s = m.add("Flatten", [s], (n, i))
        s = m.add("Relu", [_dense(m, s, mid)], (n, mid))
        s = _gate(m, _dense(m, s, i))
        back = c.below(2)
        s = m.reshape(s, [n, i, 1, 1]) if back else m.squeeze(s, [2, 3], "Unsqueeze")
    else:
        s = m.add("Conv", [s, m.floats(mid, i, 1, 1), m.floats(mid, scale=0.1)], (n, mid, 1, 1))
        s = activation(m, s)
        s = m.add("Conv", [s, m.floats(i, mid, 1, 1), m.floats(i, scale=0.1)], (n, i, 1, 1))
        s = _gate(m, s)
    return m.add("Mul", [x, s][:: c.one_of([1, -1])], (n, i, h, w))


def _gate(m: Model, s: str) -> str:
    return m.add(m.choices.one_of(["Sigmoid", "HardSigmoid"]), [s], m.shapes[s])


def spread(m: Model, x: str) -> str:
    """The mean of a map, (n, c, 1, 1)."""
    n, i, h, w = m.shapes[x]
    way = m.choices.below(4)
    if way == 1:
        return m.reduce(x, keep=True)
    if way == 2:
        return m.squeeze(m.reduce(x, keep=False), [2, 3], "Unsqueeze")
    if way == 3 and max(h, w) < 8:
        return m.add("AveragePool", [x], (n, i, 1, 1), kernel_shape=[h, w])
    return m.add("GlobalAveragePool", [x], (n, i, 1, 1))


def largest(m: Model, x: str) -> str:
    """GlobalMaxPool, as such or as a reduction; or the sum."""
    op = m.choices.one_of(["GlobalMaxPool", "ReduceMax", "ReduceSum"])
    if op == "GlobalMaxPool":
        return m.add(op, [x], (*m.shapes[x][:2], 1, 1))
    return m.reduce(x, True, op)


def shuffle(m: Model, x: str) -> str | None:
    """Channel shuffle: Reshape, Transpose, Reshape."""
    n, i, h, w = m.shapes[x]
    groups = [g for g in range(2, i) if i % g == 0]
    if not groups:
        return None
    g = m.choices.one_of(groups)
    y = m.reshape(x, [n, g, i // g, h, w])
    y = m.add("Transpose", [y], (n, i // g, g, h, w), perm=[0, 2, 1, 3, 4])
    return m.reshape(y, [n, i, h, w])


def channels(m: Model, x: str) -> str | None:
    """Split, Slice or Gather of channels."""
    c = m.choices
    n, i, h, w = m.shapes[x]
    if i < 2:
        return None
    way = c.below(3)
    if way == 0:
        at = c.between(1, i - 1)
        return c.one_of(m.split(x, [i // 2] * 2 if i % 2 == 0 and c.below(2) else [at, i - at]))
    if way == 1:
        start = c.below(i)
        return m.cut(x, start, c.between(start + 1, i))
    order = m.rng.permutation(i)[: c.between(1, i)]
    return m.add("Gather", [x, m.ints(*order)], (n, len(order), h, w), axis=1)


def upsample(m: Model, x: str) -> str | None:
    """Nearest neighbour, by two."""
    return m.upsample(x) if max(m.shapes[x][2:]) <= SIDE // 2 else None


def turned(m: Model, x: str) -> str:
    """To NHWC, perhaps through something that works on either, and back."""
    n, i, h, w = m.shapes[x]
    y = m.add("Transpose", [x], (n, h, w, i), perm=[0, 2, 3, 1])
    if m.choices.below(2):
        y = activation(m, y) if m.choices.below(2) else m.add("Mul", [y, m.floats(i)], (n, h, w, i))
    return m.add("Transpose", [y], (n, i, h, w), perm=[0, 3, 1, 2])


def padded(m: Model, x: str) -> str | None:
    """A Pad with something else than a Conv behind it."""
    how = {} if m.choices.below(3) else {"mode": m.choices.one_of(["constant", "reflect", "edge"])}
    if min(m.shapes[x][2:]) < 2:
        return None
    return m.pad(x, tuple(m.choices.below(2) for _ in range(4)), **how)


def _dense(m: Model, x: str, outputs: int) -> str:
    """A fully connected layer on (n, features): Gemm in its ways, or MatMul and Add."""
    c = m.choices
    n, i = m.shapes[x]
    way = c.below(4)
    if way == 3:
        y = m.add("MatMul", [x, m.floats(i, outputs, scale=float(i) ** -0.5)], (n, outputs))
        return m.add("Add", [y, m.floats(outputs, scale=0.1)], (n, outputs)) if c.below(2) else y
    turned = way < 2
    weight = m.floats(*((outputs, i) if turned else (i, outputs)), scale=float(i) ** -0.5)
    how = {"transB": 1} if turned else {}
    if c.chance(10):
        how |= {"alpha": 0.5}
    if c.chance(10):
        how |= {"beta": c.one_of([1.0, 2.0, 0.0])}
    bias = [m.floats(outputs, scale=0.1)]
    if m.opset >= 11 and c.chance(20):
        bias = []
    return m.add("Gemm", [x, weight, *bias], (n, outputs), **how)


def classifier(m: Model, x: str) -> str:
    """Flatten or its kin, fully connected layers, perhaps Softmax."""
    c = m.choices
    n, i, h, w = m.shapes[x]
    if h * w > 49 or c.below(2):
        x = spread(m, x)
        h = w = 1
    way = c.below(3)
    size = i * h * w
    if way == 0:
        y = m.add("Flatten", [x], (n, size), axis=c.one_of([None, 1]))
    elif way == 1 or (h, w) != (1, 1):
        y = m.reshape(x, [n, size])
    else:
        y = m.squeeze(x, [2, 3])
    for _ in range(c.between(0, 2)):
        y = _dense(m, y, c.between(1, 20))
        if c.below(2):
            y = activation(m, y)
    if c.chance(40):
        axis = c.one_of([1, -1, None]) if m.opset >= 13 else c.one_of([1, None])
        y = m.add("Softmax", [y], m.shapes[y], axis=axis)
    return y


def view(m: Model, x: str) -> str:
    """A way heads end: turned, flattened, split in anchors."""
    c = m.choices
    n, i, h, w = m.shapes[x]
    way = c.below(5)
    if way == 0:
        return m.add("Flatten", [x], (n, i * h * w))
    if way == 1:
        return m.reshape(x, [n, i, h * w])
    if way == 2:
        return m.add("Transpose", [x], (n, h, w, i), perm=[0, 2, 3, 1])
    parts = c.one_of([g for g in range(1, i + 1) if i % g == 0])
    if way == 3:
        y = m.reshape(x, [n, parts, i // parts, h, w])
        return m.add("Transpose", [y], (n, parts, h, w, i // parts), perm=[0, 1, 3, 4, 2])
    y = m.add("Transpose", [x], (n, h, w, i), perm=[0, 2, 3, 1])
    return m.reshape(y, [n, h * w * parts, i // parts])


BLOCKS = (
    conv, activation, conv, batch_norm, pool, affine, residual, concat, squeeze_excite, activation,
    shuffle, channels, upsample, turned, padded, conv, largest, spread,
)  # fmt: skip
ENDS = (classifier, view)
