"""Pictures on the command line: what the options say of them, and folders of them as samples."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from accelgen.errors import QuantizationError
from accelgen.ps.picture import (
    SUFFIXES,
    PictureError,
    Preprocess,
    normalized,
    read_picture,
)

__all__ = [
    "NO_OPTIONS", "PRESETS", "Pictures", "Preset", "load_pictures", "picture_files",
    "pictures_below", "refuse_other_pictures",
]  # fmt: skip

Floats = npt.NDArray[np.float32]

HOW = (
    "say how the network was trained: --preprocess imagenet, tf, caffe or unit, or --mean and "
    "--std (of bytes / 255, one number or one per channel)"
)


@dataclass(frozen=True)
class Preset:
    """Numbers that many networks were trained with, of bytes / 255, in the network's order.
    ``order`` is the only one that they are for, if there is one."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: str | None = None


#: Names of --preprocess.
PRESETS = {
    # torchvision.transforms.Normalize as in its references and models' weights (ImageNet).
    "imagenet": Preset((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "rgb"),
    # keras.applications.imagenet_utils.preprocess_input, mode "tf": v / 127.5 - 1.
    "tf": Preset((0.5,), (0.5,)),
    # The same, mode "caffe": blue, green, red minus (103.939, 116.779, 123.68), not scaled.
    "caffe": Preset((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255,) * 3, "bgr"),
    # torchvision.transforms.ToTensor alone: v / 255.
    "unit": Preset((0.0,), (1.0,)),
}


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The options --resize, --crop, --preprocess, --mean, --std and --bgr as they were given.

    ``resize`` is "N" (short side) or "HxW", ``crop`` "N" or "HxW", ``preset`` a name of
    :data:`PRESETS`, ``mean`` and ``std`` are numbers with commas between. ``recorded`` is what the
    network's own file says: it holds where options do not.
    """

    resize: str | None = None
    crop: str | None = None
    preset: str | None = None
    mean: str | None = None
    std: str | None = None
    bgr: bool = False
    recorded: Preprocess | None = None

    @property
    def given(self) -> bool:
        """Any of the options was."""
        return any(getattr(self, f.name) for f in fields(self) if f.name != "recorded")

    def preprocess(self, shape: tuple[int, ...], layout: str) -> Preprocess:
        """How pictures become the input (1, h, w, c) ``shape`` of a model in ``layout``.

        Raises QuantizationError for options that do not lead there, or that are missing.
        """
        _, height, width, channels = shape
        if channels not in (1, 3):
            raise QuantizationError(
                f"the network's input has {channels} channels; pictures have 1 or 3: save samples "
                "with numpy.savez(..., x=samples)"
            )
        if self.recorded and not self.given:
            return self.recorded
        if self.bgr and channels == 1:
            raise QuantizationError("--bgr is for three channels, the network's input has one")
        mean, std, order = self._scaling(channels)
        crop = _size("--crop", self.crop)
        try:
            return Preprocess(
                size=(height, width),
                mean=mean,
                std=std,
                resize=_size("--resize", self.resize),
                crop=(crop, crop) if isinstance(crop, int) else crop,
                order=order,
                layout=layout,
            )
        except PictureError as error:
            raise QuantizationError(f"{error}; --resize and --crop say how") from error

    def _scaling(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...], str]:
        """Mean, deviation, and the order of colours."""
        order = "gray" if channels == 1 else "bgr" if self.bgr else "rgb"
        if self.preset is None:
            if self.mean is None or self.std is None:
                if self.recorded and self.mean is None and self.std is None and not self.bgr:
                    return self.recorded.mean, self.recorded.std, self.recorded.order
                raise QuantizationError(f"pictures need normalising; {HOW}")
            mean, std = (
                _numbers("--mean", self.mean, channels), _numbers("--std", self.std, channels)
            )  # fmt: skip
            return mean, std, order
        named = PRESETS.get(self.preset)
        if named is None:
            raise QuantizationError(
                f"--preprocess is {', '.join(PRESETS)}, not {self.preset!r}; --mean and --std say "
                "other numbers"
            )
        if self.mean is not None or self.std is not None:
            raise QuantizationError(
                f"--preprocess {self.preset} has numbers of its own; leave --mean and --std out, "
                "or it"
            )
        if named.order and (channels == 1 or (self.bgr and named.order == "rgb")):
            found = "one channel" if channels == 1 else "--bgr"
            raise QuantizationError(
                f"--preprocess {self.preset} is for {named.order.upper()}, not for {found}; give "
                "--mean and --std"
            )
        times = 1 if len(named.mean) == channels else channels
        return named.mean * times, named.std * times, named.order or order


#: Nothing was said about pictures.
NO_OPTIONS = Pictures()


def picture_files(where: Path) -> list[Path]:
    """The pictures of a directory, by name; or ``where`` itself if it is one."""
    if where.is_dir():
        return sorted(p for p in where.iterdir() if p.suffix.lower() in SUFFIXES)
    return [where] if where.suffix.lower() in SUFFIXES else []


def pictures_below(where: Path) -> list[Path]:
    """As :func:`picture_files`; of a directory without pictures those in its folders."""
    found = picture_files(where)
    if found or not where.is_dir():
        return found
    folders = sorted(p for p in where.iterdir() if p.is_dir())
    return [file for folder in folders for file in picture_files(folder)]


#: Pictures that are not read.
_OTHERS = (".bmp", ".gif", ".heic", ".tif", ".tiff", ".webp")


def refuse_other_pictures(where: Path) -> None:
    """Raises QuantizationError when a directory, or a folder in it, has pictures that
    :func:`picture_files` leaves."""
    if not where.is_dir():
        return
    for folder in (where, *sorted(p for p in where.iterdir() if p.is_dir())):
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in _OTHERS:
                raise QuantizationError(
                    f"{folder} holds {path.name}, which is no PNG or JPEG file; save it as one, or "
                    "take it out"
                )


def load_pictures(files: list[Path], preprocess: Preprocess) -> Floats:
    """Normalised samples (n, h, w, c).

    Raises QuantizationError naming the file that cannot be read or does not come out right.
    """
    samples = []
    for file in files:
        try:
            samples.append(normalized(read_picture(file, preprocess.order), preprocess))
        except PictureError as error:
            hint = ""
            if "becomes" in str(error):
                height, width = preprocess.size
                hint = (
                    f"; give --resize {height}x{width}, or --resize N and --crop {height}x{width}"
                )
            name = "" if str(file) in str(error) else f"{file}: "
            raise QuantizationError(f"{name}{error}{hint}") from error
    return np.concatenate(samples)


def _numbers(option: str, text: str, channels: int) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise QuantizationError(f"{option} takes numbers with commas, not {text!r}") from None
    if len(values) == 1:
        return values * channels
    if len(values) != channels:
        raise QuantizationError(
            f"{option} takes one number or {channels}, as the network has channels, not {text!r}"
        )
    return values


def _size(option: str, text: str | None) -> int | tuple[int, int] | None:
    if text is None:
        return None
    parts = text.split("x")
    if len(parts) > 2 or not all(p.isdecimal() and 0 < int(p) <= 32768 for p in parts):
        raise QuantizationError(f"{option} takes N or HxW, like 256 or 224x224, not {text!r}")
    sides = tuple(int(p) for p in parts)
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])
