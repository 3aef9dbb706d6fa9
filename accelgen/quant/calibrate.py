"""Which range each tensor shall hold, from sample inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import QuantizationError
from accelgen.golden.arith import dequantize_array, quantize_array
from accelgen.golden.interpret import walk
from accelgen.ir import Graph, Quantization
from accelgen.ir.activations import finite
from accelgen.ir.ops import Activation
from accelgen.quant.fusion import fusable_clip, is_last_softmax
from accelgen.quant.histogram import Histogram
from accelgen.quant.scales import LARGEST_NUMBER, Range, quantization_of
from accelgen.streamed import Inputs, Several, Streamed, by_name, in_memory

__all__ = ["METHODS", "calibrate", "check_method", "check_samples", "observe", "ranges_of"]

#: Names of the methods, the default first.
METHODS = ("mse", "minmax", "percentile")

Floats = npt.NDArray[np.float64]

# Images per run of the float model: enough for the BLAS, little enough for the memory.
_VALUES_PER_RUN = 1 << 23
# Values of each tensor that are counted, of about so many pixels and channels: an odd share, so
# that all channels are met.
_COUNTED = 1 << 22
_CANDIDATES = np.linspace(1.0, 0.2, 41)
_ROUNDS = 2


def calibrate(
    graph: Graph,
    samples: Inputs,
    method: str = "mse",
    *,
    percentile: float = 99.99,
    rounded: Mapping[str, Quantization] | None = None,
) -> dict[str, Range]:
    """Run the float graph over ``samples`` and choose a range for each tensor that needs a scale.

    Parameters
    ----------
    graph : Graph
        Float.
    samples : (n, h, w, c) float32
        Inputs as the network sees them (normalised), of several by name. A few at a time are run.
    method : str
        ``"mse"``: the range whose int8 numbers have the least squared error; before a table
        activation, the error after it counts. ``"minmax"``: all values seen. ``"percentile"``:
        all but ``100 - percentile`` percent of them, half at each end.
    rounded : mapping of tensor to Quantization, optional
        Scales that a QDQ file has: what comes after is seen as the file rounds and clips it.

    Returns
    -------
    dict of tensor to Range
        Without outputs of a Conv2d or Add that a fused clip swallows, and of a Softmax at the end.

    Raises
    ------
    QuantizationError
        Samples that are empty, of the wrong shape or type, or not finite; or a network that
        makes NaN or infinity of them.
    """
    check_method(method, percentile)
    histograms = observe(graph, check_samples(graph, samples), rounded)
    return ranges_of(graph, histograms, method, percentile)


def check_method(method: str, percentile: float) -> None:
    """Raises QuantizationError for what :func:`ranges_of` does not know."""
    if method not in METHODS:
        raise QuantizationError(f"unknown calibration method {method!r}; known: {METHODS}")
    if not 50 < percentile <= 100:
        raise QuantizationError(f"percentile must be above 50 and at most 100, not {percentile}")


def ranges_of(
    graph: Graph, histograms: Mapping[str, Histogram], method: str, percentile: float = 99.99
) -> dict[str, Range]:
    """As :func:`calibrate`, of what :func:`observe` saw."""
    if method == "minmax":
        return {name: Range(h.low, h.high) for name, h in histograms.items()}
    if method == "percentile":
        return {n: Range(*h.percentile(percentile / 100)) for n, h in histograms.items()}
    return {n: _least_error(h, _activation_behind(graph, n)) for n, h in histograms.items()}


def check_samples(graph: Graph, samples: Inputs) -> Any:
    """``samples`` as float32, or a QuantizationError that says what is wrong with them. Those that
    stream stay what they are: float32, and finite when they are read."""
    try:
        given = by_name(samples, graph.inputs)
    except ValueError as error:
        raise QuantizationError(f"calibration samples: {error}") from None
    checked = {name: _checked(graph, name, x) for name, x in given.items()}
    return Several(checked) if graph.more else checked[graph.input]


def _checked(graph: Graph, name: str, samples: Any) -> Any:
    """Of input ``name``."""
    if not isinstance(samples, Streamed):
        samples = np.asarray(samples)
    shape = graph.tensors[name].shape[1:]
    wanted = f"(n, {', '.join(map(str, shape))}), NHWC"
    if samples.ndim == 4 and samples.shape[1:] != shape:
        hint = ""
        if samples.shape[1:] == (shape[2], shape[0], shape[1]):
            hint = "; they are NCHW: transpose(0, 2, 3, 1)"
        raise QuantizationError(
            f"calibration samples have shape {samples.shape}; input {name!r} takes {wanted}{hint}"
        )
    if samples.ndim != 4 or not samples.shape[0]:
        raise QuantizationError(
            f"calibration samples have shape {samples.shape}; at least one sample of {wanted} "
            "is needed"
        )
    if not np.issubdtype(samples.dtype, np.floating):
        raise QuantizationError(
            f"calibration samples are {samples.dtype}; give float32 scaled as the network was "
            "trained, for example (x / 255 - mean) / std"
        )
    if isinstance(samples, Streamed):
        return samples
    if not np.isfinite(samples).all():
        bad = int(np.flatnonzero(~np.isfinite(samples).all(axis=(1, 2, 3)))[0])
        raise QuantizationError(f"calibration sample {bad} holds NaN or infinity; remove it")
    return samples.astype(np.float32, copy=False)


def observe(
    graph: Graph, samples: Any, rounded: Mapping[str, Quantization] | None = None
) -> dict[str, Histogram]:
    """Values of each tensor that gets a scale, over all samples."""
    skip = {n.output for n in graph.nodes if fusable_clip(graph, n) or is_last_softmax(graph, n)}
    histograms = {name: Histogram() for name in graph.activations() if name not in skip}
    values = sum(int(np.prod(graph.tensors[name].shape)) for name in graph.activations())
    batch = max(_VALUES_PER_RUN // values, 1)
    for start in range(0, len(samples), batch):
        some = in_memory(samples[start : start + batch])
        for name, value in _quiet(walk(graph, some, rounded)):
            if not np.isfinite(value).all():
                raise QuantizationError(
                    f"tensor {name!r} becomes NaN or infinite on calibration samples {start} to "
                    f"{min(start + batch, len(samples)) - 1}; check their scaling"
                )
            if name not in histograms:
                continue
            if np.abs(value).max(initial=0) > LARGEST_NUMBER:
                raise QuantizationError(
                    f"tensor {name!r} reaches {np.abs(value).max():.3g} on calibration samples; "
                    f"scales cover numbers up to {LARGEST_NUMBER:.3g}: check their scaling"
                )
            every = -(-len(samples) * value[0].size // _COUNTED)
            histograms[name].add(value, every + (every % 2 == 0))
    return histograms


def _quiet(
    tensors: Iterator[tuple[str, npt.NDArray[Any]]],
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """The same; numpy does not warn of overflows, which are refused by name."""
    while True:
        with np.errstate(over="ignore", invalid="ignore"):
            found = next(tensors, None)
        if found is None:
            return
        yield found


def _activation_behind(graph: Graph, tensor: str) -> Callable[[Floats], Floats]:
    """What alone is made of ``tensor``: its errors count only after it."""
    readers = graph.readers(tensor)
    op = readers[0].op if len(readers) == 1 else None
    if isinstance(op, Activation) and graph.reads(tensor) == 1:
        kind, params = op.kind, op.params
        return lambda x: finite(kind, params, x).astype(np.float64)
    return lambda x: x


def _least_error(histogram: Histogram, behind: Callable[[Floats], Floats]) -> Range:
    """Shrink one end of the range, then the other, to where the squared error is least."""
    values, counts = histogram.centres, histogram.counts.astype(np.float64)
    low, high = histogram.low, histogram.high
    if not counts.size:
        return Range(low, high)
    target = behind(values)

    def error(low: float, high: float) -> float:
        scale = quantization_of(Range(low, high))
        real = dequantize_array(quantize_array(values, scale), scale).astype(np.float64)
        with np.errstate(over="ignore"):  # of functions that grow as exp does: infinitely bad
            return float(np.dot(counts, np.square(behind(real) - target)))

    # A finite range may still be empty in float32.
    for _ in range(_ROUNDS):
        if high > 0:
            high = high * min((error(low, high * c), -c) for c in _CANDIDATES)[1] * -1
        if low < 0:
            low = low * min((error(low * c, high), -c) for c in _CANDIDATES)[1] * -1
    return Range(low, high)
