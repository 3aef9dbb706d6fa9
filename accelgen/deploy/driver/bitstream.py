"""Find a bitstream for a package: one is enough for every network of its configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import DriverError

__all__ = ["BitstreamError", "find_bitstream"]

NAME = "accelgen.bit"
#: What two packages must have in common for one's bitstream to run the other's program.
SAME = ("config_crc", "interface_crc", "part", "board")


class BitstreamError(DriverError):
    """There is no bitstream for the package."""


def find_bitstream(where: Any, manifest: Mapping[str, Any], given: Any | None = None) -> Path:
    """The bitstream for the package at ``where``.

    ``given``: a file, or a directory: a package, or one that holds packages. By default the package
    itself, then its neighbours. A package's bitstream counts when its manifest says that it is of
    the same configuration.

    Raises BitstreamError when there is none; the sentence names the configuration.
    """
    where = Path(where)
    if given is not None and Path(given).suffix == ".bit":
        if not Path(given).is_file():
            raise BitstreamError(f"there is no bitstream {given}")
        return Path(given)
    if given is None and (where / NAME).is_file():
        return where / NAME
    top = Path(given) if given is not None else where.resolve().parent
    for candidate in [top, *_packages(top)]:
        if (candidate / NAME).is_file() and _fits(candidate, manifest):
            return candidate / NAME
    raise BitstreamError(
        f"no {NAME} of configuration {manifest['config_crc']:#010x} in {top}: build one with "
        "vivado/build.tcl, or say where one is"
    )


def _packages(top: Path) -> list[Path]:
    return sorted(p.parent for p in top.glob("*/manifest.json"))


def _fits(candidate: Path, manifest: Mapping[str, Any]) -> bool:
    try:
        other = json.loads((candidate / "manifest.json").read_text())
        return all(other[key] == manifest[key] for key in SAME)
    except (OSError, ValueError, KeyError, TypeError):
        return False
