"""Calibration samples: arrays or pictures in files -> float32 (n, h, w, c), read when used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.array_files import ONLY, read_arrays
from accelgen.errors import QuantizationError
from accelgen.inputs.arrays import ARRAYS, SCALING, Arrays, Scaling, as_nhwc, check_type
from accelgen.inputs.pictures import (
    NO_OPTIONS,
    Pictures,
    pictures_below,
    refuse_other_pictures,
)
from accelgen.inputs.shown import Shown, ShownArrays, ShownFiles, ShownJoined
from accelgen.ps.picture import SUFFIXES, PictureError, Preprocess
from accelgen.streamed import Streamed

__all__ = ["Calibration", "load_samples", "open_samples", "random_samples", "refuse_blank"]

Floats = npt.NDArray[np.float32]

#: Images that random calibration uses: enough for stable ranges, few enough for large networks.
RANDOM_COUNT = 4
#: What raw pixels are called: those for calibration, or what a file has to be judged on.
RAW = ("calib_uint8", "x_uint8")


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

    def samples(self, shape: tuple[int, ...], layout: str) -> Streamed | None:
        """As :func:`open_samples`; None when there are none. Raises QuantizationError, too, when
        nothing is to be seen on any of them."""
        if self.where is None:
            return None
        samples = open_samples(self.where, shape=shape, layout=layout, pictures=self.pictures)
        refuse_blank(samples, self.where)
        return samples

    def preprocess(self, shape: tuple[int, ...], layout: str) -> Preprocess | None:
        """How a picture becomes the input, if anybody said so."""
        known = self.pictures.given or self.pictures.recorded
        return self.pictures.preprocess(shape, layout) if known else None

    def recalling(self, recorded: Preprocess | None) -> Calibration:
        """With what the network's file says of pictures, for where the options do not."""
        return replace(self, pictures=replace(self.pictures, recorded=recorded))

    def contradiction(self, shape: tuple[int, ...], layout: str) -> str:
        """A warning, or "", when the options say another thing than the network's file."""
        recorded = self.pictures.recorded
        if not recorded or not self.pictures.given:
            return ""
        given = self.pictures.preprocess(shape, layout)
        if given == recorded:
            return ""
        return f"the network's file says of pictures: {recorded}; the options, which hold: {given}"

    def picture(self) -> Path | None:
        """The first picture there is."""
        return next(iter(pictures_below(self.where)), None) if self.where else None


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
    """As :func:`open_samples`, all of them in memory."""
    return np.asarray(open_samples(where, shape=shape, layout=layout, pictures=pictures))


def open_samples(
    where: str | Path,
    *,
    shape: tuple[int, ...],
    layout: str = "nchw",
    pictures: Pictures = NO_OPTIONS,
) -> Streamed:
    """Samples (n, h, w, c) of an input ``shape`` (1, h, w, c), from a file or all of a directory.

    A ``.npz`` holds ``x`` (floats, the model's own input; or uint8, if ``pictures`` says how that
    becomes it), or ``calib_uint8`` (or ``x_uint8``) with ``divisor``, ``mean`` and ``std``:
    x = (calib_uint8 / divisor - mean) / std; an ``.npy`` holds ``x``. Arrays are (n, c, h, w) for
    ``layout`` "nchw", (n, h, w, c) for "nhwc"; three dimensions are one sample. PNG and JPEG files,
    of a directory or of the folders in it, become samples as ``pictures`` says; they are read when
    they are asked for.

    Raises
    ------
    QuantizationError
        Nothing to read, or no such array in it, or not what the model takes; when it is read: a
        picture or a sample is broken.
    """
    where = Path(where)
    if not where.exists():
        raise QuantizationError(
            f"there is no {where}; calibration data is a .npz, .npy, .png or .jpg file or a "
            "directory of them"
        )
    shots, arrays = pictures_below(where), _arrays(where)
    if shots and arrays:
        raise QuantizationError(f"{where} holds pictures and arrays; keep one kind in it")
    refuse_other_pictures(where)
    found: list[Shown] = []
    if shots:
        preprocess = pictures.preprocess(shape, layout)
        found = [ShownFiles(root=where, files=tuple(shots), preprocess=preprocess)]
    elif arrays:
        found = [_read(file, shape, layout, pictures) for file in arrays]
    else:
        raise QuantizationError(
            f"no picture ({', '.join(SUFFIXES)}) and no .npz or .npy file in {where}; save samples "
            "with numpy.savez(..., x=samples)"
        )
    shown = ShownJoined.of(found)
    return Streamed(shown.read, (len(shown.names), *shape[1:]))


def refuse_blank(samples: Streamed, where: Path) -> None:
    """Raises QuantizationError when there is nothing to be seen in any of ``samples``."""
    if samples.shape[1:3] == (1, 1):
        return
    for i in range(len(samples)):
        x = np.asarray(samples[i : i + 1])
        if (x != x[:, :1, :1]).any():
            return
    raise QuantizationError(
        f"every sample in {where} is of one colour: no ranges can be taken of it; calibrate on "
        "samples like those that the network will see"
    )


def _arrays(where: Path) -> list[Path]:
    if where.is_dir():
        return sorted(p for p in where.iterdir() if p.suffix.lower() in ARRAYS)
    suffix = where.suffix.lower()
    if suffix in ARRAYS or suffix in SUFFIXES:
        return [where] if suffix in ARRAYS else []
    raise QuantizationError(
        f"calibration data is a .npz, .npy, .png or .jpg file or a directory of them, not "
        f"{where.name!r}"
    )


def _read(file: Path, shape: tuple[int, ...], layout: str, pictures: Pictures) -> ShownArrays:
    scaling: Scaling | Preprocess | None = None
    try:
        raw, names = _of_names(read_arrays(file, ("x", *RAW, *SCALING)))
        if names is not None:
            scaling = Scaling.of(names, shape[3])
        elif raw.dtype == np.uint8 and pictures.given:
            scaling = pictures.preprocess(shape, layout)
    except (ValueError, PictureError) as error:
        raise QuantizationError(f"cannot read calibration data {file}: {error}") from error
    if scaling is None:
        check_type(raw, file)
    x = as_nhwc(raw, shape, layout, file)
    if not len(x):
        raise QuantizationError(f"{file} holds no sample")
    return ShownArrays(x=x, scaling=scaling, file=file)


def _of_names(content: Arrays) -> tuple[npt.NDArray[Any], Arrays | None]:
    """The array of an ``.npy``, ``x`` of an ``.npz``, or raw pixels and what scales them.
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
    raw = next((name for name in RAW if name in content), None)
    if raw is None:
        raise ValueError("it has no array 'x' or 'calib_uint8'")
    return content[raw], content
