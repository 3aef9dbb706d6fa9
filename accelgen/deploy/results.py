"""What Vivado said of a package: its reports, read back.

``build.tcl`` leaves ``results.json`` beside its reports. Whoever built otherwise (in Vivado's
window, in a larger design) has the reports only; both are read, and must agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelgen.errors import ToolError
from accelgen.untrusted import read_json, read_text, schema_of, typed

__all__ = ["Estimated", "Results", "read_results"]

#: Where reports may lie in a directory that somebody names.
PLACES = (".", "reports", "vivado/reports")


@dataclass(frozen=True, kw_only=True)
class Results:
    """Figures of an implemented design; None where no report has it. Slacks in ns.

    ``tpws`` is the sum of what pulses are too short by (0 when none is); ``reachable_mhz`` the
    fabric's clock at which all paths would pass if placed and routed the same.
    """

    vivado: str | None = None
    part: str | None = None
    clock_mhz: float | None = None
    reachable_mhz: float | None = None
    wns: float | None = None
    whs: float | None = None
    tpws: float | None = None
    lut: float | None = None
    ff: float | None = None
    bram36: float | None = None
    uram: float | None = None
    dsp: float | None = None
    power_w: float | None = None

    @property
    def timing_met(self) -> bool:
        """All slacks are known and none is negative."""
        return all(slack is not None and slack >= 0 for slack in (self.wns, self.whs, self.tpws))

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON of ``accelgen results``."""
        return {**asdict(self), "timing_met": self.timing_met}


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """What was estimated of a package's hardware; counts by name, as in JSON."""

    model: str
    board: str
    clock_mhz: float
    resources: Mapping[str, int]
    budget: Mapping[str, int]


def read_results(where: Path) -> Results:
    """Read ``where``: a package that was built, its vivado/reports, or any directory of reports.

    Raises ToolError when there is no report, one cannot be read, or two say different things.
    """
    found = next((where / p for p in PLACES if _reports(where / p)), None)
    if found is None:
        names = ", ".join(("results.json", *_PARSERS))
        raise ToolError(f"{where} has no Vivado reports ({names}): run vivado/build.tcl first")
    merged: dict[str, Any] = {}
    for path in _reports(found):
        for name, value in _parsed(path).items():
            if not _agree(merged.setdefault(name, value), value):
                raise ToolError(
                    f"{path} says {name} is {value}, another report {merged[name]}: they are of "
                    "different builds"
                )
    return Results(**merged)


def _reports(where: Path) -> list[Path]:
    return [p for p in (where / "results.json", *(where / n for n in _PARSERS)) if p.is_file()]


def _parsed(path: Path) -> dict[str, Any]:
    """What one report says. A report in which nothing is found is none."""
    if path.suffix == ".json":
        values = _json(path)
    else:
        values = _PARSERS[path.name](read_text(path, "report", ToolError))
    known = {name: value for name, value in values.items() if value is not None}
    if not known:
        raise ToolError(f"{path} is no report of Vivado that accelgen can read")
    return known


def _json(path: Path) -> dict[str, Any]:
    """What build.tcl wrote. Raises ToolError when it did not."""
    values = read_json(path, "report", ToolError)
    typed(schema_of(Results), values, str(path), ToolError)
    return dict(values)


def _utilization(text: str) -> dict[str, Any]:
    """``report_utilization``: UltraScale has CLBs, the 7 series slices."""
    return {
        **_header(text),
        "lut": _row(text, r"(?:CLB|Slice) LUTs"),
        "ff": _row(text, r"(?:CLB|Slice) Registers"),
        "bram36": _row(text, "Block RAM Tile"),
        "uram": _row(text, "URAM"),
        "dsp": _row(text, "DSPs"),
    }


def _timing(text: str) -> dict[str, Any]:
    """``report_timing_summary``: a line of names, one of dashes, one of values."""
    summary = re.search(r"^ *(WNS\(ns\).*)\n[ -]+\n *(.*)$", text, re.MULTILINE)
    if not summary:
        return {}
    values = dict(zip(re.split(r" {2,}", summary[1].strip()), summary[2].split(), strict=False))
    columns = {"wns": "WNS(ns)", "whs": "WHS(ns)", "tpws": "TPWS(ns)"}
    return {**_header(text), **{name: _number(values.get(c)) for name, c in columns.items()}}


def _power(text: str) -> dict[str, Any]:
    return {**_header(text), "power_w": _row(text, r"Total On-Chip Power \(W\)")}


_PARSERS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "utilization.rpt": _utilization,
    "timing.rpt": _timing,
    "power.rpt": _power,
}


def _header(text: str) -> dict[str, Any]:
    version = re.search(r"^\| Tool Version\s*: Vivado v\.(\S+)", text, re.MULTILINE)
    return {"vivado": version[1] if version else None}


def _row(text: str, name: str) -> float | None:
    """The first number after a row's name in a table; some names have a star for a note."""
    found = re.search(rf"^\|\s*{name}\*?\s*\|\s*([0-9.]+)", text, re.MULTILINE)
    return _number(found[1]) if found else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
        return int(value) if value is not None and value.is_integer() else value
    except ValueError:
        return None  # "NA": nothing of the kind was there to be looked at


def _agree(one: Any, other: Any) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    return bool(abs(one - other) <= 5e-4)
