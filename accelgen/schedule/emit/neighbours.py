"""What an EXEC finds as the one before left it: weight words, and where lanes stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from accelgen.arch import ArchParams
from accelgen.schedule.plan.tiling import Tiling
from accelgen.schedule.steps.work import Work

__all__ = ["KeptWords", "Places", "kept_words"]


@dataclass(frozen=True)
class KeptWords:
    """Of a tile's weight words: whether they stay for the tiles after it, whether it goes back to
    the first of those that stayed, and whether its WEIGHTS brings any."""

    keep: bool = False
    rewind: bool = False
    come: bool = True

    @property
    def fields(self) -> dict[str, int]:
        """Of isa.EXEC."""
        return {"keep": int(self.keep), "rewind": int(self.rewind)}


def kept_words(work: Work, tiling: Tiling, index: int, arch: ArchParams) -> KeptWords:
    """Of tile ``index``: all bands but the last keep the words, all but the first find them.

    Not where two steps take turns, each with words of its own.
    """
    bands = tiling.bands
    turns = tiling.handed_on or tiling.taken_over
    if turns or len(bands) == 1 or not work.may_keep_words(arch):
        return KeptWords()
    come = index < bands[1]
    return KeptWords(keep=index < bands[-1], rewind=index in bands and not come, come=come)


class Places:
    """Where the lanes of a vector stand to one another, in the last raster of each engine."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, ...]] = {}

    def mark(self, command: dict[str, Any]) -> None:
        """Set ``placed`` in the rasters of an EXEC, the next of the program."""
        for name in ("in_raster", "ring_raster"):
            if raster := command.get(name):
                places = tuple(raster[k] for k in ("pitch", "stride_h", "stride_w", "phases"))
                raster["placed"] = int(self._last.get(name) == places)
                self._last[name] = places
