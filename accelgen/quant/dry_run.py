"""An int8 graph without samples: right in everything that does not depend on the data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph, Node, ops
from accelgen.ir.activations import finite
from accelgen.ir.imported import Imported
from accelgen.quant.assign_scales import assign_scales
from accelgen.quant.draft import Given
from accelgen.quant.fusion import fusable_clip, is_last_softmax
from accelgen.quant.scales import Range
from accelgen.quant.to_int8 import rewrite

__all__ = ["dry_int8", "ranges"]

#: Sizes are kept between these: chains of layers must neither vanish nor overflow.
_LEAST, _MOST = 2.0**-20, 2.0**20
#: Values are taken as normally distributed, and their range as so many standard deviations.
_DEVIATIONS = 4.0
_POINTS = np.linspace(-_DEVIATIONS, _DEVIATIONS, 65)
_SHARES = np.exp(-np.square(_POINTS) / 2) / np.exp(-np.square(_POINTS) / 2).sum()

Numbers = npt.NDArray[np.float64]
Floats = npt.NDArray[Any]


@dataclass(frozen=True)
class _Spread:
    """A tensor's made-up values: mean and standard deviation of each channel, and the range."""

    mean: Numbers
    deviation: Numbers
    low: float
    high: float

    @property
    def square(self) -> Numbers:
        """Mean square of each channel."""
        return np.square(self.mean) + np.square(self.deviation)

    def of(self, channels: int) -> _Spread:
        """Of so many channels: all alike, unless it has so many."""
        if len(self.mean) == channels:
            return self
        mean = float(self.mean.mean())
        square = max(float(self.square.mean()) - mean * mean, 0)
        ones = np.ones(channels)
        return replace(self, mean=mean * ones, deviation=math.sqrt(square) * ones)

    def kept(self) -> _Spread:
        """Between the least and the most."""
        low, high = (float(np.clip(v, -_MOST, _MOST)) for v in (self.low, self.high))
        mean = np.clip(self.mean, -_MOST, _MOST)
        return _Spread(mean, np.clip(self.deviation, _LEAST, _MOST), low, max(high, _LEAST))


def dry_int8(imported: Imported, *, wide: bool = False) -> Graph:
    """What quantization would make of a model as the passes leave it, with made-up ranges where
    the model says none: the same operations and sizes, other numbers.

    Raises
    ------
    QuantizationError, UnsupportedOpError
        It cannot be int8, whatever the data.
    """
    graph = imported.graph
    made_up = assign_scales(graph, ranges(graph))
    if not imported.quantization:
        return rewrite(graph, made_up, wide=wide).graph
    given = Given.of(imported)
    return rewrite(graph, imported.quantization, given, missing=made_up, wide=wide).graph


def ranges(graph: Graph) -> dict[str, Range]:
    """A plausible range of each tensor that gets a scale, of a normally distributed input."""
    spreads: dict[str, _Spread] = {}
    for name in graph.inputs:
        ones = np.ones(graph.tensors[name].shape[-1])
        spreads[name] = _Spread(0 * ones, ones, -_DEVIATIONS, _DEVIATIONS)
    for node in graph.nodes:
        inputs = [spreads[i] for i in node.inputs if i in spreads]
        made = _spread(graph, node, inputs)
        spreads[node.output] = made.of(graph.tensors[node.output].shape[-1]).kept()
    skip = {n.output for n in graph.nodes if fusable_clip(graph, n) or is_last_softmax(graph, n)}
    return {name: Range(s.low, s.high) for name, s in spreads.items() if name not in skip}


def _spread(graph: Graph, node: Node, inputs: list[_Spread]) -> _Spread:
    x, op = inputs[0], node.op
    if isinstance(op, ops.Conv2d):
        weight, bias = (graph.constants[name] for name in node.inputs[1:3])
        return _products(op, weight, bias, x)
    if isinstance(op, ops.Activation):
        return _activated(op, x)
    if isinstance(op, ops.AvgPool | ops.GlobalAvgPool):
        height, width = graph.tensors[node.inputs[0]].shape[1:3]
        taken = math.prod(op.kernel) if isinstance(op, ops.AvgPool) else height * width
        return _limited(x.mean, x.deviation / math.sqrt(taken), x.low, x.high)
    if isinstance(op, ops.Select):
        channels = np.array(op.channels)
        return replace(x, mean=x.mean[channels], deviation=x.deviation[channels])
    if isinstance(op, ops.Concat):
        mean, deviation = (
            np.concatenate([getattr(s, part) for s in inputs]) for part in ("mean", "deviation")
        )
    else:
        # The last may have a pixel, or a channel, only.
        other = inputs[-1].of(len(x.mean))
        mean, deviation = x.mean, x.deviation
    if isinstance(op, ops.Add):
        sign = -1 if op.minus else 1
        low, high = sorted((sign * other.low, sign * other.high))
        deviation = np.hypot(x.deviation, other.deviation)
        return _limited(x.mean + sign * other.mean, deviation, x.low + low, x.high + high)
    if isinstance(op, ops.Mul):
        high = max(-x.low, x.high) * max(-other.low, other.high)
        low = -high if min(x.low, other.low) < 0 else 0.0
        mean = x.mean * other.mean
        deviation = np.sqrt(np.maximum(x.square * other.square - np.square(mean), 0))
        return _limited(mean, deviation, low, high)
    low, high = min(s.low for s in inputs), max(s.high for s in inputs)
    return _Spread(mean, deviation, low, high)


def _products(op: ops.Conv2d, weight: Floats, bias: Floats, x: _Spread) -> _Spread:
    """Sums of products with numbers that know nothing of one another."""
    taps = weight.astype(np.float64).reshape(op.groups, -1, *weight.shape[1:])
    x = x.of(op.groups * weight.shape[3])
    mean, variance = (v.reshape(op.groups, -1, 1) for v in (x.mean, np.square(x.deviation)))
    mean = bias + (taps.sum((2, 3)) @ mean).reshape(-1)
    return _limited(mean, np.sqrt((np.square(taps).sum((2, 3)) @ variance).reshape(-1)))


def _activated(op: ops.Activation, x: _Spread) -> _Spread:
    def applied(points: Numbers) -> Numbers:
        # No further than what is kept of a spread: Exp makes infinity of a number.
        return np.clip(finite(op.kind, op.params, points), -_MOST, _MOST)

    y = applied(np.linspace(x.low, x.high, len(_POINTS)))
    points = np.clip(x.mean + x.deviation * _POINTS[:, None], x.low, x.high)
    likely = applied(points)
    mean = _SHARES @ likely
    deviation = np.sqrt(_SHARES @ np.square(likely - mean))
    return _Spread(mean, deviation, float(y.min()), float(y.max()))


def _limited(
    mean: Numbers, deviation: Numbers, low: float = -math.inf, high: float = math.inf
) -> _Spread:
    """The range that follows from the rest, and no wider than told."""
    reach = _DEVIATIONS * deviation
    low, high = max(low, float((mean - reach).min())), min(high, float((mean + reach).max()))
    return _Spread(mean, deviation, low, high)
