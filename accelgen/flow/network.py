"""A model's file becomes a network: imported, passes run, quantized."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx

from accelgen.errors import ConfigError, MissingScaleError, ModelError, QuantizationError
from accelgen.frontend import load_onnx
from accelgen.inputs.recorded import read_recorded
from accelgen.inputs.samples import Calibration
from accelgen.inputs.several import InputKind, Kinds, calibration_samples, random_inputs
from accelgen.ir import Graph, Quantization
from accelgen.ir.imported import Imported
from accelgen.passes.fold_given import fold_given
from accelgen.passes.run import run_passes
from accelgen.plain_text import printable
from accelgen.ps.picture import Preprocess
from accelgen.quant import QuantizedModel, quantize_imported
from accelgen.quant import quantize as quantize_graph
from accelgen.quant.dry_run import dry_int8
from accelgen.quant.fusion import complete
from accelgen.quant.plausible import odd_scaling
from accelgen.quant.techniques import named
from accelgen.schedule.sizes import check_sizes
from accelgen.streamed import Samples
from accelgen.zoo.build import build as build_zoo

__all__ = [
    "LOGITS", "MADE_UP", "RANDOM_CALIBRATION", "Given", "Loaded", "Source", "dry", "fold_rounded",
    "kinds_of", "load", "quantized", "read_network", "source_of", "zoo_model",
]  # fmt: skip

Source = str | Path | bytes | onnx.ModelProto
#: Calibration data as callers give it: a file or directory, or with words on pictures.
Given = str | Path | Calibration | None

RANDOM_CALIBRATION = (
    "no calibration data: quantized on seeded random input, fine for cycles, not for accuracy "
    "(give --calib)"
)
#: What a last fully connected layer leaves: its sums (ir.wide), or those rounded to int8.
LOGITS = ("wide", "int8")
ONE_SAMPLE = (
    "calibrated on one sample alone: others may reach further than its ranges (give a hundred)"
)
MADE_UP = (
    "no calibration data: the ranges are made up, fine for cycles, not for accuracy (give --calib)"
)


@dataclass(frozen=True, kw_only=True, repr=False)
class Loaded:
    """A model after import and passes. ``warnings`` are sentences for the user, ``recorded`` is how
    its file says that pictures become its input."""

    name: str
    imported: Imported
    warnings: tuple[str, ...] = ()
    recorded: Preprocess | None = None

    def __repr__(self) -> str:
        kind = "QDQ" if self.is_quantized else "float"
        return f"<Loaded {self.name}: {kind}, {len(self.imported.graph.nodes)} operations>"

    @property
    def kinds(self) -> Kinds:
        """What the model takes, input by input."""
        graph, layouts = self.imported.graph, self.imported.layouts
        return kinds_of(graph, layouts.values())

    @property
    def is_quantized(self) -> bool:
        """The file brought its own scales (QDQ)."""
        return bool(self.imported.quantization)


def kinds_of(graph: Graph, layouts: Iterable[str]) -> Kinds:
    """Of the inputs of ``graph``, which the model takes in ``layouts``, one after the other."""
    return {
        name: InputKind(graph.tensors[name].shape, layout)
        for name, layout in zip(graph.inputs, layouts, strict=True)
    }


def load(model: str | Path) -> Loaded:
    """Import ``model``: a file, or ``zoo:NAME[@RESOLUTION]``.

    Raises
    ------
    ModelError, UnsupportedOpError, ScheduleError
        One sentence naming node and attribute; see :func:`read_network`.
    """
    name = str(model)
    imported = read_network(source_of(model))
    if not name.startswith("zoo:"):
        name = printable(Path(model).stem)
    note, recorded = imported.preprocess, None
    if note and not imported.graph.more:
        shape = imported.graph.tensors[imported.graph.input].shape
        recorded = read_recorded(note, shape, imported.input_layout)
    return Loaded(name=name, imported=imported, warnings=imported.warnings, recorded=recorded)


def source_of(model: str | Path) -> Source:
    """The file, or the ONNX model that ``zoo:NAME[@RESOLUTION]`` stands for."""
    name = str(model)
    return zoo_model(name) if name.startswith("zoo:") else Path(model)


def zoo_model(name: str) -> Any:
    """ONNX model of ``zoo:NAME[@RESOLUTION]``."""
    plain, _, resolution = name.removeprefix("zoo:").partition("@")
    if resolution and not resolution.isdecimal():
        raise ModelError(f"the resolution in {name!r} must be a whole number, like {plain}@224")
    return build_zoo(plain, int(resolution) if resolution else None)


def read_network(source: Source) -> Imported:
    """A model as quantizer and compiler take it: imported, passes run, sizes possible.

    Raises
    ------
    ModelError, UnsupportedOpError
        As :func:`~accelgen.frontend.load.load_onnx` and :func:`~accelgen.passes.run.run_passes`.
    ScheduleError
        Something is larger than any configuration can build.
    """
    imported = load_onnx(source)
    if imported.quantization:
        graph = fold_rounded(imported.graph, imported.quantization, imported.weight_scales)
    else:
        graph = run_passes(imported.graph)
    imported = replace(imported, graph=graph)
    check_sizes(imported.graph)
    return imported


def fold_rounded(
    graph: Graph,
    quantization: Mapping[str, Quantization],
    weight_scales: Mapping[str, npt.NDArray[Any]],
) -> Graph:
    """What the passes may do to a QDQ model, which rounds between its nodes: most of them would
    skip that."""
    return fold_given(graph, complete(graph, quantization), weight_scales)


def _wide(logits: str) -> bool:
    if logits not in LOGITS:
        raise ConfigError(f"--logits is wide or int8, not {logits!r}")
    return logits == "wide"


def dry(loaded: Loaded, logits: str = "wide") -> tuple[QuantizedModel, tuple[str, ...]]:
    """An int8 network of the same operations and sizes, so of the same cycles, and warnings.

    Takes no samples: quick, and of use for nothing else.

    Raises
    ------
    QuantizationError, UnsupportedOpError
        The network cannot be int8, whatever the data.
    """
    imported = loaded.imported
    graph = dry_int8(imported, wide=_wide(logits))
    made = QuantizedModel(float_graph=imported.graph, graph=graph, quantization={})
    return made, (MADE_UP,)


def quantized(
    loaded: Loaded,
    *,
    calib: Given = None,
    method: str = "mse",
    technique: str = "auto",
    exclude: str = "",
    logits: str = "wide",
    seed: int = 0,
) -> tuple[QuantizedModel, tuple[str, ...]]:
    """The int8 network, and warnings.

    A QDQ model keeps its own numbers. A float model is calibrated on ``calib``, with
    ``technique``, which leaves layers alone that ``exclude`` names, or on random input, without.
    Of its last fully connected layers the sums are the ``logits`` ("wide"), or are rounded
    ("int8").

    Raises
    ------
    QuantizationError
        The calibration data cannot be read or does not fit the model, or a technique or layer
        is asked for by name where there is nothing for it to work on.
    """
    imported, wide = loaded.imported, _wide(logits)
    kinds = loaded.kinds
    calibration = Calibration.of(calib).recalling(loaded.recorded)
    samples: Samples | None = calibration_samples(calibration, kinds)
    asked = f"--technique {technique}" if named(technique) else "--exclude" if exclude else ""
    if asked and (loaded.is_quantized or samples is None):
        lacks = "is quantized already" if loaded.is_quantized else "has no calibration data"
        raise QuantizationError(
            f"{loaded.name} {lacks}: {asked} has nothing to work on; leave it out"
            + ("" if loaded.is_quantized else ", or give --calib")
        )
    if loaded.is_quantized:
        try:
            return quantize_imported(imported, samples, method, wide=wide), ()
        except MissingScaleError as error:
            if samples is not None:
                raise
            samples = random_inputs(kinds, seed)
            made = quantize_imported(imported, samples, method, wide=wide)
            return made, (f"{error}; scales were taken of seeded random input (give --calib)",)
    if samples is not None:
        made = quantize_graph(
            imported.graph, samples, method, technique=technique, exclude=exclude, wide=wide
        )
        said = (ONE_SAMPLE if len(samples) == 1 else "", odd_scaling(imported.graph, samples))
        return made, tuple(filter(None, said))
    samples = random_inputs(kinds, seed)
    return quantize_graph(imported.graph, samples, method, wide=wide), (RANDOM_CALIBRATION,)
