"""Cells of a mapped design in the part's units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from accelgen.estimator.resources import Resources

__all__ = ["count_blocks"]

#: Yosys cells by what they take. An SRL sits in a LUT, RAM32M in four. Yosys does not put two small
#: functions into one LUT6, as the part could.
_LUTS = {
    **{f"LUT{n}": 1.0 for n in range(1, 7)},
    "INV": 1.0, "SRL16E": 1.0, "SRLC16E": 1.0, "SRLC32E": 1.0,
    "RAM32X1S": 1.0, "RAM32X1D": 2.0, "RAM64X1S": 1.0, "RAM64X1D": 2.0, "RAM128X1D": 4.0,
    "RAM32M": 4.0, "RAM64M": 4.0, "RAM32M16": 8.0, "RAM64M8": 8.0,
}  # fmt: skip
_FFS = {"FDRE": 1.0, "FDSE": 1.0, "FDCE": 1.0, "FDPE": 1.0}
_BRAMS = {"RAMB36E2": 1.0, "RAMB18E2": 0.5, "RAMB36E1": 1.0, "RAMB18E1": 0.5}
_DSPS = {"DSP48E2": 1.0, "DSP48E1": 1.0}
_URAMS = {"URAM288": 1.0, "URAM288_BASE": 1.0}
#: Cells that take nothing which is counted: they come with the LUTs.
_FREE = {"CARRY4", "CARRY8", "MUXF7", "MUXF8", "MUXF9", "BUFG", "IBUF", "OBUF"}


def count_blocks(modules: Mapping[str, Mapping[str, Any]], top: str) -> dict[str, Resources]:
    """Resources of each block by its path from the top on, with all that is in it.

    Raises ValueError for a cell of which it is not known what it takes.
    """
    blocks: dict[str, Resources] = {}

    def count(kind: str, path: str) -> Counter[str]:
        total: Counter[str] = Counter()
        for name, cell in modules[kind]["cells"].items():
            if cell["type"] in modules:
                total += count(cell["type"], f"{path}.{name}")
            else:
                total[cell["type"]] += 1
        blocks[path] = _resources(total)
        return total

    count(top, top)
    return blocks


def _resources(cells: Counter[str]) -> Resources:
    known = {*_LUTS, *_FFS, *_BRAMS, *_DSPS, *_URAMS, *_FREE}
    for kind in cells:
        if kind not in known and not kind.startswith("$scopeinfo"):
            raise ValueError(f"it is not known what a {kind} takes")

    def sum_of(weights: Mapping[str, float]) -> float:
        return sum(weights.get(kind, 0.0) * number for kind, number in cells.items())

    return Resources(*map(sum_of, (_LUTS, _FFS, _BRAMS, _DSPS, _URAMS)))
