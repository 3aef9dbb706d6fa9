"""One small file that holds a run: model, numbers, hardware. ``accelgen simulate FILE`` repeats it.

What a failing test saves, and what belongs to a bug report.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from accelgen.array_files import read_arrays
from accelgen.errors import ModelError, OutputError
from accelgen.untrusted import Schema, typed

__all__ = ["SUFFIX", "Reproducer", "load_reproducer", "save_reproducer"]

SUFFIX = ".npz"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Reproducer:
    """A run of a network on simulated hardware.

    Parameters
    ----------
    model : bytes
        ONNX, float or QDQ.
    sample : float32 array (1, h, w, c)
        The input.
    config : mapping
        ``ArchParams.to_dict()``.
    board : str
        Its name.
    calib : float32 array (n, h, w, c), optional
        What a float model was calibrated on.
    memory : mapping
        The DDR model's settings by name (:class:`accelgen.estimator.Memory`).
    seed : int
        Of the stalls.
    note : str
        What went wrong, for people.
    """

    model: bytes
    sample: Floats
    config: Mapping[str, Any]
    board: str
    calib: Floats | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    note: str = ""


def save_reproducer(run: Reproducer, path: Path) -> None:
    """Write ``run`` to ``path`` (.npz), whole or not at all.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    settings = {
        "config": dict(run.config), "board": run.board, "memory": dict(run.memory),
        "seed": run.seed, "note": run.note,
    }  # fmt: skip
    arrays: dict[str, Any] = {
        "model": np.frombuffer(run.model, np.uint8),
        "sample": run.sample,
        "settings": np.array(json.dumps(settings)),
    }
    if run.calib is not None:
        arrays["calib"] = run.calib
    scratch = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("wb") as file:
            np.savez_compressed(file, **arrays)
        scratch.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write reproducer {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def load_reproducer(path: Path) -> Reproducer:
    """Inverse of :func:`save_reproducer`.

    Raises
    ------
    ModelError
        ``path`` cannot be read, or is something else.
    """
    try:
        arrays = read_arrays(path, ("model", "sample", "settings", "calib"))
        if missing := {"model", "sample", "settings"} - arrays.keys():
            raise ValueError(f"it has no array {min(missing)!r}")
        model, settings = arrays["model"], arrays["settings"]
        if model.dtype != np.uint8 or settings.dtype.kind != "U" or settings.size != 1:
            raise ValueError("model must be bytes, and settings a text")
        known = typed(_Settings, json.loads(str(settings)), "settings", ModelError)
        return Reproducer(
            model=model.tobytes(),
            sample=_floats(arrays, "sample"),
            calib=_floats(arrays, "calib") if "calib" in arrays else None,
            **known.model_dump(),
        )
    except (ValueError, RecursionError, ModelError) as error:
        raise ModelError(f"{path} is not a reproducer that accelgen saved: {error}") from error


class _Settings(Schema):
    """What a reproducer holds beside arrays; ``config`` is judged by ArchParams."""

    config: dict[str, Any]
    board: str
    memory: dict[str, Any]
    seed: Annotated[int, Field(ge=0, le=2**63)]
    note: str


def _floats(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> Floats:
    values = arrays[name]
    if values.dtype != np.float32 or values.ndim != 4 or not values.size:
        raise ValueError(f"{name} is {values.dtype} {values.shape}, not float32 (n, h, w, c)")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} has values that are no finite numbers")
    return values
