"""What the sums of convolutions and averages count in: the steps of wide logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph
from accelgen.ir.ops import QGlobalAvgPool
from accelgen.quant.weights import Integers, largest_sum

__all__ = ["steps_of"]

_INT32_MAX = (1 << 31) - 1


def steps_of(
    graph: Graph,
    integers: Mapping[str, Integers],
    rounded: Callable[[str], bool] = lambda tensor: False,
) -> dict[str, npt.NDArray[np.float64]]:
    """Per output channel, of each convolution and average of the int8 ``graph`` whose sums fit
    int32 and whose output no file has ``rounded``: input scale times weight scale, or over
    pixels."""
    found = {}
    for node in graph.nodes:
        kind = graph.tensors[node.inputs[0]]
        given, x = integers.get(node.name), kind.quantization
        if x is None or rounded(node.output):
            continue
        if isinstance(node.op, QGlobalAvgPool):
            _, height, width, channels = kind.shape
            if 255 * height * width <= _INT32_MAX:
                found[node.name] = np.full(channels, x.scale / (height * width))
        elif given is not None and largest_sum(given, x) <= _INT32_MAX:
            found[node.name] = given.bias_scale
    return found
