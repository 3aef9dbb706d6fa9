"""What a user needs on the first day with a board: sample, results, scripts, a notebook."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from accelgen.assets import asset
from accelgen.deploy.board import example, selftest
from accelgen.deploy.notebook import notebook
from accelgen.program.loopback import loopback
from accelgen.program.records import Program
from accelgen.ps import picture as picture_module
from accelgen.ps.picture import Preprocess

__all__ = ["FirstDay", "first_day_manifest", "write_day_scripts", "write_first_day"]

_SCRIPTS = {
    "example.py": example,
    "picture.py": picture_module,
    "selftest.py": selftest,
}


@dataclass(frozen=True, kw_only=True)
class FirstDay:
    """What is known of a network beside its program.

    ``arrays`` are those of expected.npz, ``order`` the tensors among them and the layers that make
    each (``accelgen.flow.expected``). ``picture``: uint8 (h, w, c) of the sample, or None.
    ``preprocess`` is how a picture becomes the input, as JSON, or None. ``labels`` are names of
    classes, or None. ``calibrated``: scales come from the user's data.
    """

    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    order: Sequence[tuple[str, Sequence[str]]] = ()
    picture: npt.NDArray[np.uint8] | None = None
    preprocess: Mapping[str, Any] | None = None
    labels: Sequence[str] | None = None
    calibrated: bool = True

    @property
    def preprocess_text(self) -> str:
        """How a picture becomes the input, for people; "" when nobody said so."""
        return str(Preprocess.from_dict(dict(self.preprocess))) if self.preprocess else ""


def write_first_day(day: FirstDay, model: str, where: Path) -> None:
    """Write expected.npz, sample.png, notebook and licence into ``where``."""
    np.savez_compressed(where / "expected.npz", **dict(day.arrays))  # type: ignore[arg-type]
    if day.picture is not None:
        pixels = day.picture[..., 0] if day.picture.shape[2] == 1 else day.picture
        Image.fromarray(pixels).save(where / "sample.png")
    book = notebook(model, sample=day.picture is not None, several="input_0" in day.arrays)
    (where / "classify.ipynb").write_text(json.dumps(book, indent=1) + "\n")
    shutil.copyfile(asset("LICENSE"), where / "LICENSE")


def write_day_scripts(where: Path) -> None:
    """The scripts, which are the same in every package."""
    for name, module in _SCRIPTS.items():
        shutil.copyfile(str(module.__file__), where / name)


def first_day_manifest(
    day: FirstDay, parts: Sequence[Program], estimate: Mapping[str, Any]
) -> dict[str, Any]:
    """The manifest's keys ``preprocess``, ``labels``, ``calibrated``, ``expected`` (tensors of
    expected.npz in the order in which a frame makes them), ``layers`` (steps: the frame's part,
    nodes, ordinal numbers of EXECs in that part, estimated cycles) and ``loopback``
    (``schedule.loopback``; the program as hexadecimal digits)."""
    there = loopback(parts[0].arch, parts[0].image_bytes)
    cycles = {layer["name"]: layer["cycles"] for layer in estimate["layers"]}
    return {
        "preprocess": day.preprocess and dict(day.preprocess),
        "labels": day.labels and list(day.labels),
        "calibrated": day.calibrated,
        "expected": [{"tensor": tensor, "nodes": list(nodes)} for tensor, nodes in day.order],
        "loopback": {
            "program": there.program.hex(),
            "source": there.source,
            "target": there.target,
            "bytes": there.size,
        },
        "layers": [
            {"part": i, "nodes": list(s.nodes), "execs": list(s.execs),
             "cycles": cycles.get(s.nodes[0])}
            for i, part in enumerate(parts)
            for s in part.steps
        ],
    }  # fmt: skip
