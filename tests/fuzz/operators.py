"""Single operators of drawn models: layers, pools, activations, arithmetic with constants.

Every function takes a :class:`~.spelling.Model` and a map of it, and returns a map, or None where
it does not fit.
"""

from __future__ import annotations

from math import prod

import numpy as np

from accelgen.ir.activations import BY_ONNX
from accelgen.ir.shapes import window_sizes
from tests.fuzz.spelling import Model

__all__ = ["BROADCAST", "CHANNELS", "SIDE", "activation", "affine", "batch_norm", "conv", "pool"]

CHANNELS, SIDE, MACS = 40, 24, 1_500_000
#: First opset with Max, Min and Sum of operands of several shapes.
BROADCAST = 8
#: Activations that are drawn without attributes, and the first opset with them.
PLAIN = {
    **{kind.onnx: kind.opset for kind in BY_ONNX.values() if kind.opset <= 9 and kind.everywhere},
    "Neg": 6,
}


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
    weight = _weight(m, (o, i // groups, *how["kernel_shape"]))
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


def _weight(m: Model, shape: tuple[int, ...]) -> str:
    """A kernel; with one input channel per output it may have taps without weights: a row, a
    column, any, in all channels alike; or all but one of each channel's own."""
    c = m.choices
    outputs, inputs, *kernel = shape
    if inputs > 1 or not c.chance(40):
        return m.floats(*shape)
    way = c.below(4)
    kept = m.rng.random((1, 1, *kernel)) < 0.5
    if way == 1:
        kept = np.ones((1, 1, *kernel), bool)
        axis = c.between(2, 3)
        kept.swapaxes(0, axis)[c.below(kernel[axis - 2])] = False
    elif way == 2:
        kept = np.zeros((1, 1, *kernel), bool)
        kept[..., c.below(kernel[0]), c.below(kernel[1])] = True
    elif way == 3:
        own = m.rng.integers(0, prod(kernel), outputs)
        kept = (np.arange(prod(kernel)) == own[:, None]).reshape(outputs, 1, *kernel)
    numbers = m.rng.standard_normal(shape) * np.sqrt(2 / prod(kernel))
    return m.constant((numbers * kept).astype(np.float32))


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
        if not c.chance(40):
            how["count_include_pad"] = 1
    elif m.opset < 10 and how.pop("dilations", [1, 1]) != [1, 1]:
        return None
    if any(p >= k for p, k in zip(how.get("pads", [0] * 4), how["kernel_shape"] * 2, strict=True)):
        return None
    if m.opset >= 10 and c.chance(10) and "auto_pad" not in how:
        how["ceil_mode"] = c.below(2)
        if how["ceil_mode"]:
            return None if c.chance(70) else m.add(op, [x], (n, i, *_ceiled(how, (h, w))), **how)
    if op == "MaxPool" and m.opset >= 8 and c.chance(5):
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
    kind = c.below(24)
    if kind < 4:
        return m.add("Relu", [x], shape)
    if kind == 4:
        low, high = c.one_of([(0, 6), (0, None), (None, 1.5), (-1, 1), (None, None), (0.5, 4)])
        return m.clip(x, low, high)
    if kind == 5:
        alpha = c.one_of([None, 0.1, 0.2, 13 / 128])
        return m.add("LeakyRelu", [x], shape, alpha=alpha)
    if kind == 6:
        return m.add(c.one_of([op for op, since in PLAIN.items() if since <= m.opset]), [x], shape)
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
    if kind == 10 and m.opset >= BROADCAST:
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
    if kind >= 19:
        return _seldom(m, x)
    return m.add("Identity", [x], shape)


def _seldom(m: Model, x: str) -> str:
    """What few networks have."""
    c, shape = m.choices, m.shapes[x]
    if m.opset >= 24 and c.below(2):
        return m.add("Swish", [x], shape)
    kind = c.below(5)
    if kind == 0 and m.opset >= 12:
        return m.add("Celu", [x], shape, alpha=c.one_of([None, 0.5, 2.0]))
    if kind == 1 and m.opset >= 10:
        return m.add("ThresholdedRelu", [x], shape, alpha=c.one_of([None, 0.0, 0.5]))
    if kind == 2 and m.opset >= 20:
        return m.add("Gelu", [x], shape, approximate=c.one_of([None, "none", "tanh"]))
    if kind == 3:
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
    op = c.one_of(["Add", "Mul", "Sub", "Div", *(["Sum"] if m.opset >= BROADCAST else [])])
    given = [x, m.constant(value)]
    if op in ("Add", "Mul", "Sum", "Sub") and c.chance(30):
        given.reverse()
    return m.add(op, given, shape)
