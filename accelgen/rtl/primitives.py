"""Vendor cells: which of them a design names instead of describing what they do."""

from dataclasses import dataclass

__all__ = ["CELLS", "Primitives"]

#: Cells that are ever named; each has a twin in sim/tb, a file called as the cell in small letters.
CELLS = ("DSP48E2",)


@dataclass(frozen=True)
class Primitives:
    """Platform to elaborate for. Without one, everything is described (and can be simulated).

    Parameters
    ----------
    dsp48e2 : bool
        Instantiate DSP48E2 (UltraScale, UltraScale+) for each multiplication that fits one.
    """

    dsp48e2: bool = True
