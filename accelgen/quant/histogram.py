"""How often a tensor takes which values: grows with the data, one pass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Histogram"]

_BINS = 8192
_MIN_EXPONENT = -100


class Histogram:
    """Counts of values in bins ``[i * width, (i + 1) * width)``.

    ``width`` is a power of two that doubles when more than 8,192 bins would be needed, so bins
    merge in pairs and nothing has to be known before the first value. Zeros are counted apart:
    they are exact in every scale.
    """

    def __init__(self) -> None:
        self.low = 0.0
        self.high = 0.0
        self.zeros = 0
        self._exponent = _MIN_EXPONENT
        self._first = 0  # index of counts[0]
        self._counts = np.zeros(0, np.int64)

    def add(self, values: npt.NDArray[np.float32], every: int = 1) -> None:
        """Count ``values`` (finite, any shape): all of them for the ends, for the bins one of
        ``every``."""
        if not values.size:
            return
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        counted = values.ravel()[::every]
        flat = counted[counted != 0]
        self.zeros += counted.size - flat.size
        if not flat.size:
            return
        self._widen()
        # A power of two: exact, but for numbers so small that they are in the bins beside 0.
        index = np.floor(np.ldexp(flat, -self._exponent)).astype(np.int32)
        self._extend(int(index.min()), int(index.max()) + 1)
        self._counts += np.bincount(index - self._first, minlength=self._counts.size)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Values per bin, of the bins that have any."""
        return self._counts[self._counts > 0]

    @property
    def centres(self) -> npt.NDArray[np.float64]:
        """Middle of each bin that has any values."""
        index = self._first + np.flatnonzero(self._counts)
        result: npt.NDArray[np.float64] = np.ldexp(index + 0.5, self._exponent)
        return result

    def percentile(self, share: float) -> tuple[float, float]:
        """Low and high; at most ``1 - share`` of all values lie outside, half at each end."""
        total = int(self._counts.sum()) + self.zeros
        edges = np.ldexp(self._first + np.arange(self._counts.size + 1.0), self._exponent)
        below = np.concatenate([[0], np.cumsum(self._counts)])
        # All zeros sit at 0, between the negative bins and the positive ones.
        below = below + np.where(edges > 0, self.zeros, 0)
        allowed = (1 - share) / 2 * total
        low = edges[max(int(np.searchsorted(below, allowed, side="right")) - 1, 0)]
        high = edges[min(int(np.searchsorted(below, total - allowed)), edges.size - 1)]
        return max(float(low), self.low), min(float(high), self.high)

    def _widen(self) -> None:
        """Double the width until all values fit the bins."""
        span = max(-self.low, self.high, self.high - self.low)
        wanted = int(np.ceil(np.log2(span / (_BINS - 2))))
        if not self._counts.size:
            self._exponent = max(wanted, _MIN_EXPONENT)
        while self._exponent < wanted:
            if self._first % 2:
                self._extend(self._first - 1, self._first)
            if self._counts.size % 2:
                self._extend(self._first, self._first + self._counts.size + 1)
            self._counts = self._counts.reshape(-1, 2).sum(axis=1)
            self._first //= 2
            self._exponent += 1

    def _extend(self, first: int, end: int) -> None:
        """Make room for bins ``first`` to ``end`` (not included)."""
        if not self._counts.size:
            self._first = first
        before = max(self._first - first, 0)
        after = max(end - self._first - self._counts.size, 0)
        self._counts = np.pad(self._counts, (before, after))
        self._first -= before
