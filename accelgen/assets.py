"""Where the data beside the package lies: in a checkout, or inside an installed wheel."""

from __future__ import annotations

from pathlib import Path

__all__ = ["asset"]

_PACKAGE = Path(__file__).resolve().parent


def asset(name: str) -> Path:
    """Path of ``boards``, ``rtl_templates``, ``sim`` or ``LICENSE``.

    Raises FileNotFoundError when the installation is incomplete.
    """
    for path in (_PACKAGE / f"_{name}", _PACKAGE.parent / name):
        if path.exists():
            return path
    raise FileNotFoundError(f"accelgen's own file {name!r} is missing: the installation is broken")
