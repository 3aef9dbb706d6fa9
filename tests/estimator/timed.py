"""What the commands of this folder share: a frame simulated beside its estimate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from accelgen.arch import ArchParams
from accelgen.simulation.verilated import VerilatedSimulator

__all__ = ["Timed", "simulator"]


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Cycles of a frame, as simulated and as estimated."""

    cycles: int
    estimated: float

    @property
    def error(self) -> float:
        """Of the estimate, as a share of what was simulated."""
        return self.estimated / self.cycles - 1


@cache
def simulator(arch: ArchParams, family: str) -> VerilatedSimulator:
    """One per configuration."""
    return VerilatedSimulator(arch, family=family)
