"""Samples that are read when they are asked for: thousands of pictures, a few in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Samples", "Streamed"]

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


#: (n, h, w, c), in memory or not.
Samples = npt.NDArray[Any] | Streamed
