"""The AXI masters of the hardware: what RTL, bench, simulation and block design all read.

A further one is a line here, whoever drives it in `rtl/core.py`, and its place on the bench
(`sim/tb/tb.sv`, `ddr.sv`).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AXI_MASTERS", "TRAFFIC", "AxiMaster"]


@dataclass(frozen=True, kw_only=True)
class AxiMaster:
    """One master, on one memory port of the board, in the order of those.

    Parameters
    ----------
    name : str
        Its port is ``m_axi_NAME``.
    carries : str
        What goes through it, in one word.
    reads, writes : str | None
        Names of its traffic each way, as the bench counts it; None where it has no such channels.
    """

    name: str
    carries: str
    reads: str | None = None
    writes: str | None = None

    @property
    def port(self) -> str:
        """Name of the port."""
        return f"m_axi_{self.name}"


AXI_MASTERS = (
    AxiMaster(name="w", carries="weights", reads="w"),
    AxiMaster(name="f", carries="features", reads="fr", writes="fw"),
)
#: Traffic of all masters, in the order of the bench's counters.
TRAFFIC = tuple(name for m in AXI_MASTERS for name in (m.reads, m.writes) if name)
