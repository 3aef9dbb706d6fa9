"""Whether samples are scaled as the network was trained: what looks otherwise is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.interpret import walk
from accelgen.ir import Graph, ops
from accelgen.streamed import Samples, by_name, in_memory

__all__ = ["far_from_calibration", "odd_scaling"]

#: Samples that are looked at.
_SOME = 8
# What a trained network's first layer varies by on samples scaled right, over its bias: 1 to 6 with
# normalized input; some hundreds on raw pixels, 0.02 where they were divided twice.
_LARGE, _SMALL = 30, 0.05
_RAW = 12
# Over their own deviation: 0 to 2 scaled right, 200 with a mean of 0 to 255 for pixels of 0 to 1.
_OFF = 10
# Shares of the values that lie outside, and of the range that is used.
_OUTSIDE, _USED = 0.1, 1 / 16

_SCALE = "scale them as the network was trained (--preprocess, or --mean and --std)"


def odd_scaling(graph: Graph, samples: Samples) -> str:
    """A warning about calibration samples (n, h, w, c) beside float ``graph``'s first layer, or
    "". Of several inputs of the first that is odd."""
    some = in_memory(samples[:_SOME])
    given = by_name(some, graph.inputs)
    said = ((name, _odd(graph, some, name, x)) for name, x in given.items())
    return next((f"input {n!r}: {text}" if graph.more else text for n, text in said if text), "")


def _odd(graph: Graph, samples: Samples, name: str, x: npt.NDArray[np.float32]) -> str:
    """Of input ``name``, of which ``samples`` has ``x``."""
    wide = x.astype(np.float64)
    low, high, mean, deviation = wide.min(), wide.max(), wide.mean(), wide.std()
    if abs(mean) > _OFF * deviation:
        return (
            f"calibration samples vary by {deviation:.3g} around {mean:.3g}, as with --mean "
            f"and --std of pixels of 0 to 255: {_SCALE}"
        )
    found = _first_layer(graph, samples, name)
    if found is None:
        return ""
    spread, bias = found
    if low >= 0 and high > _RAW and spread > _LARGE * bias:
        return (
            f"calibration samples reach {high:.4g}, and beside what they give the first layer's "
            f"bias is next to nothing: raw pixels? {_SCALE}"
        )
    if spread < _SMALL * bias:
        return (
            f"calibration samples reach {max(-low, high):.3g}, and what they give is next to "
            f"nothing beside the first layer's bias: divided twice? {_SCALE}"
        )
    return ""


def _first_layer(graph: Graph, samples: Samples, name: str) -> tuple[float, float] | None:
    """How far the sums of the first convolution of ``name`` vary, and the size of its bias, over
    channels; None if there is none, or it has no bias."""
    first = next((n for n in graph.readers(name) if isinstance(n.op, ops.Conv2d)), None)
    if first is None or len(first.inputs) < 3:
        return None
    bias = float(np.sqrt(np.square(graph.constants[first.inputs[2]].astype(np.float64)).mean()))
    if not bias:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        sums: Any = next(value for made, value in walk(graph, samples) if made == first.output)
        spread = float(np.sqrt(sums.astype(np.float64).var(axis=(0, 1, 2)).mean()))
    return spread, bias


def far_from_calibration(graph: Graph, samples: Samples) -> str:
    """A warning about input (n, h, w, c) beside the scale of int8 ``graph``'s input, or "". Of
    several inputs of the first that is far off."""
    given = by_name(samples, graph.inputs)
    said = ((name, _far(graph, name, x)) for name, x in given.items())
    return next((f"input {n!r}: {text}" if graph.more else text for n, text in said if text), "")


def _far(graph: Graph, name: str, x: npt.NDArray[np.float32]) -> str:
    scale = graph.tensors[name].quantization
    assert scale is not None
    low, high = (scale.scale * (end - scale.zero_point) for end in (-128, 127))
    outside = float(((x < low - scale.scale) | (x > high + scale.scale)).mean())
    span = float(x.max() - x.min())
    if outside <= _OUTSIDE and span >= _USED * (high - low):
        return ""
    return (
        f"data from {x.min():.3g} to {x.max():.3g}, and the network's input is quantized for "
        f"{low:.3g} to {high:.3g}: are they scaled as the calibration samples were?"
    )
