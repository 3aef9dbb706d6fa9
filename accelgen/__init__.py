"""From a trained CNN (ONNX) to a bit-exact simulated INT8 FPGA accelerator.

The verbs of the command line are functions of the same names, and take what it takes::

    import accelgen

    numbers = accelgen.estimate("zoo:mobilenet_v2", accelgen.target("ultra96v2"))

``compile`` makes once what ``estimate``, ``simulate`` and ``build`` then share.
"""

from __future__ import annotations

# Not typing's, which takes longer to load than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from accelgen.arch import PRESETS, ArchParams
    from accelgen.errors import AccelgenError
    from accelgen.flow.compared import compare
    from accelgen.flow.compiled import Compiled
    from accelgen.flow.compiler import compile
    from accelgen.flow.evaluated import evaluate
    from accelgen.flow.hardware import Target, target
    from accelgen.flow.layer_table import layer_table
    from accelgen.flow.network import load
    from accelgen.flow.packages import build, open_package
    from accelgen.flow.runs import simulate
    from accelgen.flow.traces import trace
    from accelgen.flow.verbs import check, estimate, quantize
    from accelgen.inputs.pictures import Pictures
    from accelgen.inputs.samples import Calibration

__all__ = [
    "PRESETS", "AccelgenError", "ArchParams", "Calibration", "Compiled", "Pictures", "Target",
    "__version__", "build", "check", "compare", "compile", "estimate", "evaluate",
    "layer_table", "load", "open_package", "quantize", "simulate", "target", "trace",
]  # fmt: skip

__version__ = "0.1.0"

#: Where the names are. Loaded when asked for: reading the treaty (accelgen.arch) must not cost
#: ONNX, estimating must not cost Amaranth, and nothing may come before accelgen.ends, which minds
#: Ctrl-C. No sub-package has one of these names: the import
#: of one would put itself in the function's place.
_HOMES = {
    "AccelgenError": "accelgen.errors",
    "ArchParams": "accelgen.arch",
    "PRESETS": "accelgen.arch",
    "Calibration": "accelgen.inputs.samples",
    "Compiled": "accelgen.flow.compiled",
    "Pictures": "accelgen.inputs.pictures",
    "Target": "accelgen.flow.hardware",
    "build": "accelgen.flow.packages",
    "check": "accelgen.flow.verbs",
    "compare": "accelgen.flow.compared",
    "compile": "accelgen.flow.compiler",
    "estimate": "accelgen.flow.verbs",
    "evaluate": "accelgen.flow.evaluated",
    "layer_table": "accelgen.flow.layer_table",
    "load": "accelgen.flow.network",
    "open_package": "accelgen.flow.packages",
    "quantize": "accelgen.flow.verbs",
    "simulate": "accelgen.flow.runs",
    "target": "accelgen.flow.hardware",
    "trace": "accelgen.flow.traces",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        # Here: a command minds Ctrl-C before it loads even this.
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
