"""Calibration samples: arrays in files -> one float32 batch, NHWC."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import QuantizationError

__all__ = ["load_samples", "random_samples"]

Floats = npt.NDArray[np.float32]

#: Images that random calibration uses: enough for stable ranges, few enough for large networks.
RANDOM_COUNT = 4
_SUFFIXES = (".npz", ".npy")


def random_samples(shape: tuple[int, ...], seed: int) -> Floats:
    """Standard normal input of one network, ``shape`` (1, h, w, c). Good for cycles only."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((RANDOM_COUNT, *shape[1:])).astype(np.float32)


def load_samples(where: Path, *, layout: str = "nchw") -> Floats:
    """Samples from a ``.npz`` or ``.npy`` file, or from all of these in a directory.

    An ``.npz`` holds ``x`` (float, the model's own input), or ``calib_uint8`` with ``divisor``,
    ``mean`` and ``std``: x = (calib_uint8 / divisor - mean) / std. Arrays are (n, c, h, w) for
    ``layout`` "nchw", (n, h, w, c) for "nhwc"; three dimensions are one sample.

    Raises
    ------
    QuantizationError
        Nothing to read, or no such array in it.
    """
    files = _files(where)
    batches = [_to_nhwc(_read(file), layout, file) for file in files]
    shapes = {batch.shape[1:] for batch in batches}
    if len(shapes) > 1:
        raise QuantizationError(
            f"samples in {where} have different shapes: "
            f"{', '.join(str(s) for s in sorted(shapes))}; resize them to the model's input"
        )
    return np.concatenate(batches)


def _files(where: Path) -> list[Path]:
    if where.is_dir():
        files = sorted(p for p in where.iterdir() if p.suffix in _SUFFIXES)
        if not files:
            raise QuantizationError(
                f"no .npz or .npy file in {where}; save samples with numpy.savez(..., x=samples)"
            )
        return files
    if where.suffix not in _SUFFIXES:
        raise QuantizationError(
            f"calibration data is a .npz or .npy file or a directory of them, not {where.name!r}"
        )
    return [where]


def _read(file: Path) -> npt.NDArray[Any]:
    try:
        content = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise QuantizationError(f"cannot read calibration data {file}: {error}") from error
    if isinstance(content, np.ndarray):
        return content
    with content:
        if "x" in content:
            return np.asarray(content["x"])
        if "calib_uint8" not in content:
            raise QuantizationError(
                f"{file} has no array 'x' or 'calib_uint8', only {', '.join(content.files)}"
            )
        scale = {
            name: float(content[name]) if name in content else default
            for name, default in (("divisor", 1.0), ("mean", 0.0), ("std", 1.0))
        }
        raw = content["calib_uint8"].astype(np.float32)
        normalized = (raw / scale["divisor"] - scale["mean"]) / scale["std"]
        return normalized.astype(np.float32)


def _to_nhwc(x: npt.NDArray[Any], layout: str, file: Path) -> Floats:
    if x.ndim == 3:
        x = x[np.newaxis]
    if x.ndim != 4 or not np.issubdtype(x.dtype, np.number):
        raise QuantizationError(
            f"samples in {file} are {x.dtype} {x.shape}; they must be numbers (n, c, h, w)"
        )
    if layout == "nchw":
        x = x.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(x, np.float32)
