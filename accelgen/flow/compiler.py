"""compile(): from a model to everything a board needs, in memory."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from accelgen.errors import ConfigError
from accelgen.flow.compiled import Compiled, Offload, judge, judged, keeping_all, scheduled
from accelgen.flow.hardware import Target, as_target
from accelgen.flow.network import Given, Loaded, dry, load, quantized
from accelgen.flow.placement import place
from accelgen.inputs.samples import Calibration
from accelgen.quant import QuantizedModel

__all__ = ["FC_ON", "SE_ON", "CompileOptions", "as_compiled", "compile", "placed", "places_of"]

log = logging.getLogger("accelgen")

#: Where the last fully connected layers can be told to run.
FC_ON = ("auto", "pl", "ps")
#: And squeeze-and-excite blocks.
SE_ON = ("auto", "pl", "ps")


class CompileOptions(TypedDict, total=False):
    """Further options of :func:`compile` that verbs take with a model's file."""

    fc_on: str
    se_on: str
    method: str
    technique: str
    exclude: str
    logits: str
    keep_all: bool
    cycles_only: bool


def compile(
    model: str | Path,
    hardware: Target | str | None = None,
    *,
    fc_on: str = "auto",
    se_on: str = "auto",
    calib: Given = None,
    method: str = "mse",
    technique: str = "auto",
    exclude: str = "",
    logits: str = "wide",
    seed: int = 0,
    keep_all: bool = False,
    cycles_only: bool = False,
) -> Compiled:
    """Quantize ``model`` and schedule it for ``hardware``. Writes nothing.

    Parameters
    ----------
    model : str or Path
        ONNX file (float or QDQ), or ``zoo:NAME[@RESOLUTION]``.
    hardware : Target or str
        From :func:`~accelgen.flow.hardware.target`, or a board's name; the default board's.
    fc_on : str
        Where the last fully connected layers run: "pl", "ps", or "auto": where the estimate is
        faster (``Compiled.reason`` says so); of the preset "naive", on the PS.
    se_on : str
        Where squeeze-and-excite blocks run: "pl", "ps", or "auto": on the PL; of the preset
        "naive", on the PS.
    calib : str, Path or Calibration
        Samples to calibrate a float model on; seeded random ones by default.
    method : str
        How ranges are found: "mse", "percentile" or "minmax".
    technique : str
        What makes better numbers: "none", names joined by commas, or "auto" for those that help
        on part of ``calib`` that is kept aside (:mod:`accelgen.quant.techniques`).
    exclude : str
        Layers that techniques leave alone: names of nodes joined by commas, each for all
        techniques or, as "TECHNIQUE:NAME", for one.
    logits : str
        What last fully connected layers and averages leave: "wide", their sums, or "int8", rounded.
    seed : int
        Of everything random.
    keep_all : bool
        Store every tensor: slower, for finding what is wrong.
    cycles_only : bool
        Only the cycles will be asked for: a float model without samples gets made-up ranges, and
        no technique is used.

    Raises
    ------
    AccelgenError
        One sentence on what is not supported, or does not fit, and the way out.
    """
    if fc_on not in FC_ON:
        raise ConfigError(f"--fc-on is auto, pl or ps, not {fc_on!r}")
    if se_on not in SE_ON:
        raise ConfigError(f"--se-on is auto, pl or ps, not {se_on!r}")
    hardware = as_target(hardware)
    fc_on, se_on = places_of(hardware, fc_on, se_on)
    offload = Offload.of("pl" if fc_on == "auto" else fc_on, se_on)
    loaded = load(model)
    log.info("%s: read, %d operations", loaded.name, len(loaded.imported.graph.nodes))
    if cycles_only and not loaded.is_quantized and Calibration.of(calib).where is None:
        int8, warnings = dry(loaded, logits)
    else:
        judge(loaded, hardware, offload)
        int8, warnings = quantized(
            loaded, calib=calib, method=method, seed=seed, logits=logits,
            technique="none" if cycles_only else technique, exclude="" if cycles_only else exclude,
        )  # fmt: skip
    log.info("%s: quantized", loaded.name)
    compiled = placed(loaded, int8, hardware, fc_on=fc_on, se_on=se_on)
    log.info("%r", compiled)
    return (keeping_all(compiled) if keep_all else compiled).warned(warnings)


def placed(
    loaded: Loaded, int8: QuantizedModel, hardware: Target, *, fc_on: str | int, se_on: str
) -> Compiled:
    """One int8 network scheduled for one target, with layers where :func:`places_of` says;
    ``fc_on`` may be how many of the last fully connected layers are on the PS."""
    if fc_on == "auto":
        return judged(place(loaded, int8, hardware, se=se_on == "ps"))
    offload = Offload.of("ps" if isinstance(fc_on, int) else fc_on, se_on)
    if isinstance(fc_on, int):
        offload = replace(offload, fc=fc_on)
    return judged(scheduled(loaded, int8, hardware, offload=offload))


def places_of(hardware: Target, fc_on: str, se_on: str) -> tuple[str, str]:
    """``fc_on`` and ``se_on``, "auto" as ``hardware`` means it: a first design has both on the PS;
    else only the fastest place of fully connected layers is still open."""
    if hardware.layerwise:
        return ("ps" if fc_on == "auto" else fc_on, "ps" if se_on == "auto" else se_on)
    return fc_on, "pl" if se_on == "auto" else se_on


def as_compiled(
    model: str | Path | Compiled,
    hardware: Target | str | None = None,
    *,
    calib: Given = None,
    seed: int = 0,
    **options: Unpack[CompileOptions],
) -> Compiled:
    """A compiled network as it is, on ``hardware`` if given; a model's file compiled.

    ``calib``, ``seed`` and ``options`` are those of :func:`compile`. Raises ConfigError when a
    compiled network is given what it would have to be compiled with; ``seed`` has other uses.
    """
    if not isinstance(model, Compiled):
        return compile(model, hardware, calib=calib, seed=seed, **options)
    if given := [*(["calib"] if calib is not None else []), *options]:
        raise ConfigError(
            f"{model.name} is compiled already: {', '.join(given)} can be given with a model only"
        )
    return model.on(None if hardware is None else as_target(hardware))
