"""DDR as the accelerator's masters see it, in cycles of the fabric clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from accelgen.arch import ArchParams

__all__ = ["Memory"]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """DDR as the accelerator's masters see it.

    ``latency_cycles`` from a read's address to its first beat, ``write_latency_cycles`` from the
    last beat written to its response. ``duplex``: reads and writes move ``bytes_per_cycle`` each.
    ``port_bytes``: what a channel of an AXI port moves per cycle.
    ``stalls`` is the chance per cycle that an AXI channel pauses: a port then moves that much less.
    """

    bytes_per_cycle: Annotated[float, Field(ge=0.01, le=1024)] = 16.0
    duplex: bool = False
    latency_cycles: Annotated[int, Field(ge=1, le=100_000)] = 60
    write_latency_cycles: Annotated[int, Field(ge=1, le=100_000)] = 20
    stalls: Annotated[float, Field(ge=0, lt=1)] = 0.0
    port_bytes: Annotated[float, Field(ge=1, le=1024)] = ArchParams.BUS_BYTES

    @property
    def rate(self) -> float:
        """Bytes per cycle that LOADs, or weights, and commands get at most, each by a port."""
        return min(self.bytes_per_cycle, 2 * self.port_rate)

    @property
    def port_rate(self) -> float:
        """Bytes per cycle of a port that pauses now and then."""
        return self.port_bytes * (1 - self.stalls)
