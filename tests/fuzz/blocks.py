"""Blocks of drawn models, as exporters write them, and their ends.

What models are drawn of: BLOCKS, ENDS. The functions are as those of ``operators``.
"""

from __future__ import annotations

from tests.fuzz.exported import broadcast, exported
from tests.fuzz.moves import moved
from tests.fuzz.on_ps import (
    along_channels,
    deformed,
    interpolated,
    normalized,
    of_length_one,
    product,
    responded,
    unpooled,
)
from tests.fuzz.operators import CHANNELS, SIDE, activation, affine, batch_norm, conv, pool
from tests.fuzz.spelling import Model

__all__ = ["BLOCKS", "ENDS"]


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


def index(m: Model, x: str) -> str:
    """ArgMax or ArgMin of a map or of a head."""
    c = m.choices
    head = c.one_of([None, classifier, view])
    y = head(m, x) if head else x
    shape = m.shapes[y]
    axis, keep = c.between(1, len(shape)) % len(shape), not c.chance(40)
    how = {"axis": axis if axis or c.below(2) else None, "keepdims": 0 if not keep else None}
    if m.opset >= 11 and c.chance(30):
        how["axis"] = axis - len(shape)
    if m.opset >= 12 and c.chance(30):
        how["select_last_index"] = c.below(2)
    left = [1 if i == axis else n for i, n in enumerate(shape) if keep or i != axis]
    return m.add(c.one_of(["ArgMax", "ArgMin"]), [y], left, **how)


BLOCKS = (
    conv, activation, conv, batch_norm, pool, affine, residual, concat, squeeze_excite, activation,
    shuffle, channels, upsample, turned, padded, conv, largest, spread,
    interpolated, product, normalized, of_length_one, along_channels, responded, unpooled, deformed,
    moved, moved, exported, broadcast,
)  # fmt: skip
ENDS = (classifier, view, index)
