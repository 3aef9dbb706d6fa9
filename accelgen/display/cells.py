"""Numbers as people read them, and rows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Rows", "lost_to", "most_lost", "number", "percent", "shortened"]


@dataclass(frozen=True)
class Rows:
    """A table before it is drawn: ``columns`` are their names, ``rows`` have a value for each."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def number(value: Any) -> str:
    """A cell: thousands separated, None empty, booleans in words."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return str(value)


def percent(share: float | None) -> str | None:
    """A share in words; None stays None."""
    return None if share is None else f"{100 * share:.1f} %"


def lost_to(
    losses: Mapping[str, int] | None, cycles: int | None, *, least: float = 0.02
) -> str | None:
    """Causes (``estimator.efficiency.CAUSES``) that take at least that share of ``cycles``, the
    largest first; None without any."""
    if not losses or not cycles:
        return None
    found = sorted(losses.items(), key=lambda item: -item[1])
    return ", ".join(f"{c} {100 * n / cycles:.0f} %" for c, n in found if n >= least * cycles)


def most_lost(losses: Mapping[str, int] | None, cycles: int | None) -> str | None:
    """The two largest of :func:`lost_to`, in few characters."""
    causes = lost_to(losses, cycles, least=0.05)
    return causes and ", ".join(causes.replace(" %", "%").split(", ")[:2])


def shortened(text: str, width: int) -> str:
    """``text`` in ``width`` characters: its end, for names of nodes differ there."""
    return text if len(text) <= width else "…" + text[1 - width :]
