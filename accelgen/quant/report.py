"""How much each layer lost: signal to quantization noise, int8 against float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.arith import real_array
from accelgen.golden.interpret import interpret, walk
from accelgen.ir import Graph, Quantization
from accelgen.quant.weights import Integers
from accelgen.streamed import Samples

__all__ = ["LayerError", "make_report", "sqnr_db"]

#: What an error of exactly 0 is reported as.
NO_ERROR_DB = 200.0


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """One node of the int8 graph.

    ``sqnr_db`` is of its output tensor, errors of all layers before it included;
    ``weight_sqnr_db`` of its weights alone. ``quantization`` of wide logits is None.
    None where there is nothing to compare.
    """

    node: str
    op: str
    tensor: str
    sources: tuple[str, ...]
    quantization: Quantization | None
    sqnr_db: float | None
    weight_sqnr_db: float | None


def sqnr_db(signal: npt.NDArray[Any], noisy: npt.NDArray[Any]) -> float:
    """``10 log10(sum(signal ** 2) / sum((signal - noisy) ** 2))``, within +-200 dB."""
    return _decibels(*_powers(signal, noisy))


def _powers(signal: npt.NDArray[Any], noisy: npt.NDArray[Any]) -> tuple[float, float]:
    """Sums of squares: of ``signal``, and of what ``noisy`` is off."""
    signal = signal.astype(np.float64)
    return float(np.square(signal).sum()), float(np.square(signal - noisy).sum())


def _decibels(power: float, noise: float) -> float:
    if noise == 0:
        return NO_ERROR_DB
    if power == 0:
        return -NO_ERROR_DB
    return float(np.clip(10 * np.log10(power / noise), -NO_ERROR_DB, NO_ERROR_DB))


def make_report(
    float_graph: Graph,
    graph: Graph,
    integers: Mapping[str, Integers],
    samples: Samples | None = None,
) -> tuple[LayerError, ...]:
    """One row per int8 node, in order. Without ``samples`` only the weights are compared."""
    errors = {} if samples is None else _errors(float_graph, graph, samples)
    weights = {n.name: n.inputs[1] for n in float_graph.nodes if n.name in integers}
    rows = []
    for node in graph.nodes:
        weight_db, kind = None, graph.tensors[node.output]
        if node.name in integers:
            given = integers[node.name]
            real = given.weight * given.scale[:, None, None, None]
            weight_db = sqnr_db(float_graph.constants[weights[node.name]], real)
        rows.append(
            LayerError(
                node=node.name,
                op=type(node.op).__name__,
                tensor=node.output,
                sources=node.sources,
                quantization=None if kind.steps else kind.quantization,
                sqnr_db=errors.get(node.output),
                weight_sqnr_db=weight_db,
            )
        )
    return tuple(rows)


def _errors(float_graph: Graph, graph: Graph, samples: Samples) -> dict[str, float]:
    """SQNR of each tensor that both graphs have. One sample at a time: a large network's float
    tensors of one are some hundred megabytes."""
    sums: dict[str, tuple[float, float]] = {}
    for i in range(len(samples)):
        one = samples[i : i + 1]
        exact = interpret(float_graph, one)
        for name, value in walk(graph, one):
            if name in exact and exact[name].shape == value.shape:
                found = _powers(exact[name], real_array(value, graph.tensors[name]))
                power, noise = sums.get(name, (0.0, 0.0))
                sums[name] = power + found[0], noise + found[1]
    return {name: _decibels(*both) for name, both in sums.items()}
