"""Which class each picture is of: a file of names and numbers, or folders named by class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from accelgen.errors import QuantizationError

__all__ = [
    "VOID", "Labels", "check_labels", "check_maps",
    "labels_in_order", "labels_of_folders", "labels_of_names",
]  # fmt: skip

Labels = npt.NDArray[np.int64]

#: Label of a pixel that does not count, as VOC and Cityscapes have it.
VOID = 255

_NUMBER = re.compile(r"[+-]?\d{1,9}")
_MOST_BYTES = 1 << 28


def labels_of_names(file: Path, names: Sequence[str]) -> tuple[Labels, int]:
    """Labels of pictures by name, and how many lines speak of others.

    A line is ``name,label``, or ``name label``; one of words on top is a heading. Raises
    QuantizationError for a line that is neither, and for a picture without a line.
    """
    found: dict[str, int] = {}
    for number, line in _lines(file):
        name, label = _split(line)
        if not _NUMBER.fullmatch(label):
            if number == 1 and name not in names:
                continue
            raise QuantizationError(
                f"{file}, line {number}: {line[:80]!r} is no 'name,label' with the number of a "
                "class, counted from 0"
            )
        name = name.strip("\"'").removeprefix("./")
        if found.setdefault(name, int(label)) != int(label):
            raise QuantizationError(f"{file} has two labels for {name!r}")
    for name in names:
        if name not in found:
            raise QuantizationError(
                f"{file} has no label for {name!r}; write a line 'name,label' for every picture"
            )
    labels = np.array([found[name] for name in names], np.int64)
    return labels, len(found) - len(set(names))


def _split(line: str) -> tuple[str, str]:
    """What is before the last comma, semicolon or space, and after it."""
    parts = re.fullmatch(r"(.*)[,;\s](\S+)", line)
    return (parts[1].rstrip(" ,;\t"), parts[2]) if parts else (line, "")


def labels_in_order(file: Path, count: int) -> Labels:
    """Labels of ``count`` samples without names, one a line. Raises QuantizationError."""
    lines = list(_lines(file))
    for number, line in lines:
        if not _NUMBER.fullmatch(line):
            raise QuantizationError(
                f"{file}, line {number}: {line[:80]!r} is no number; samples of an array have no "
                "names, so a line holds the label of one, in their order"
            )
    if len(lines) != count:
        raise QuantizationError(f"{file} has {len(lines)} labels for {count} samples")
    return np.array([int(line) for _, line in lines], np.int64)


def labels_of_folders(folders: Iterable[str]) -> dict[str, int]:
    """Classes of folders by name: their numbers if all are numbers, else 0, 1, ... in the order of
    names (as torchvision's ImageFolder)."""
    names = sorted(set(folders))
    if all(name.isdecimal() for name in names):
        return {name: int(name) for name in names}
    return {name: number for number, name in enumerate(names)}


def check_labels(labels: Labels, classes: int, names: Sequence[str]) -> None:
    """Raises QuantizationError naming the first picture whose label is no class."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        at = int(wrong[0])
        hint = "labels count from 0"
        if labels.min() == 1 and labels.max() == classes:
            hint = "they seem to count from 1: labels count from 0"
        raise QuantizationError(
            f"the label of {names[at]} is {labels[at]}, and the network has classes 0 to "
            f"{classes - 1}; {hint}"
        )


def check_maps(labels: Labels, classes: int, names: Sequence[str]) -> None:
    """Raises QuantizationError naming the first picture with a pixel whose label is neither a class
    nor :data:`VOID`."""
    for name, made in zip(names, labels, strict=True):
        wrong = made[((made < 0) | (made >= classes)) & (made != VOID)]
        if wrong.size:
            raise QuantizationError(
                f"a pixel's label of {name} is {wrong[0]}, and the network has classes 0 to "
                f"{classes - 1}; labels count from 0, {VOID} does not count"
            )


def _lines(file: Path) -> Iterable[tuple[int, str]]:
    """Lines that are not empty, with their numbers."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise QuantizationError(f"labels {file} hold over {_MOST_BYTES:,} bytes")
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise QuantizationError(f"cannot read labels {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise QuantizationError(f"labels {file} are no text (UTF-8)") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.strip()
