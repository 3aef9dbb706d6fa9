"""Scripts for Vivado: what a package's vivado/ holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelgen.arch.ports import AXI_MASTERS
from accelgen.deploy.templates import render

__all__ = ["clock_periods", "write_scripts"]

SCRIPTS = ("build.tcl", "check_timing.tcl", "package_ip.tcl", "clocks.xdc")


def write_scripts(where: Path, values: Mapping[str, Any]) -> None:
    """Write all scripts into the existing directory ``where``. ``values``: what a package's
    templates may use."""
    periods = clock_periods(values["clock_mhz"], double_pumped=values["double_pumped"])
    for name in SCRIPTS:
        text = render(f"{name}.j2", {**values, **periods, "masters": AXI_MASTERS})
        (where / name).write_text(text)


def clock_periods(clock_mhz: float, *, double_pumped: bool) -> dict[str, float]:
    """Periods in ns for ``clocks.xdc``, whole picoseconds; of two clocks, one is exactly twice the
    other."""
    clk2x = round(500 / clock_mhz, 3)
    clk = 2 * clk2x if double_pumped else round(1000 / clock_mhz, 3)
    return {"clk_ns": clk, "clk2x_ns": clk2x}
