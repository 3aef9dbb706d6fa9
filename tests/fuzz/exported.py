"""Blocks that exporters spell in many nodes: Focus, blocks of pixels, ECA, selective kernels; and
operands of other shapes than the map."""

from __future__ import annotations

from tests.fuzz.operators import BROADCAST
from tests.fuzz.spelling import Model

__all__ = ["broadcast", "exported"]

FAR = (1 << 63) - 1
MOST = 40


def exported(m: Model, x: str) -> str | None:
    """One of the blocks below."""
    return m.choices.one_of([_focus, _blocks, _eca, _selective])(m, x)


def _focus(m: Model, x: str) -> str | None:
    n, i, h, w = m.shapes[x]
    if m.opset < 10 or h % 2 or w % 2 or 4 * i > MOST:
        return None
    half = (n, i, h // 2, w // 2)
    parts = []
    for row, column in ((0, 0), (1, 0), (0, 1), (1, 1)):
        if m.choices.below(2):
            far, axes, steps = m.ints(FAR, FAR), m.ints(2, 3), m.ints(2, 2)
            parts.append(m.add("Slice", [x, m.ints(row, column), far, axes, steps], half))
            continue
        rows = [x, m.ints(row), m.ints(FAR), m.ints(2), m.ints(2)]
        y = m.add("Slice", rows, (n, i, h // 2, w))
        parts.append(m.add("Slice", [y, m.ints(column), m.ints(w), m.ints(3), m.ints(2)], half))
    y = m.add("Concat", parts, (n, 4 * i, *half[2:]), axis=1)
    o = m.choices.between(1, 16)
    return m.add("Conv", [y, m.floats(o, 4 * i, 3, 3)], (n, o, *half[2:]), pads=[1] * 4)


def _blocks(m: Model, x: str) -> str | None:
    n, i, h, w = m.shapes[x]
    a, b = (m.choices.one_of([1, 2, 3, 4]) for _ in "hw")
    if h % a or w % b or a * b * i > MOST or 1 in (a, b, h // a, w // b, i):
        return None
    y = m.reshape(x, [n, i, h // a, a, w // b, b])
    perm = m.choices.one_of([[0, 3, 5, 1, 2, 4], [0, 1, 3, 5, 2, 4], [0, 5, 1, 3, 2, 4]])
    y = m.add("Transpose", [y], [m.shapes[y][p] for p in perm], perm=perm)
    return m.reshape(y, [n, i * a * b, h // a, w // b])


def _eca(m: Model, x: str) -> str:
    n, i, h, w = m.shapes[x]
    y = m.add("GlobalAveragePool", [x], (n, i, 1, 1))
    if m.choices.below(2):
        y = m.squeeze(y, [3])
        y = m.add("Transpose", [y], (n, 1, i), perm=[0, 2, 1])
    else:
        y = m.reshape(y, [n, 1, i])
    k = m.choices.one_of([1, 3, 5])
    y = m.add("Conv", [y, m.floats(1, 1, k)], (n, 1, i), pads=[k // 2] * 2)
    y = m.add("Sigmoid", [y], (n, 1, i))
    y = m.reshape(y, [n, i, 1, 1])
    if m.opset >= BROADCAST and m.choices.below(2):
        size = m.add("Shape", [x], (4,))
        y = m.add("Expand", [y, size], (n, i, h, w))
    return m.add("Mul", [x, y][:: m.choices.one_of([1, -1])], (n, i, h, w))


def _selective(m: Model, x: str) -> str | None:
    n, i, h, w = m.shapes[x]
    if m.opset < 13 or i > MOST // 2:
        return None
    a = m.add("Conv", [x, m.floats(i, i, 1, 1)], (n, i, h, w))
    b = m.add("Relu", [x], (n, i, h, w))
    stack = [m.squeeze(y, [1], "Unsqueeze") for y in (a, b)]
    both = m.add("Concat", stack, (n, 2, i, h, w), axis=1)
    total = m.add("ReduceSum", [both, m.ints(1)], (n, i, h, w), keepdims=0)
    s = m.add("GlobalAveragePool", [total], (n, i, 1, 1))
    s = m.add("Conv", [s, m.floats(2 * i, i, 1, 1)], (n, 2 * i, 1, 1))
    s = m.add("Reshape", [s, m.ints(n, 2, i, 1, 1)], (n, 2, i, 1, 1))
    s = m.add("Softmax", [s], (n, 2, i, 1, 1), axis=1)
    y = m.add("Mul", [both, s], (n, 2, i, h, w))
    return m.add("ReduceSum", [y, m.ints(1)], (n, i, h, w), keepdims=0)


def broadcast(m: Model, x: str) -> str:
    """Add, Sub, Max or Min of a map and a vector, a single channel, or another map."""
    c = m.choices
    n, i, h, w = m.shapes[x]
    way = c.below(3)
    if way == 0:
        y = m.add("GlobalAveragePool", [x], (n, i, 1, 1))
        # A map minus its own mean has the mean 0: a scale of nothing but noise.
        y = m.add("Conv", [y, m.floats(i, i, 1, 1), m.floats(i)], (n, i, 1, 1))
    else:
        o = 1 if way == 1 else i
        y = m.add("Conv", [x, m.floats(o, i, 1, 1)], (n, o, h, w))
    op = c.one_of(["Add", "Sub", *(["Max", "Min"] if m.opset >= BROADCAST else [])])
    return m.add(op, [x, y][:: c.one_of([1, -1])], (n, i, h, w))
