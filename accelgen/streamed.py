"""Samples: read when they are asked for (thousands of pictures, a few in memory), or of several
inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Inputs", "Samples", "Several", "Streamed", "by_name", "check_names", "in_memory"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Streamed:
    """Stands for an array (n, h, w, c) float32. A slice is another one, numpy makes an array of it.

    Parameters
    ----------
    read : callable
        Samples from a number up to another; finite.
    shape : tuple of int
        (n, h, w, c).
    first : int
        Where it begins among those that ``read`` knows.
    """

    read: Callable[[int, int], Floats]
    shape: tuple[int, ...]
    first: int = 0

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Of the array that is made of it."""
        return np.dtype(np.float32)

    @property
    def ndim(self) -> int:
        """Of that array."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: Any) -> Any:
        """Neighbours as another of this kind; others, by number, as an array."""
        if isinstance(chosen, slice):
            first, last, step = chosen.indices(len(self))
            if step == 1:
                shape = (max(0, last - first), *self.shape[1:])
                return Streamed(self.read, shape, self.first + first)
        numbers = np.arange(len(self))[chosen]
        some = [self.read(self.first + i, self.first + i + 1) for i in np.ravel(numbers).tolist()]
        made = np.concatenate(some) if some else np.zeros((0, *self.shape[1:]), np.float32)
        return made.reshape(*numbers.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        made = np.zeros(self.shape, np.float32)
        for i in range(len(self)):
            made[i] = self.read(self.first + i, self.first + i + 1)[0]
        return made if dtype is None else made.astype(dtype, copy=False)


@dataclass(frozen=True)
class Several:
    """Samples of a network with several inputs: of each, by name, as many (n, h, w, c). A slice, or
    numbers, choose the same of all."""

    arrays: Mapping[str, npt.NDArray[Any] | Streamed]

    def __len__(self) -> int:
        return min(map(len, self.arrays.values()))

    def __getitem__(self, chosen: Any) -> Several:
        return Several({name: x[chosen] for name, x in self.arrays.items()})


#: (n, h, w, c), in memory or not, or of each of several inputs.
Samples = npt.NDArray[Any] | Streamed | Several
#: What callers have: of several inputs by name.
Inputs = Samples | Mapping[str, npt.NDArray[Any]]


def in_memory(samples: Samples) -> Any:
    """Arrays, or one, of ``samples``."""
    if isinstance(samples, Several):
        return Several({name: np.asarray(x) for name, x in samples.arrays.items()})
    return np.asarray(samples)


def by_name(samples: Inputs, names: Sequence[str]) -> dict[str, Any]:
    """What each input of ``names`` is given, in this order: of one alone also without its name.

    Raises ValueError, a sentence, when the names are others, or not as many of each are given.
    """
    arrays = samples.arrays if isinstance(samples, Several) else samples
    if not isinstance(arrays, Mapping):
        if len(names) == 1:
            return {names[0]: arrays}
        raise ValueError(f"the network has {_listed(names)}: give an array of each, by name")
    check_names(arrays, names)
    counts = {name: np.shape(arrays[name])[:1] for name in names}
    other = next((name for name in names if counts[name] != counts[names[0]]), None)
    if other is not None:
        count = [counts[name][0] if counts[name] else 0 for name in (names[0], other)]
        raise ValueError(
            f"of input {names[0]!r} there are {count[0]} samples, of {other!r} {count[1]}: give as "
            "many of each"
        )
    return {name: arrays[name] for name in names}


def check_names(given: Iterable[str], names: Sequence[str]) -> None:
    """Raises ValueError, a sentence, unless ``given`` are ``names``, in whatever order."""
    given = list(given)
    wrong = [f"no {name!r}" for name in names if name not in given]
    wrong += [f"{name!r}, which is none of them" for name in given if name not in names]
    if wrong:
        raise ValueError(f"the network has {_listed(names)}; given is {wrong[0]}")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
    return f"input {shown}" if len(names) == 1 else f"inputs {shown}"
