"""What a network's answers are worth, picture by picture: nothing but sums is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.quant.report import NO_ERROR_DB

__all__ = [
    "TOP", "Answers", "Noise", "Ranks", "Worst", "Worsts", "decibels", "ranks", "winners",
]  # fmt: skip

Array = npt.NDArray[Any]

#: A label is found if it is among so many of the largest outputs.
TOP = 5


def winners(outputs: Array) -> npt.NDArray[np.int64]:
    """The class of each row of ``outputs``: the largest, of several the first."""
    return np.asarray(outputs.argmax(axis=1), np.int64)


def ranks(outputs: Array, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many classes stand before each row's label: larger ones, and equal ones of lower number.

    So rank 0 is :func:`winners`'.
    """
    own = outputs[np.arange(len(labels)), labels][:, None]
    before = (outputs == own) & (np.arange(outputs.shape[1]) < labels[:, None])
    return np.asarray(((outputs > own) | before).sum(axis=1), np.int64)


@dataclass
class Ranks:
    """How many of the labels were found."""

    labelled: int = 0
    first: int = 0
    among: int = 0

    def add(self, outputs: Array, labels: npt.NDArray[np.int64]) -> None:
        """Of a batch."""
        found = ranks(outputs, labels)
        self.labelled += len(labels)
        self.first += int((found == 0).sum())
        self.among += int((found < TOP).sum())

    def shares(self, classes: int) -> tuple[float | None, float | None]:
        """top-1 and top-5 as shares; None where there are no labels, or no more classes than 5."""
        if not self.labelled:
            return None, None
        few = classes <= TOP
        return self.first / self.labelled, None if few else self.among / self.labelled


@dataclass
class Noise:
    """The error of one output against a reference, over all pictures."""

    power: float = 0.0
    noise: float = 0.0
    largest: float = 0.0
    equal: int = 0
    count: int = 0

    def add(self, real: Array, made: Array) -> npt.NDArray[np.float64]:
        """Of a batch (n, ...); the SQNR of each picture in dB."""
        real = real.reshape(len(real), -1).astype(np.float64)
        error = real - made.reshape(len(made), -1).astype(np.float64)
        power, noise = (np.square(v).sum(axis=1) for v in (real, error))
        self.power += float(power.sum())
        self.noise += float(noise.sum())
        self.largest = max(self.largest, float(np.abs(error).max(initial=0)))
        self.equal += int((error == 0).sum())
        self.count += error.size
        return decibels(power, noise)

    @property
    def sqnr_db(self) -> float:
        """``10 log10(sum(real ** 2) / sum(error ** 2))``, within +-200 dB."""
        return float(decibels(np.array([self.power]), np.array([self.noise]))[0])


def decibels(
    power: npt.NDArray[np.float64], noise: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """``10 log10(power / noise)``, within +-200 dB."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 10 * np.log10(power / noise)
    found = np.where(noise == 0, NO_ERROR_DB, found)
    return np.asarray(np.clip(found, -NO_ERROR_DB, NO_ERROR_DB), np.float64)


@dataclass
class Answers:
    """Winners of one way to compute a network, against a reference's."""

    agreeing: int = 0
    tied: int = 0

    def add(self, reference: Array, made: Array) -> None:
        """Of a batch (n, classes)."""
        self.agreeing += int((winners(reference) == winners(made)).sum())
        self.tied += int(((made == made.max(axis=1, keepdims=True)).sum(axis=1) > 1).sum())


@dataclass(frozen=True, kw_only=True)
class Worst:
    """A picture that lost much: classes of reference and int8, None where the network has none."""

    picture: str
    label: int | None
    reference: int | None
    int8: int | None
    sqnr_db: float


@dataclass
class Worsts:
    """The ``most`` worst pictures: those with another winner first, then by SQNR."""

    most: int
    pictures: list[Worst] = field(default_factory=list)

    def add(self, more: Sequence[Worst]) -> None:
        """Of a batch."""
        every = [*self.pictures, *more]
        every.sort(key=lambda w: (w.reference == w.int8, w.sqnr_db, w.picture))
        self.pictures = every[: self.most]
