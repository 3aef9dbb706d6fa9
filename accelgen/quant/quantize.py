"""From a float graph to an int8 graph: calibrate, choose scales, rewrite, report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from accelgen.errors import MissingScaleError
from accelgen.golden.blas import one_blas_thread
from accelgen.ir import Graph, Quantization
from accelgen.ir.imported import Imported
from accelgen.ir.wide import widened
from accelgen.quant.assign_scales import assign_scales
from accelgen.quant.calibrate import calibrate, check_method, check_samples, ranges_of
from accelgen.quant.draft import Given
from accelgen.quant.excluded import excluded, rounded_by
from accelgen.quant.report import LayerError, make_report
from accelgen.quant.steps import steps_of
from accelgen.quant.techniques import TECHNIQUES, Fit, Trial, choose, made_with, named
from accelgen.quant.to_int8 import rewrite
from accelgen.quant.verdict import Verdict, make_verdict
from accelgen.quant.weights import ACC_BITS, Integers
from accelgen.streamed import Inputs, Samples, in_memory

__all__ = ["QuantizedModel", "quantize", "quantize_imported"]

# The report needs a few images; calibration gets them all.
_REPORT_SAMPLES = 8


@dataclass(frozen=True, kw_only=True)
class QuantizedModel:
    """A network in both forms.

    Parameters
    ----------
    float_graph : Graph
        What was quantized: with equalization, a graph of other weights that gives the same.
    graph : Graph
        Int8; what golden model, compiler and hardware run.
    quantization : mapping of tensor to Quantization
        Scales of the float graph's tensors.
    integers : mapping of convolution node to Integers
        Weights, their scales, and biases before the input's zero point is folded in.
    samples : (n, h, w, c) float32
        Of several inputs by name. What the report compares on; without, it has the weights alone.
    trials : tuple of Trial
        Techniques that were tried or asked for.
    calibrated : int
        How many samples the ranges are of; 0: they are a file's.
    """

    float_graph: Graph
    graph: Graph
    quantization: Mapping[str, Quantization]
    integers: Mapping[str, Integers] = field(default_factory=dict)
    samples: Samples | None = field(default=None, repr=False, compare=False)
    trials: tuple[Trial, ...] = ()
    calibrated: int = 0

    @cached_property
    def report(self) -> tuple[LayerError, ...]:
        """Per int8 node. Made when it is first read: it runs the network twice."""
        return make_report(self.float_graph, self.graph, self.integers, self.samples)

    @cached_property
    def verdict(self) -> Verdict | None:
        """Expected loss and the layers that lose most; None without samples. Made when it is first
        read: it runs the float network some thirty times on a few samples."""
        return make_verdict(self, self.report)


@one_blas_thread()
def quantize(
    graph: Graph,
    samples: Inputs,
    method: str = "mse",
    *,
    percentile: float = 99.99,
    acc_bits: int = ACC_BITS,
    technique: str = "none",
    exclude: str = "",
    wide: bool = False,
) -> QuantizedModel:
    """Quantize a float graph after training.

    ``samples`` (n, h, w, c) float32, of several inputs by name, ``method`` and ``percentile``: see
    :func:`accelgen.quant.calibrate.calibrate`. Weights keep every accumulator within
    ``acc_bits``. ``technique``: "none", names of :data:`accelgen.quant.techniques.TECHNIQUES`
    joined by commas, or "auto" for those that help on samples kept aside. ``exclude``: layers that
    they leave alone (:func:`accelgen.quant.excluded.excluded`). ``wide``: last layers
    leave their sums as int32 (:mod:`accelgen.ir.wide`).

    One BLAS thread computes the float network: how many there are changes the last bits of its
    numbers, and with them the choice among techniques. So the same command gives the same integers
    on every machine with the same BLAS.

    Raises
    ------
    QuantizationError
        Samples that do not fit the network, a technique or layer that is not known, or a network
        that does not fit int8.
    """
    names, spared = named(technique), excluded(exclude, graph, TECHNIQUES)
    checked: Samples = check_samples(graph, samples)

    check_method(method, percentile)

    def make(fit: Fit, full: bool) -> QuantizedModel:
        ranges = ranges_of(fit.graph, fit.seen, "minmax" if full else method, percentile)
        if full and spared["minmax"]:
            own = rounded_by(fit.graph, spared["minmax"])
            seen = {name: found for name, found in fit.seen.items() if name in own}
            ranges |= ranges_of(fit.graph, seen, method, percentile)
        quantization = assign_scales(fit.graph, ranges)
        made = rewrite(fit.graph, quantization, acc_bits=acc_bits)
        return QuantizedModel(
            float_graph=fit.graph,
            graph=made.graph,
            quantization=quantization,
            integers=made.integers,
            samples=in_memory(checked[:_REPORT_SAMPLES]),
            calibrated=len(fit.samples),
        )

    if names is None:
        # A method that is not the default was chosen by who knows the data.
        tried = [name for name in TECHNIQUES if name != "minmax" or method == "mse"]
        trials = choose(make, graph, checked, acc_bits, tried, spared)
        names = tuple(trial.technique for trial in trials if trial.used)
    else:
        trials = tuple(Trial(technique=name, used=True) for name in names)
    model = made_with(names, make, Fit(graph, checked, spared), acc_bits)
    if wide:
        # At the end, so that all else is the same whichever it is.
        graph = widened(model.graph, steps_of(model.graph, model.integers))
        model = replace(model, graph=graph)
    return replace(model, trials=trials)


def quantize_imported(
    imported: Imported, samples: Inputs | None = None, method: str = "mse", *,
    wide: bool = False,
) -> QuantizedModel:  # fmt: skip
    """The int8 graph of a QDQ model: its own scales, weights and biases.

    ``imported.graph`` as the passes leave it. ``samples`` serve the report, and tensors that need
    a scale and have none in the file: those are calibrated on what the file's own scales leave.
    ``wide``: last layers whose output the file does not round leave their sums.

    Raises
    ------
    MissingScaleError
        A scale is missing and there are no samples.
    QuantizationError
        Samples or scales do not fit.
    """
    graph, given = imported.graph, Given.of(imported)
    chosen: Samples | None = None
    if samples is not None:
        chosen = in_memory(check_samples(graph, samples)[:_REPORT_SAMPLES])
    try:
        made = rewrite(graph, imported.quantization, given, missing=imported.logits, wide=wide)
    except MissingScaleError:
        if samples is None:
            raise
        ranges = calibrate(graph, samples, method, rounded=imported.quantization)
        missing = assign_scales(graph, ranges) | dict(imported.logits)
        made = rewrite(graph, imported.quantization, given, missing=missing, wide=wide)
    return QuantizedModel(
        float_graph=graph,
        graph=made.graph,
        quantization=dict(imported.quantization) | dict(made.filled),
        integers=made.integers,
        samples=chosen,
    )
