"""From a float graph to an int8 graph: calibrate, choose scales, rewrite, report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph, Quantization
from accelgen.ir.imported import Imported
from accelgen.quant.assign_scales import assign_scales
from accelgen.quant.calibrate import calibrate, check_samples
from accelgen.quant.draft import Given
from accelgen.quant.report import LayerError, make_report
from accelgen.quant.to_int8 import rewrite
from accelgen.quant.weights import ACC_BITS, Integers

__all__ = ["QuantizedModel", "quantize", "quantize_imported"]

# The report needs a few images; calibration gets them all.
_REPORT_SAMPLES = 8


@dataclass(frozen=True, kw_only=True)
class QuantizedModel:
    """A network in both forms.

    Parameters
    ----------
    float_graph : Graph
        What was quantized.
    graph : Graph
        Int8; what golden model, compiler and hardware run.
    quantization : mapping of tensor to Quantization
        Scales of the float graph's tensors.
    integers : mapping of convolution node to Integers
        Weights, their scales, and biases before the input's zero point is folded in.
    report : tuple of LayerError
        Per int8 node.
    """

    float_graph: Graph
    graph: Graph
    quantization: Mapping[str, Quantization]
    integers: Mapping[str, Integers] = field(default_factory=dict)
    report: tuple[LayerError, ...] = ()


def quantize(
    graph: Graph,
    samples: npt.NDArray[Any],
    method: str = "mse",
    *,
    percentile: float = 99.99,
    acc_bits: int = ACC_BITS,
) -> QuantizedModel:
    """Quantize a float graph after training.

    ``samples`` (n, h, w, c) float32, ``method`` and ``percentile``: see
    :func:`accelgen.quant.calibrate.calibrate`. Weights keep every accumulator within
    ``acc_bits``.

    Raises
    ------
    QuantizationError
        Samples that do not fit the network, or a network that does not fit int8.
    """
    samples = check_samples(graph, samples)
    ranges = calibrate(graph, samples, method, percentile=percentile)
    quantization = assign_scales(graph, ranges)
    int8, integers = rewrite(graph, quantization, acc_bits=acc_bits)
    return QuantizedModel(
        float_graph=graph,
        graph=int8,
        quantization=quantization,
        integers=integers,
        report=make_report(graph, int8, integers, samples[:_REPORT_SAMPLES]),
    )


def quantize_imported(
    imported: Imported, samples: npt.NDArray[Any] | None = None
) -> QuantizedModel:
    """The int8 graph of a QDQ model: its own scales, weights and biases, nothing calibrated.

    ``imported.graph`` as the passes leave it. ``samples`` only serve the report.
    """
    graph = imported.graph
    given = Given(
        weight_scales=imported.weight_scales,
        weights=imported.integer_weights,
        biases=imported.integer_biases,
        bias_scales=imported.bias_scales,
    )
    int8, integers = rewrite(graph, imported.quantization, given)
    chosen: npt.NDArray[np.float32] | None = None
    if samples is not None:
        chosen = check_samples(graph, samples)[:_REPORT_SAMPLES]
    return QuantizedModel(
        float_graph=graph,
        graph=int8,
        quantization=dict(imported.quantization),
        integers=integers,
        report=make_report(graph, int8, integers, chosen),
    )
