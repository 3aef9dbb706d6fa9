"""Vendor cells: which of them a design names instead of describing what they do."""

from dataclasses import dataclass

__all__ = ["CELLS", "Primitives"]

#: Cells that are ever named; each has a twin in sim/tb, a file called as the cell in small letters.
CELLS = ("DSP48E2", "RAMB36E2", "URAM288_BASE")


@dataclass(frozen=True)
class Primitives:
    """Platform to elaborate for: UltraScale+. ``CELLS`` are named where the design has a use.

    Without one, everything is described (and can be simulated without twins).
    """
