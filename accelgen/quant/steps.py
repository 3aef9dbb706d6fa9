"""What the sums of convolutions count in: the steps of wide logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph
from accelgen.quant.weights import Integers, largest_sum

__all__ = ["steps_of"]

_INT32_MAX = (1 << 31) - 1


def steps_of(
    graph: Graph,
    integers: Mapping[str, Integers],
    rounded: Callable[[str], bool] = lambda tensor: False,
) -> dict[str, npt.NDArray[np.float64]]:
    """Input scale times weight scale, per output channel, of each convolution of the int8
    ``graph`` whose sums fit int32 and whose output no file has ``rounded``."""
    found = {}
    for node in graph.nodes:
        given, x = integers.get(node.name), graph.tensors[node.inputs[0]].quantization
        if given is None or x is None or rounded(node.output):
            continue
        if largest_sum(given, x) <= _INT32_MAX:
            found[node.name] = given.bias_scale
    return found
