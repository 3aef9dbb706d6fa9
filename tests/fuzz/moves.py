"""Operators that move pixels: drawn in every form that fits a small map."""

from __future__ import annotations

from math import prod

from tests.fuzz.spelling import Model

__all__ = ["moved"]

SIDE = 24


def moved(m: Model, x: str) -> str | None:
    """Any of them."""
    ways = (
        _transposed, _transposed, _to_depth, _to_space, _sliced, _enlarged, _bordered, _unpooled,
    )  # fmt: skip
    return m.choices.one_of(ways)(m, x)


def _transposed(m: Model, x: str) -> str | None:
    """ConvTranspose."""
    c = m.choices
    n, i, h, w = m.shapes[x]
    kernel = [c.between(1, 4) for _ in "hw"]
    strides = [c.between(1, 3) for _ in "hw"]
    dilations = [c.one_of([1, 1, 2]) for _ in "hw"]
    more = [c.below(s) for s in strides]
    pads = [c.below(2) for _ in range(4)]
    group = c.one_of([1, 1, *(g for g in range(2, i + 1) if i % g == 0)])
    outputs = group * c.between(1, max(1, 12 // group))
    size = [
        (old - 1) * s + d * (k - 1) + 1 + o - pads[a] - pads[a + 2]
        for a, (old, s, d, k, o) in enumerate(
            zip((h, w), strides, dilations, kernel, more, strict=True)
        )
    ]
    if not 1 <= min(size) <= max(size) <= SIDE:
        return None
    scale = float(i * prod(kernel)) ** -0.5
    weight = m.floats(i, outputs // group, *kernel, scale=scale)
    bias = [m.floats(outputs, scale=0.1)] if c.below(2) else []
    how = {"strides": strides, "pads": pads, "dilations": dilations, "output_padding": more}
    return m.add("ConvTranspose", [x, weight, *bias], (n, outputs, *size), group=group, **how)


def _to_depth(m: Model, x: str) -> str | None:
    n, i, h, w = m.shapes[x]
    blocks = [b for b in (2, 3, 4) if h % b == w % b == 0 and i * b * b <= 64]
    if not blocks:
        return None
    b = m.choices.one_of(blocks)
    return m.add("SpaceToDepth", [x], (n, i * b * b, h // b, w // b), blocksize=b)


def _to_space(m: Model, x: str) -> str | None:
    n, i, h, w = m.shapes[x]
    blocks = [b for b in (2, 3, 4) if i % (b * b) == 0 and max(h, w) * b <= SIDE]
    if not blocks:
        return None
    b = m.choices.one_of(blocks)
    mode = {} if m.opset < 11 else {"mode": m.choices.one_of(["DCR", "CRD"])}
    shape = (n, i // (b * b), h * b, w * b)
    return m.add("DepthToSpace", [x], shape, blocksize=b, **mode)


def _sliced(m: Model, x: str) -> str | None:
    """Rows, columns or both, with steps."""
    c = m.choices
    shape, axes = list(m.shapes[x]), c.one_of([[2], [3], [2, 3], [3, 2]])
    starts, ends, steps = [], [], []
    for axis in axes:
        start = c.below(shape[axis])
        end = c.between(start + 1, shape[axis])
        step = c.one_of([1, 1, 1, 2, 3]) if m.opset >= 10 else 1
        size, shape[axis] = shape[axis], len(range(start, end, step))
        starts.append(start - size if c.chance(30) else start)
        ends.append(1 << 40 if end == size and c.chance(50) else end)
        steps.append(step)
    if m.opset < 10:
        return m.add("Slice", [x], tuple(shape), axes=axes, starts=starts, ends=ends)
    given = [m.ints(*starts), m.ints(*ends), m.ints(*axes)]
    given += [] if set(steps) == {1} and c.below(2) else [m.ints(*steps)]
    return m.add("Slice", [x, *given], tuple(shape))


def _enlarged(m: Model, x: str) -> str | None:
    """Nearest, by two numbers."""
    c = m.choices
    h, w = m.shapes[x][2:]
    by = [c.between(1, 6) for _ in "hw"]
    if h * by[0] > SIDE or w * by[1] > SIDE:
        return None
    return m.upsample(x, (by[0], by[1]))


def _bordered(m: Model, x: str) -> str | None:
    """Pad that repeats pixels."""
    c = m.choices
    h, w = m.shapes[x][2:]
    mode = c.one_of(["edge", "reflect"] + ["wrap"] * (m.opset >= 19))
    most = [min(3, size - (mode == "reflect")) for size in (h, w)]
    pads = [c.below(most[a % 2] + 1) for a in range(4)]
    if h + pads[0] + pads[2] > SIDE or w + pads[1] + pads[3] > SIDE or not any(pads):
        return None
    return m.pad(x, (pads[0], pads[1], pads[2], pads[3]), mode=mode)


def _unpooled(m: Model, x: str) -> str | None:
    """MaxPool with its indices, and MaxUnpool by them."""
    n, i, h, w = m.shapes[x]
    if m.opset < 9 or h % 2 or w % 2:
        return None
    how = {"kernel_shape": [2, 2], "strides": [2, 2]}
    small = (n, i, h // 2, w // 2)
    y = m.add("MaxPool", [x], [small, small], 2, **how)
    indices = m.nodes[-1].output[1]
    del m.shapes[indices]  # no map
    return m.add("MaxUnpool", [y, indices], (n, i, h, w), **how)
