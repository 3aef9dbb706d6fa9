"""Tables for notebooks. Every text is escaped: names come out of files."""

from __future__ import annotations

import html
from collections.abc import Sequence

from accelgen.display.cells import Rows, number

__all__ = ["html_table"]

#: More rows than anybody reads; the rest is told by a number.
MOST_ROWS = 200


def html_table(caption: str, rows: Rows, lines: Sequence[str] = ()) -> str:
    """A table under ``caption``, and ``lines`` of text below it."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows.columns)
    body = "".join(
        "<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows.rows[:MOST_ROWS]
    )
    hidden = len(rows.rows) - MOST_ROWS
    more = [f"and {hidden:,} rows more", *lines] if hidden > 0 else lines
    below = "".join(f"<div>{html.escape(line)}</div>" for line in more)
    return (
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{below}"
    )


def _cell(value: object) -> str:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    style = ' style="text-align: right"' if numeric else ""
    return f"<td{style}>{html.escape(number(value))}</td>"
