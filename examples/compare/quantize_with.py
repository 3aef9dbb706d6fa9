"""One tool with one setting, in a process (and a Python) of its own: what compare_quantizers runs.

``python quantize_with.py TOOL SETTING MODEL FOLDER``. FOLDER holds ``calib.npy`` and ``data.npy``,
pictures as the model takes them. The tool leaves its network there as ``int8.onnx`` (QDQ), and
``outputs.npy`` where it computes it itself; ``facts.json`` says what that cost.
"""

import importlib
import importlib.metadata
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np


def main(tool: str, setting: str, model: str, folder: str) -> None:
    place = Path(folder)
    calib = np.load(place / "calib.npy")
    recipe = importlib.import_module(f"recipes.{tool}")
    made = place / "int8.onnx"
    before, start = _cpu(), time.monotonic()
    run = recipe.SETTINGS[setting](Path(model), calib, made)
    facts = {
        "cpu_seconds": _cpu() - before,
        "seconds": time.monotonic() - start,
        "version": importlib.metadata.version(recipe.PACKAGE),
    }
    if run is not None:
        data = np.load(place / "data.npy", mmap_mode="r")
        np.save(place / "outputs.npy", np.concatenate(list(map(run, _parts(data)))))
    (place / "facts.json").write_text(json.dumps(facts))


def _parts(data):
    """A few pictures at a time."""
    return (data[first : first + 8] for first in range(0, len(data), 8))


def _cpu() -> float:
    """Seconds of processor, of this process and what it started."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, who))


if __name__ == "__main__":
    main(*sys.argv[1:5])
