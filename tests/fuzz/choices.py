"""Where drawn cases take their decisions from: a seed, or a list that replays and can be shrunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

__all__ = ["Choices", "shrink"]


class Choices:
    """Whole numbers, decided one after another.

    ``given`` replays decisions; when they run out all others are 0, or ``random``'s. ``taken`` is
    what was decided. 0 is the simplest decision everywhere, so that a shorter list and smaller
    numbers mean a simpler case.
    """

    def __init__(self, given: Sequence[int] = (), random: Random | None = None) -> None:
        self._given = list(given)
        self._random = random
        self.taken: list[int] = []

    def below(self, n: int) -> int:
        """0 to n - 1."""
        at = len(self.taken)
        if at < len(self._given):
            value = min(self._given[at], n - 1)
        else:
            value = self._random.randrange(n) if self._random else 0
        self.taken.append(value)
        return value

    def between(self, low: int, high: int) -> int:
        """``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def one_of(self, options):
        """One of a sequence, the simplest first."""
        return options[self.below(len(options))]

    def chance(self, percent: int) -> bool:
        """True in ``percent`` of 100 cases; the simplest is False."""
        return self.below(100) >= 100 - percent


def shrink(taken: list[int], fails: Callable[[list[int]], bool], attempts: int = 200) -> list[int]:
    """Fewer and smaller decisions of a case that still ``fails``."""
    left = attempts

    def better(candidate: list[int]) -> bool:
        nonlocal taken, left
        if left <= 0 or candidate == taken:
            return False
        left -= 1
        if fails(candidate):
            taken = candidate
            return True
        return False

    before = None
    while before != taken and left > 0:
        before = list(taken)
        size = max(len(taken) // 2, 1)
        while size and left > 0:  # without a run of decisions
            at = len(taken) - size
            while at >= 0 and left > 0:
                if not better(taken[:at] + taken[at + size :]):
                    better(taken[:at] + [0] * size + taken[at + size :])
                at -= size
            size //= 2
        for at in range(len(taken)):  # smaller ones
            while at < len(taken) and taken[at] > 1 and left > 0:
                if not better([*taken[:at], taken[at] // 2, *taken[at + 1 :]]):
                    break
    return taken
