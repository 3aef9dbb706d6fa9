"""The verdict on a quantized network: what it loses, which layers lose it, what helps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.arith import dequantize_array, quantize_array
from accelgen.golden.interpret import walk
from accelgen.ir import Graph, Quantization
from accelgen.quant.loss import loss
from accelgen.quant.report import LayerError, sqnr_db
from accelgen.quant.techniques import LEAST_SAMPLES, TECHNIQUES
from accelgen.streamed import Samples

if TYPE_CHECKING:
    from accelgen.quant.quantize import QuantizedModel

__all__ = ["LosingLayer", "Verdict", "make_verdict"]

Floats = npt.NDArray[np.float32]

_WORST = 5
# Layers that are run alone: those whose own rounding is coarsest.
_CANDIDATES = 24
# Numbers of all tensors of the pictures that layers are run alone on, and the most pictures.
_VALUES, _PICTURES = 1 << 26, 4
# Below this many pictures ranges and techniques gain of more; below this SQNR winners change.
_FEW, _NOISY_DB = 64, 20.0


@dataclass(frozen=True, kw_only=True)
class LosingLayer:
    """SQNR in dB of the network's outputs, all but this layer float (``alone_db``), or this one
    and those before it in the list int8 (``cumulated_db``)."""

    node: str
    alone_db: float
    cumulated_db: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What to expect of an int8 network.

    ``sqnr_db`` of the outputs against float and ``agreeing`` winners of ``samples`` (None: no
    vector of classes), on samples that calibration did not see where ``kept_aside``, of a network
    made without them; else on calibration's own, which flatters.
    """

    sqnr_db: float
    agreeing: int | None
    samples: int
    kept_aside: bool
    layers: tuple[LosingLayer, ...]
    helps: tuple[str, ...]


def make_verdict(model: QuantizedModel, report: Iterable[LayerError]) -> Verdict | None:
    """Of a model that has samples; without, None."""
    if model.samples is None:
        return None
    measured = [trial for trial in model.trials if trial.samples]
    if measured:
        last = measured[-1]
        after = (last.after_db, last.after_agreeing)
        db, agreeing = after if last.used else (last.before_db, last.before_agreeing)
        assert db is not None
        count = last.samples
    else:
        found, count = loss(model.float_graph, model, model.samples), len(model.samples)
        db, agreeing = found.sqnr_db, found.agreeing
    return Verdict(
        sqnr_db=db, agreeing=agreeing, samples=count, kept_aside=bool(measured),
        layers=_losing(model, report), helps=_helps(model, db),
    )  # fmt: skip


def _losing(model: QuantizedModel, report: Iterable[LayerError]) -> tuple[LosingLayer, ...]:
    """The layers without which the outputs would gain most, the worst first."""
    assert model.samples is not None
    graph = model.float_graph
    values = sum(prod(graph.tensors[name].shape) for name in graph.activations())
    some = model.samples[: max(1, min(_PICTURES, _VALUES // values))]
    exact, own = [], {}
    rows = {row.tensor: row for row in report if _rounds(model, row)}
    for name, value in walk(graph, some):
        if name in rows:
            own[name] = _own_noise(value, rows[name])
        if name in graph.outputs:
            exact.append(value.reshape(-1))
    wanted = np.concatenate(exact)
    coarsest = sorted(own, key=lambda name: -own[name])[:_CANDIDATES]

    def db(tensors: list[str]) -> float:
        return sqnr_db(wanted, _run(model, [rows[name] for name in tensors], some))

    alone = {name: db([name]) for name in coarsest}
    worst = sorted(alone, key=lambda name: alone[name])[:_WORST]
    return tuple(
        LosingLayer(node=rows[name].node, alone_db=alone[name], cumulated_db=db(worst[: index + 1]))
        for index, name in enumerate(worst)
    )


def _rounds(model: QuantizedModel, row: LayerError) -> bool:
    """Whether the float graph has the layer's output, and int8 has a scale for it of its own."""
    node = next(n for n in model.graph.nodes if n.name == row.node)
    before = {model.graph.tensors[name].quantization for name in node.inputs}
    known = row.tensor in model.float_graph.tensors and row.quantization is not None
    known = known and model.graph.tensors[row.tensor].dtype == "int8"
    return known and (row.node in model.integers or row.quantization not in before)


def _own_noise(value: Floats, row: LayerError) -> float:
    """Power of what rounding adds to a layer's output and weights, to the output's power."""
    assert row.quantization is not None
    rounded = dequantize_array(quantize_array(value, row.quantization), row.quantization)
    decibels = [sqnr_db(value, rounded)]
    decibels += [row.weight_sqnr_db] if row.weight_sqnr_db is not None else []
    return float(sum(10 ** (-db / 10) for db in decibels))


def _run(model: QuantizedModel, rows: Iterable[LayerError], samples: Samples) -> npt.NDArray[Any]:
    """All outputs, the layers of ``rows`` with int8's weights, biases and scale, others float."""
    graph, rounded = model.float_graph, dict[str, Quantization]()
    constants = dict(graph.constants)
    nodes = {node.name: node for node in graph.nodes}
    for row in rows:
        assert row.quantization is not None
        rounded[row.tensor] = row.quantization
        if (given := model.integers.get(row.node)) is not None:
            _, weight, bias = nodes[row.node].inputs
            real = given.weight * given.scale[:, None, None, None]
            constants[weight] = real.astype(np.float32)
            constants[bias] = (given.bias * given.bias_scale).astype(np.float32)
    return _outputs(replace(graph, constants=constants), samples, rounded)


def _outputs(graph: Graph, samples: Samples, rounded: dict[str, Quantization]) -> npt.NDArray[Any]:
    found = walk(graph, samples, rounded)
    return np.concatenate([value.reshape(-1) for name, value in found if name in graph.outputs])


def _helps(model: QuantizedModel, db: float) -> tuple[str, ...]:
    """Sentences, the first the one to try first."""
    said = []
    if model.calibrated and not any(trial.samples for trial in model.trials):
        said.append(
            f"--technique auto with {LEAST_SAMPLES} or more calibration pictures: it measures what"
            f" techniques do ({', '.join(TECHNIQUES)})"
        )
    if 0 < model.calibrated < _FEW:
        said.append(
            f"more calibration pictures, of all kinds: {_FEW} instead of {model.calibrated}"
        )
    if db < _NOISY_DB:
        said.append("--method minmax or percentile; compare them with accelgen evaluate")
        said.append("training with quantization, exported as QDQ, for what remains")
    return tuple(said)
