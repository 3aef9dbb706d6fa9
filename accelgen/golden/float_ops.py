"""Float operations in float32, NHWC, any batch. Formulas: ``ir.ops``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.deform import deform
from accelgen.golden.norms import local_norm, normalize, response
from accelgen.golden.ps_ops import bilinear, channel_max, inner_pool, unpool
from accelgen.golden.softmax import softmax
from accelgen.golden.windows import border, convolve, insert, largest, total, upsample
from accelgen.ir import ops
from accelgen.ir.activations import activate
from accelgen.ir.ps_ops import ChannelMax, Deform, LocalNorm, Normalize, Response, Unpool

__all__ = ["FLOAT_OPS"]

Floats = npt.NDArray[np.float32]


def _conv2d(op: ops.Conv2d, x: Floats, weight: Floats, bias: Floats) -> Floats:
    y = convolve(
        x, weight, stride=op.stride, dilation=op.dilation, pads=op.pads, groups=op.groups
    )  # fmt: skip
    result: Floats = y + bias
    return result


def _max_pool(op: ops.MaxPool, x: Floats) -> Floats:
    return largest(x, op.kernel, op.stride, op.dilation, op.pads, -np.inf)


def _avg_pool(op: ops.AvgPool, x: Floats) -> Floats:
    sums: Floats = total(x, op.kernel, op.stride, op.pads, 0)
    return sums / np.float32(op.kernel[0] * op.kernel[1])


def _global_avg_pool(op: ops.GlobalAvgPool, x: Floats) -> Floats:
    # float64 inside: numpy adds rows one by one along these axes, 50,000 pixels lose digits.
    mean = x.mean(axis=(1, 2), dtype=np.float64, keepdims=True)
    return np.asarray(mean, np.float32)


def _add(op: ops.Add, a: Floats, b: Floats) -> Floats:
    return a - b if op.minus else a + b


def _mul(op: ops.Mul, x: Floats, s: Floats) -> Floats:
    return x * s


def _concat(op: ops.Concat, *inputs: Floats) -> Floats:
    return np.concatenate(inputs, axis=3)


def _select(op: ops.Select, x: Floats) -> Floats:
    return x[..., list(op.channels)]


def _upsample(op: ops.Upsample, x: Floats) -> Floats:
    return upsample(x, op.factor)


def _insert(op: ops.Insert, x: Floats) -> Floats:
    return insert(x, op.factor, 0)


def _border(op: ops.Border, x: Floats) -> Floats:
    return border(x, op.pads, op.mode)


def _activation(op: ops.Activation, x: Floats) -> Floats:
    return activate(op.kind, op.params, x).astype(np.float32)


def _softmax(op: ops.Softmax, x: Floats) -> Floats:
    return softmax(x)


#: Operation type: function of (op, *inputs), all float32.
FLOAT_OPS: dict[type, Callable[..., npt.NDArray[Any]]] = {
    ops.Conv2d: _conv2d,
    ops.MaxPool: _max_pool,
    ops.AvgPool: _avg_pool,
    ops.GlobalAvgPool: _global_avg_pool,
    ops.Add: _add,
    ops.Mul: _mul,
    ops.Concat: _concat,
    ops.Select: _select,
    ops.Upsample: _upsample,
    ops.Insert: _insert,
    ops.Border: _border,
    ops.Activation: _activation,
    ops.Softmax: _softmax,
    ops.Bilinear: bilinear,
    ops.InnerAvgPool: inner_pool,
    Normalize: normalize,
    Response: response,
    LocalNorm: local_norm,
    ChannelMax: channel_max,
    Unpool: unpool,
    Deform: deform,
}
