"""How often the largest output is the right one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.arith import real_array
from accelgen.golden.interpret import walk
from accelgen.ir import Graph
from accelgen.streamed import Samples

__all__ = ["predict", "top1"]

_BATCH = 50


def predict(graph: Graph, samples: Samples) -> npt.NDArray[Any]:
    """First output of a float or int8 graph for (n, h, w, c) samples, as (n, real numbers)."""
    results, name = [], graph.outputs[0]
    for start in range(0, len(samples), _BATCH):
        values = dict(walk(graph, samples[start : start + _BATCH]))
        results.append(real_array(values[name], graph.tensors[name]))
    return np.concatenate(results).reshape(len(samples), -1)


def top1(outputs: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Share of rows of ``outputs`` whose largest element is at the row's label."""
    return float((outputs.reshape(len(labels), -1).argmax(axis=1) == labels).mean())
