"""What an EXEC finds as the one before left it: weight words, and where lanes stand."""

from __future__ import annotations

from dataclasses import dataclass, replace

from accelgen.arch import ArchParams
from accelgen.program.commands import Exec, Raster
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
        self._array: tuple[int, ...] = ()
        self._window: tuple[int, ...] = ()

    def marked(self, command: Exec) -> Exec:
        """The program's next EXEC, with ``placed`` in its rasters."""
        before, self._array = self._array, _places(command.in_raster)
        marked = replace(command.in_raster, placed=self._array == before)
        command = replace(command, in_raster=marked)
        if not command.window:
            return command
        before, self._window = self._window, _places(command.ring_raster)
        marked = replace(command.ring_raster, placed=self._window == before)
        return replace(command, ring_raster=marked)


def _places(raster: Raster) -> tuple[int, ...]:
    return raster.pitch, raster.stride_h, raster.stride_w, raster.phases
