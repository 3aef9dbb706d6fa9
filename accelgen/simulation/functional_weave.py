"""Of a woven EXEC: what must hold, and the words it writes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams, limits
from accelgen.program.commands import Exec
from accelgen.program.weave import woven_words

__all__ = ["out_words", "weave_rules"]


def weave_rules(f: Exec, arch: ArchParams) -> Iterator[tuple[bool, str]]:
    """What must hold, in order, and what to say if it does not: only the array's pixels go straight
    to the writer, and a line ends with a write."""
    straight = f.array and f.write and not (f.window or f.chained or f.out_phases)
    yield straight and arch.pixels > 1, "what is woven is not the array's alone"
    piece = limits.piece_pixels(arch.pixels)
    written = piece if f.woven_pieces else arch.pixels
    line = f.woven_line * piece
    yield line % written == 0, "a woven line ends within a write"
    yield not line or 2 * f.out_pixels % line == 0, "half a woven line"
    yield f.out_rows == -(-2 * f.out_pixels // written), "out_rows does not add up"


def out_words(f: Exec, arch: ArchParams) -> npt.NDArray[np.int64]:
    """(groups, pixels) of the feature memory."""
    maps = (f.out_row + np.arange(f.groups)[:, None] * f.out_stride) * arch.pixels
    words: npt.NDArray[np.int64] = maps + woven_words(np.arange(f.out_pixels), f, arch.pixels)[None]
    return words
