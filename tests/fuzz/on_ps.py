"""Operators that only the PS computes."""

from __future__ import annotations

import numpy as np

from accelgen.ir.ps_ops import COORDINATES
from tests.fuzz.spelling import Model

__all__ = [
    "along_channels", "deformed", "interpolated", "normalized", "of_length_one", "product",
    "responded", "unpooled",
]  # fmt: skip

SIDE = 24


def interpolated(m: Model, x: str) -> str | None:
    """Resize or Upsample, linear."""
    c = m.choices
    n, i, h, w = m.shapes[x]
    # Upsample, that of before opset 10, makes no map smaller.
    factors = [2, 2, 1.5, 3, 4 / 3, *([0.5, 0.7] if m.opset >= 10 else [])]
    scales = [c.one_of(factors) for _ in "hw"]
    given = np.array([1, 1, *scales], np.float32)
    size = [int(np.float32(old) * s) for old, s in zip((h, w), given[2:], strict=True)]
    if not 1 <= min(size) <= max(size) <= SIDE:
        return None
    shape = (n, i, *size)
    if m.opset < 11:
        kind = "Resize" if m.opset == 10 else "Upsample"
        if m.opset < 9:
            return m.add(kind, [x], shape, mode="linear", scales=given.tolist())
        return m.add(kind, [x, m.constant(given)], shape, mode="linear")
    mode = {"mode": "linear", "coordinate_transformation_mode": c.one_of([*COORDINATES])}
    empty = m.constant(np.zeros(0, np.float32)) if m.opset < 13 else ""
    if c.chance(40):
        return m.add("Resize", [x, empty, empty, m.ints(*shape)], shape, **mode)
    return m.add("Resize", [x, empty, m.constant(given)], shape, **mode)


def product(m: Model, x: str) -> str | None:
    """Of two maps: a gate made of the neighbourhood, or of other channels."""
    c = m.choices
    n, i, h, w = m.shapes[x]
    if c.below(2):
        y = m.add("MaxPool", [x], m.shapes[x], kernel_shape=[3, 3], pads=[1] * 4)
    else:
        y = m.add("Conv", [x, m.floats(i, i, 1, 1)], (n, i, h, w))
    if c.below(2):
        y = m.add("Sigmoid", [y], m.shapes[x])
    return m.add("Mul", [x, y] if c.below(2) else [y, x], m.shapes[x])


def normalized(m: Model, x: str) -> str | None:
    """By its own statistics: in one node, or LayerNormalization spelled out."""
    c = m.choices
    shape = n, i, h, w = m.shapes[x]
    if c.chance(40):
        if h * w == 1:
            return None
        if m.opset >= 18 and c.below(2):
            groups = c.one_of([g for g in range(1, i + 1) if i % g == 0])
            if m.opset >= 21 and c.below(2):
                given = [x, m.floats(i), m.floats(i)]
                return m.add("GroupNormalization", given, shape, num_groups=groups)
            flat = m.add("Reshape", [x, m.ints(1, groups, -1)], (1, groups, i // groups * h * w))
            del m.shapes[flat]  # no map: nothing else may read it
            weights = [m.floats(groups), m.floats(groups)]
            flat = m.add("InstanceNormalization", [flat, *weights], (1, groups, 1))
            del m.shapes[flat]
            return m.add("Reshape", [flat, m.ints(*shape)], shape)
        return m.add("InstanceNormalization", [x, m.floats(i), m.floats(i)], shape)
    axes = c.one_of([[1], [1, 2, 3]])
    if i == 1 and (axes == [1] or h * w == 1):
        return None
    if m.opset >= 17 and c.below(2):
        last = (n, h, w, i)
        t = m.add("Transpose", [x], last, perm=[0, 2, 3, 1])
        t = m.add("LayerNormalization", [t, m.floats(i), m.floats(i)], last, epsilon=0.01)
        return m.add("Transpose", [t], shape, perm=[0, 3, 1, 2])
    small = tuple(1 if axis in axes else size for axis, size in enumerate(shape))

    def mean(y: str) -> str:
        if m.opset < 18:
            return m.add("ReduceMean", [y], small, axes=axes)
        return m.add("ReduceMean", [y, m.ints(*axes)], small)

    centred = m.add("Sub", [x, mean(x)], shape)
    square = m.add("Mul", [centred, centred], shape)
    root = m.add("Sqrt", [m.add("Add", [mean(square), m.constant(np.float32(0.01))], small)], small)
    return m.add("Div", [centred, root], shape)


def of_length_one(m: Model, x: str) -> str | None:
    """LpNormalization, or PyTorch's normalize."""
    c = m.choices
    shape = n, i, h, w = m.shapes[x]
    if i == 1:
        return None
    if c.below(2):
        return m.add("LpNormalization", [x], shape, axis=1, p=c.one_of([None, 2]))
    one = (n, 1, h, w)
    given = [] if m.opset < 18 else [m.ints(1)]
    length = m.add("ReduceL2", [x, *given], one, **({} if given else {"axes": [1]}))
    return m.add("Div", [x, m.clip(length, 1e-12, None)], shape)


def along_channels(m: Model, x: str) -> str | None:
    """LRN, Softmax, or CBAM's spatial attention."""
    c = m.choices
    shape = n, _, h, w = m.shapes[x]
    way = c.below(3)
    if way == 0:
        how = {"size": c.one_of([1, 3, 5, 7]), "alpha": c.one_of([1e-4, 0.5]), "beta": 0.75}
        return m.add("LRN", [x], shape, **how, bias=c.one_of([1.0, 2.0]))
    one = (n, 1, h, w)
    if way == 1:
        if m.opset >= 13 and c.chance(40):
            return _softmax_in_pieces(m, x)
        return m.add("Softmax", [x], shape, axis=1) if m.opset >= 13 else None
    if m.opset < 18:
        parts = [m.add(f"Reduce{kind}", [x], one, axes=[1]) for kind in ("Mean", "Max")]
    else:
        parts = [m.add(f"Reduce{kind}", [x, m.ints(1)], one) for kind in ("Mean", "Max")]
    both = m.add("Concat", parts, (n, 2, h, w), axis=1)
    gate = m.add("Conv", [both, m.floats(1, 2, 3, 3)], one, pads=[1] * 4)
    return m.add("Mul", [x, m.add("Sigmoid", [gate], one)], shape)


def _softmax_in_pieces(m: Model, x: str) -> str:
    n, _, h, w = shape = m.shapes[x]
    one = (n, 1, h, w)
    if m.opset < 18:
        largest = m.add("ReduceMax", [x], one, axes=[1])
    else:
        largest = m.add("ReduceMax", [x, m.ints(1)], one)
    powers = m.add("Exp", [m.add("Sub", [x, largest], shape)], shape)
    return m.add("Div", [powers, m.add("ReduceSum", [powers, m.ints(1)], one)], shape)


def responded(m: Model, x: str) -> str | None:
    """ConvNeXt V2's global response normalization."""
    shape = n, i, h, w = m.shapes[x]
    if m.opset < 11 or h * w == 1:
        return None
    sizes, mean = (n, i, 1, 1), (n, 1, 1, 1)
    if m.opset < 18:
        g = m.add("ReduceL2", [x], sizes, axes=[2, 3])
        a = m.add("ReduceMean", [g], mean, axes=[1])
    else:
        g = m.add("ReduceL2", [x, m.ints(2, 3)], sizes)
        a = m.add("ReduceMean", [g, m.ints(1)], mean)
    a = m.add("Add", [a, m.constant(np.float32(1e-3))], mean)
    return m.add("Mul", [x, m.add("Div", [g, a], sizes)], shape)


def unpooled(m: Model, x: str) -> str | None:
    """SegNet's: a pool, a convolution, and back by the pool's indices."""
    c = m.choices
    shape = n, i, h, w = m.shapes[x]
    kernel = [c.between(1, 3), c.between(1, 3)]
    if h < kernel[0] or w < kernel[1] or kernel == [1, 1] or m.opset < 11:
        return None
    small = (n, i, h // kernel[0], w // kernel[1])
    how = {"kernel_shape": kernel, "strides": kernel}
    pooled = m.add("MaxPool", [x], [small, small], outputs=2, **how)
    indices = m.nodes[-1].output[1]
    del m.shapes[indices]  # no map: nothing else may read it
    inner = m.add("Conv", [pooled, m.floats(i, i, 1, 1)], small)
    divides = (small[2] * kernel[0], small[3] * kernel[1]) == (h, w)
    given = [] if divides and c.below(2) else [m.ints(*shape)]
    return m.add("MaxUnpool", [inner, indices, *given], shape, **how)


def deformed(m: Model, x: str) -> str | None:
    """A deformable convolution, its offsets and its mask made of its own input."""
    c = m.choices
    n, i, h, w = m.shapes[x]
    kernel, stride, pad = [c.between(1, 3), c.between(1, 3)], c.one_of([1, 1, 2]), c.below(2)
    size = [(a + 2 * pad - k) // stride + 1 for a, k in zip((h, w), kernel, strict=True)]
    if m.opset < 19 or min(size) < 1:
        return None
    groups = 2 if i % 2 == 0 and c.chance(30) else 1
    taps, outputs = groups * kernel[0] * kernel[1], c.between(1, 9)
    how = {"pads": [pad] * 4, "strides": [stride] * 2}
    at = m.add("Conv", [x, m.floats(2 * taps, i, *kernel)], (n, 2 * taps, *size), **how)
    given = [x, m.floats(outputs, i, *kernel), at]
    if c.below(2):
        mask = m.add("Conv", [x, m.floats(taps, i, *kernel)], (n, taps, *size), **how)
        given += [m.floats(outputs), m.add("Sigmoid", [mask], (n, taps, *size))]
    return m.add("DeformConv", given, (n, outputs, *size), **how, offset_group=groups)
