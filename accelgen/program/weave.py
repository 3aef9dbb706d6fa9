"""Where the pixels of a woven EXEC go: to every other column, and every other line, of a map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from accelgen.arch.limits import piece_pixels
from accelgen.ir.ops import Pair
from accelgen.program.commands import Exec

__all__ = ["weave_cycles", "weave_unit", "weave_writes", "woven", "woven_words"]

Ints = npt.NDArray[np.int64]


def woven(command: Exec, place: Pair, factor: Pair, width: int, pixels: int) -> Exec:
    """``command``, whose pixels are those of row and column ``place`` of each block ``factor``
    (1 or 2 rows, 2 columns) of a map ``width`` wide: written by rows where lines are whole rows,
    or need not be."""
    return replace(
        command,
        woven=True,
        woven_odd=place[1] == 1,
        woven_pieces=_in_pieces(factor, width, pixels),
        woven_line=width // piece_pixels(pixels) if factor[0] == 2 else 0,
        woven_second=place[0] == 1,
        out_rows=weave_writes(command.out_pixels, factor, width, pixels),
    )


def weave_writes(made: int, factor: Pair, width: int, pixels: int) -> int:
    """Writes of ``made`` pixels of a strand."""
    at_once = piece_pixels(pixels) if _in_pieces(factor, width, pixels) else pixels
    return -(-2 * made // at_once)


def weave_cycles(command: Exec, pixels: int) -> int:
    """Cycles of the writes of a group: one each, and one for each row that is taken apart."""
    return command.out_rows + -(-command.out_pixels // pixels)


def weave_unit(factor: Pair, pixels: int) -> int:
    """Columns of which a map that is woven must have a multiple."""
    return piece_pixels(pixels) if factor[0] == 2 else 2


def _in_pieces(factor: Pair, width: int, pixels: int) -> bool:
    return factor[0] == 2 and width % pixels > 0


def woven_words(pixel: Ints, f: Exec, pixels: int) -> Ints:
    """Words, from the map's first on, of a group's pixels ``pixel`` in the order they are made."""
    along = 2 * pixel + f.woven_odd
    if not f.woven_line:
        return along
    line, column = np.divmod(along, f.woven_line * piece_pixels(pixels))
    words: Ints = (2 * line + f.woven_second) * f.woven_line * piece_pixels(pixels) + column
    return words
