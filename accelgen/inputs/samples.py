"""Calibration samples: arrays or pictures in files -> one float32 batch, NHWC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.array_files import ONLY, read_arrays
from accelgen.errors import QuantizationError
from accelgen.inputs.pictures import NO_OPTIONS, Pictures, load_pictures, picture_files
from accelgen.ps.picture import SUFFIXES, Preprocess

__all__ = [
    "ARRAYS", "SCALING", "Calibration", "Scaling", "as_nhwc", "check_type", "load_samples",
    "random_samples",
]  # fmt: skip

Floats = npt.NDArray[np.float32]

#: Images that random calibration uses: enough for stable ranges, few enough for large networks.
RANDOM_COUNT = 4
#: What raw pixels are called, and what goes with them.
RAW = "calib_uint8"
SCALING = ("divisor", "mean", "std")
ARRAYS = (".npz", ".npy")

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Where samples come from, ``where`` (nowhere: random ones), and how pictures become input."""

    where: Path | None = None
    pictures: Pictures = NO_OPTIONS

    @classmethod
    def of(cls, given: str | Path | Calibration | None) -> Calibration:
        """From what a caller has."""
        if isinstance(given, Calibration):
            return given
        return cls(where=Path(given) if given else None)

    def samples(self, shape: tuple[int, ...], layout: str) -> Floats | None:
        """As :func:`load_samples`; None when there are none."""
        if self.where is None:
            return None
        return load_samples(self.where, shape=shape, layout=layout, pictures=self.pictures)

    def preprocess(self, shape: tuple[int, ...], layout: str) -> Preprocess | None:
        """How a picture becomes the input, if anybody said so."""
        return self.pictures.preprocess(shape, layout) if self.pictures.given else None

    def picture(self) -> Path | None:
        """The first picture there is."""
        return next(iter(picture_files(self.where)), None) if self.where else None


def random_samples(shape: tuple[int, ...], seed: int) -> Floats:
    """Standard normal input of one network, ``shape`` (1, h, w, c). Good for cycles only."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((RANDOM_COUNT, *shape[1:])).astype(np.float32)


def load_samples(
    where: str | Path,
    *,
    shape: tuple[int, ...],
    layout: str = "nchw",
    pictures: Pictures = NO_OPTIONS,
) -> Floats:
    """Samples (n, h, w, c) of an input ``shape`` (1, h, w, c), from a file or all of a directory.

    A ``.npz`` holds ``x`` (floats, the model's own input), or ``calib_uint8`` with ``divisor``,
    ``mean`` and ``std``: x = (calib_uint8 / divisor - mean) / std; an ``.npy`` holds ``x``. Arrays
    are (n, c, h, w) for ``layout`` "nchw", (n, h, w, c) for "nhwc"; three dimensions are one
    sample. PNG and JPEG files become samples as ``pictures`` says.

    Raises
    ------
    QuantizationError
        Nothing to read, or no such array in it, or not what the model takes.
    """
    where = Path(where)
    shots, arrays = picture_files(where), _arrays(where)
    if shots and arrays:
        raise QuantizationError(f"{where} holds pictures and arrays; keep one kind in it")
    if shots:
        return load_pictures(shots, pictures.preprocess(shape, layout))
    if not arrays:
        raise QuantizationError(
            f"no picture ({', '.join(SUFFIXES)}) and no .npz or .npy file in {where}; save samples "
            "with numpy.savez(..., x=samples)"
        )
    return np.concatenate([_read(file, shape, layout) for file in arrays])


def _arrays(where: Path) -> list[Path]:
    if where.is_dir():
        return sorted(p for p in where.iterdir() if p.suffix in ARRAYS)
    if where.suffix in ARRAYS or where.suffix.lower() in SUFFIXES:
        return [where] if where.suffix in ARRAYS else []
    raise QuantizationError(
        f"calibration data is a .npz, .npy, .png or .jpg file or a directory of them, not "
        f"{where.name!r}"
    )


def _read(file: Path, shape: tuple[int, ...], layout: str) -> Floats:
    try:
        raw, names = _of_names(read_arrays(file, ("x", RAW, *SCALING)))
        scaling = Scaling.of(names, shape[3]) if names is not None else None
    except ValueError as error:
        raise QuantizationError(f"cannot read calibration data {file}: {error}") from error
    if scaling is None:
        check_type(raw, file)
    x = as_nhwc(raw, shape, layout, file)
    return scaling(x) if scaling else np.ascontiguousarray(x, np.float32)


def _of_names(content: Arrays) -> tuple[npt.NDArray[Any], Arrays | None]:
    """The array of an ``.npy``, ``x`` of an ``.npz``, or ``calib_uint8`` and what scales it.
    Raises ValueError without the file's name."""
    if ONLY in content:
        return content[ONLY], None
    if "x" in content:
        if others := " and ".join(repr(name) for name in content if name != "x"):
            raise ValueError(
                f"it has 'x', which is the network's own input, and beside it {others}; keep 'x' "
                "alone, or 'calib_uint8' with 'divisor', 'mean' and 'std'"
            )
        return content["x"], None
    if RAW not in content:
        raise ValueError("it has no array 'x' or 'calib_uint8'")
    return content[RAW], content


@dataclass(frozen=True)
class Scaling:
    """What ``divisor``, ``mean`` and ``std`` of an .npz say: numbers, or one of each channel."""

    divisor: Floats
    mean: Floats
    std: Floats

    @classmethod
    def of(cls, content: Arrays, channels: int) -> Scaling:
        """Raises ValueError without the file's name."""
        scale = []
        for name, default in zip(SCALING, (1.0, 0.0, 1.0), strict=True):
            value = np.asarray(content.get(name, default)).astype(np.float32).reshape(-1)
            if value.size not in (1, channels) or not np.isfinite(value).all():
                raise ValueError(f"{name} must be one number, or one of each channel")
            if name != "mean" and not value.all():
                raise ValueError(f"{name} must not be 0")
            scale.append(value)
        return cls(*scale)

    def __call__(self, raw: npt.NDArray[Any]) -> Floats:
        """``(raw / divisor - mean) / std`` of (n, h, w, c)."""
        scaled = (raw.astype(np.float32) / self.divisor - self.mean) / self.std
        return np.ascontiguousarray(scaled, np.float32)


def check_type(x: npt.NDArray[Any], file: Path) -> None:
    """Raises QuantizationError if an array that is the network's own input is of integers."""
    if np.issubdtype(x.dtype, np.integer):
        raise QuantizationError(
            f"samples in {file} are {x.dtype}: raw pixels; give float32 scaled as the network was "
            "trained, for example (x / 255 - mean) / std"
        )


def as_nhwc(
    x: npt.NDArray[Any], shape: tuple[int, ...], layout: str, file: Path
) -> npt.NDArray[Any]:
    """(n, h, w, c), no copy. Raises QuantizationError when it is not a model's input ``shape`` in
    ``layout``, and speaks of the order of dimensions that the user sees."""
    _, h, w, c = shape
    line = (c, w) if layout == "nchw" else (w, c)
    if x.ndim == 3 and x.shape[1:] in ((h, w) if c == 1 else line, line if h == 1 else ()):
        x = x.reshape(-1, *((c, h, w) if layout == "nchw" else (h, w, c)))  # a rank-3 input
    if x.ndim == 3:
        x = x[np.newaxis]
    if x.ndim == 2 and x.shape[1] == shape[1] * shape[2] * shape[3]:  # a flat input
        x = x.reshape(-1, *((c, h, w) if layout == "nchw" else (h, w, c)))
    if x.ndim != 4 or x.dtype.kind not in "iuf":
        raise QuantizationError(
            f"samples in {file} are {x.dtype} {x.shape}; they must be float (n, c, h, w)"
        )
    _, h, w, c = shape
    orders = {"nchw": (c, h, w), "nhwc": (h, w, c)}
    other = "nhwc" if layout == "nchw" else "nchw"
    if x.shape[1:] != orders[layout]:
        hint = "resize them to the model's input"
        if x.shape[1:] == orders[other]:
            turn = "0, 3, 1, 2" if layout == "nchw" else "0, 2, 3, 1"
            hint = f"they are {other.upper()}: x.transpose({turn})"
        wanted = ", ".join(map(str, orders[layout]))
        raise QuantizationError(
            f"samples in {file} have shape {x.shape}; the model takes (n, {wanted}), "
            f"{layout.upper()}; {hint}"
        )
    return x.transpose(0, 2, 3, 1) if layout == "nchw" else x
