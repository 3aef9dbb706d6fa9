"""python -m accelgen.bench.binds_page: what binds each network, from the rows of docs/networks.md.

Pages have tables between ``<!-- rows: NAME@R ... -->`` (or ``all``) and ``<!-- end -->``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from accelgen import zoo
from accelgen.cli.outcome import verb
from accelgen.ends import guarded
from accelgen.errors import ConfigError

__all__ = ["PAGES", "Row", "read_rows", "with_tables"]

#: Pages with such tables.
PAGES = ("performance.md", "guidance.md")
_CLOCK = 300e6
#: Share of a frame from which on a cause is named, as in docs/networks.md.
_LEAST = 5
_TABLE = re.compile(r"(<!-- rows: (.*?) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Row:
    """An estimate of docs/networks.md. ``cycles`` of the PL, ``fps`` of a stream, ``array``: share
    of its peak as printed, ``causes``: percent of the cycles, the largest first."""

    network: str
    mmac: str
    cycles: int
    fps: float
    array: str
    causes: tuple[tuple[str, int], ...]

    @property
    def bound(self) -> tuple[tuple[str, int], ...]:
        """``causes``, and ``processor``: percent of a frame's time that the PL waits for it, the
        hand-over too."""
        period = 1 / self.fps
        waits = round(100 * (period - self.cycles / _CLOCK) / period)
        found = (*self.causes, *([("processor", waits)] if waits >= _LEAST else []))
        return tuple(sorted(found, key=lambda item: -item[1]))

    def cells(self) -> tuple[str, ...]:
        """Of a table's line."""
        name, _, side = self.network.partition("@")
        at = "" if zoo.default_resolution(name) == int(side) else f"@{side}"
        return (
            f"`zoo:{name}{at}`", self.mmac, f"{self.cycles:,}", f"{self.fps:,}", self.array,
            ", ".join(f"{cause} {n} %" for cause, n in self.bound),
        )  # fmt: skip


def read_rows(page: str) -> dict[str, Row]:
    """Rows with an estimate of ``page`` (docs/networks.md), by ``name@resolution``."""
    found = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) != 9 or not re.fullmatch(r"\w+@\d+", cells[0]) or not cells[3]:
            continue
        array, _, causes = cells[8].partition("; ")
        found[cells[0]] = Row(
            network=cells[0], mmac=cells[1], cycles=int(cells[3].replace(",", "")),
            fps=float(cells[4].replace(",", "")), array=array,
            causes=tuple((c, int(n)) for c, n in re.findall(r"(\w+) (\d+)%", causes)),
        )  # fmt: skip
    return found


def with_tables(text: str, rows: dict[str, Row]) -> str:
    """The page with its tables made anew.

    Raises
    ------
    ConfigError
        A table wants a network that has no estimate.
    """

    def table(match: re.Match[str]) -> str:
        names = sorted(rows) if match[2] == "all" else match[2].split()
        missing = [name for name in names if name not in rows]
        if missing:
            raise ConfigError(
                f"docs/networks.md has no estimate of {missing[0]}: run python -m "
                f"accelgen.bench.networks_page {missing[0]}"
            )
        return "\n".join((match[1], *_lines([rows[name] for name in names]), "", match[3]))

    return _TABLE.sub(table, text)


def _lines(rows: Sequence[Row]) -> list[str]:
    head = ("model", "MMAC", "cycles", "FPS", "array", "lost most to")
    return [
        "| " + " | ".join(cells) + " |"
        for cells in (head, ("---",) * len(head), *(row.cells() for row in rows))
    ]


@verb
def main(docs: Path = Path("docs")) -> None:
    """Make the tables of docs/performance.md and docs/guidance.md from docs/networks.md."""
    rows = read_rows((docs / "networks.md").read_text())
    for name in PAGES:
        page = docs / name
        page.write_text(with_tables(page.read_text(), rows))


if __name__ == "__main__":
    guarded(lambda: lambda: typer.run(main), "pages that are done are written")
