"""Pictures that a network is judged on: named, labelled if anybody says so, read bit by bit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.array_files import ONLY, read_arrays
from accelgen.errors import QuantizationError
from accelgen.inputs.arrays import ARRAYS, SCALING, Scaling, as_nhwc, check_type
from accelgen.inputs.labels import Labels, labels_in_order, labels_of_folders, labels_of_names
from accelgen.inputs.pictures import (
    Pictures,
    load_pictures,
    picture_files,
    refuse_other_pictures,
)
from accelgen.ps.picture import SUFFIXES, PictureError, Preprocess, normalized

__all__ = [
    "LABELS", "Shown", "ShownArrays", "ShownFiles", "ShownJoined", "labels_beside", "open_shown",
]  # fmt: skip

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

#: How raw pixels, and labels, are called in an .npz.
RAW, LABELS = "x_uint8", ("y", "labels")


@dataclass(frozen=True, kw_only=True)
class Shown(ABC):
    """Pictures by number. ``labels`` are numbers of classes, or None where nobody gave any;
    ``warnings`` are sentences."""

    labels: Labels | None = None
    warnings: tuple[str, ...] = ()

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """What each is called."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Where they are from, short."""

    @abstractmethod
    def read(self, first: int, last: int) -> Floats:
        """Pictures ``first`` up to ``last`` as the network's input (n, h, w, c).

        Raises QuantizationError naming the picture that cannot be read.
        """


@dataclass(frozen=True, kw_only=True)
class ShownFiles(Shown):
    """PNG and JPEG files, read when they are asked for."""

    root: Path
    files: tuple[Path, ...]
    preprocess: Preprocess

    @cached_property
    def names(self) -> Sequence[str]:
        return [_named(file, self.root) for file in self.files]

    @property
    def title(self) -> str:
        return self.root.name

    def read(self, first: int, last: int) -> Floats:
        return load_pictures(list(self.files[first:last]), self.preprocess)


@dataclass(frozen=True, kw_only=True)
class ShownArrays(Shown):
    """(n, h, w, c) of a file, of any type, made floats when they are asked for."""

    x: Array
    file: Path
    scaling: Scaling | Preprocess | None = None

    @cached_property
    def names(self) -> Sequence[str]:
        return [f"sample {index}" for index in range(len(self.x))]

    @property
    def title(self) -> str:
        return self.file.name

    def read(self, first: int, last: int) -> Floats:
        x = self.x[first:last]
        with np.errstate(over="ignore", invalid="ignore"):  # what is too large is named below
            if isinstance(self.scaling, Preprocess):
                made = np.concatenate([normalized(pixels, self.scaling) for pixels in x])
            elif self.scaling is not None:
                made = self.scaling(x)
            else:
                made = np.ascontiguousarray(x, np.float32)
        if not np.isfinite(made).all():
            bad = first + int(np.flatnonzero(~np.isfinite(made).all(axis=(1, 2, 3)))[0])
            raise QuantizationError(
                f"sample {bad} of {self.file} holds NaN or infinity as float32; remove it"
            )
        return made


@dataclass(frozen=True, kw_only=True)
class ShownJoined(Shown):
    """Several, one after the other."""

    parts: tuple[Shown, ...]

    @classmethod
    def of(cls, parts: Sequence[Shown]) -> Shown:
        """The only one, or all. Raises QuantizationError when some have labels and others not."""
        if len(parts) == 1:
            return parts[0]
        given = [part.labels for part in parts if part.labels is not None]
        if given and len(given) < len(parts):
            raise QuantizationError(
                f"{len(given)} of {len(parts)} pieces of data have labels; give labels to all, or "
                "take them out"
            )
        return cls(
            parts=tuple(parts), labels=np.concatenate(given) if given else None,
            warnings=tuple(warning for part in parts for warning in part.warnings),
        )  # fmt: skip

    @cached_property
    def names(self) -> Sequence[str]:
        return [f"{part.title}: {name}" for part in self.parts for name in part.names]

    @property
    def title(self) -> str:
        return ", ".join(part.title for part in self.parts)

    def read(self, first: int, last: int) -> Floats:
        made, start = [], 0
        for part in self.parts:
            count = len(part.names)
            a, b = max(first - start, 0), min(last - start, count)
            made += [part.read(a, b)] if a < b else []
            start += count
        return np.concatenate(made)


def open_shown(
    where: Path,
    *,
    shape: tuple[int, ...],
    layout: str,
    pictures: Pictures,
    labels: Path | None = None,
) -> Shown:
    """What there is at ``where`` for an input ``shape`` (1, h, w, c) of a model in ``layout``.

    A directory holds pictures, or a folder of pictures for each class, or arrays. An ``.npz`` holds
    ``x``, or ``x_uint8`` with ``divisor``, ``mean`` and ``std``
    (x = (x_uint8 / divisor - mean) / std), and maybe labels ``y`` (or ``labels``), numbers or maps
    (n, h, w) of them; an ``.npy`` holds ``x``. ``x`` is the network's own input, or uint8 pixels if
    ``pictures`` says how those become it. ``labels`` is a file: ``name,label`` a line for pictures,
    a number a line for arrays.

    Raises
    ------
    QuantizationError
        Nothing to read, it does not fit the model, or labels do not fit it.
    """
    if not where.exists():
        raise QuantizationError(f"there is no {where}; --data takes pictures, .npz or .npy")
    if where.suffix.lower() in ARRAYS and not where.is_dir():
        return _of_array(where, shape, layout, pictures, labels)
    refuse_other_pictures(where)
    if arrays := _arrays_of(where):
        if labels is not None:
            raise QuantizationError(f"{where} holds arrays; labels of each are 'y' in it")
        return ShownJoined.of([_of_array(a, shape, layout, pictures, None) for a in arrays])
    files, classes = picture_files(where), None
    if where.is_dir():
        folders = {f: picture_files(f) for f in sorted(where.iterdir()) if f.is_dir()}
        folders = {folder: found for folder, found in folders.items() if found}
        if files and folders:
            raise QuantizationError(
                f"{where} holds pictures and folders of pictures; keep one kind in it"
            )
        if folders:
            numbers = labels_of_folders(folder.name for folder in folders)
            files = [file for found in folders.values() for file in found]
            classes = np.array([numbers[file.parent.name] for file in files], np.int64)
    if not files:
        raise QuantizationError(
            f"no picture ({', '.join(SUFFIXES)}) in {where}, nor in folders of it; --data takes "
            "pictures, a folder of them for each class, or an .npz or .npy file"
        )
    warnings: tuple[str, ...] = ()
    if labels is not None:
        names = [_named(file, where) for file in files]
        classes, others = labels_of_names(labels, names)
        if others:
            warnings = (f"{others} labels of {labels} are of pictures that are not in {where}",)
    return ShownFiles(
        root=where, files=tuple(files), preprocess=pictures.preprocess(shape, layout),
        labels=classes, warnings=warnings,
    )  # fmt: skip


def _arrays_of(where: Path) -> list[Path]:
    """Arrays of a directory without pictures."""
    if not where.is_dir():
        return []
    arrays = sorted(p for p in where.iterdir() if p.suffix.lower() in ARRAYS)
    if arrays and picture_files(where):
        raise QuantizationError(f"{where} holds pictures and arrays; keep one kind in it")
    return arrays


def _named(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if root.is_dir() else file.name


def _of_array(
    file: Path, shape: tuple[int, ...], layout: str, pictures: Pictures, labels: Path | None
) -> Shown:
    try:
        content = read_arrays(file, ("x", RAW, *SCALING, *LABELS))
        raw, scaling = _pixels(content, shape, layout, pictures)
    except (ValueError, PictureError) as error:
        raise QuantizationError(f"cannot read {file}: {error}") from error
    if scaling is None:
        check_type(raw, file)
    x = as_nhwc(raw, shape, layout, file)
    if not len(x):
        raise QuantizationError(f"{file} holds no sample")
    classes = labels_beside(content, file, len(x))
    if labels is not None:
        if classes is not None:
            raise QuantizationError(f"{file} has labels of its own; leave --labels out")
        classes = labels_in_order(labels, len(x))
    return ShownArrays(x=x, file=file, scaling=scaling, labels=classes)


def _pixels(
    content: Mapping[str, Array], shape: tuple[int, ...], layout: str, pictures: Pictures
) -> tuple[Array, Scaling | Preprocess | None]:
    """An array, and how it becomes the network's input. Raises ValueError."""
    if "x" in content and RAW in content:
        raise ValueError(f"it has 'x' and {RAW!r}; keep one of them")
    if RAW in content:
        return content[RAW], Scaling.of(content, shape[3])
    name = "x" if "x" in content else ONLY
    if name not in content:
        raise ValueError(f"it has no array 'x' or {RAW!r}")
    if beside := [other for other in SCALING if other in content]:
        raise ValueError(f"it has 'x', which nothing scales, and beside it {beside[0]!r}")
    raw = content[name]
    if raw.dtype == np.uint8 and pictures.given:
        return raw, pictures.preprocess(shape, layout)
    return raw, None


def labels_beside(content: Mapping[str, Array], file: Path, count: int) -> Labels | None:
    """Labels of an .npz, if it has some. Raises QuantizationError when they are none."""
    found = [content[name] for name in LABELS if name in content]
    if not found:
        return None
    labels = found[0]
    if len(found) > 1 or labels.dtype.kind not in "iu" or labels.shape[:1] != (count,):
        raise QuantizationError(
            f"labels of {file} must be one array 'y' or 'labels' of {count} whole numbers, or of "
            f"as many maps of them, not {labels.dtype} {labels.shape}"
        )
    return labels.astype(np.int64)
