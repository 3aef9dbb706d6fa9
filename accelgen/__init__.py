"""From a trained CNN (ONNX) to a bit-exact simulated INT8 FPGA accelerator.

The verbs of the command line are functions of the same names in :mod:`accelgen.pipeline`, ``build``
in :mod:`accelgen.packages`.
"""

from __future__ import annotations

from typing import Any

from accelgen.arch import PRESETS, ArchParams
from accelgen.errors import AccelgenError

__all__ = [
    "PRESETS",
    "AccelgenError",
    "ArchParams",
    "__version__",
    "build",
    "check",
    "compile_model",
    "estimate",
    "quantize",
    "simulate",
]

__version__ = "0.1.0"

_VERBS = {"check", "compile_model", "estimate", "quantize", "simulate"}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: reading the treaty (accelgen.arch) must not cost ONNX and Amaranth.
    if name == "build":
        from accelgen import packages

        return packages.build
    if name in _VERBS:
        from accelgen import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
