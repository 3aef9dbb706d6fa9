"""Every field of a board file is read by somebody; the README's table says what the files say."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from accelgen.boards import Board, Budget, Clock, Ddr, Ports, Ps, board_names, load_board

ROOT = Path(__file__).parents[2]
TABLES = {"budget": Budget, "clock": Clock, "ddr": Ddr, "ports": Ports, "ps": Ps}
FIELDS = [f.name for f in fields(Board) if f.name not in TABLES]
FIELDS += [f"{table}.{f.name}" for table, cls in TABLES.items() for f in fields(cls)]
SOURCES = "\n".join(
    p.read_text()
    for p in [*(ROOT / "accelgen").rglob("*.py"), *(ROOT / "rtl_templates").glob("*.j2")]
)


def is_read(name):
    """As board.name or b.name somewhere; or, of a table, by one of its own methods."""
    table, _, field = name.rpartition(".")
    if re.search(rf"\b(board|b|chosen|self)\.{re.escape(name)}\b", SOURCES):
        return True
    own = (ROOT / "accelgen" / "boards.py").read_text().split(f"class {table.capitalize()}:")[-1]
    return bool(table) and f"self.{field}" in own.split("\n@dataclass")[0]


@pytest.mark.parametrize("name", FIELDS)
def test_field_is_read(name):
    assert is_read(name), f"nobody reads {name}: use it or remove it"


@pytest.mark.parametrize("name", ["nothing", "ports.count", "ddr.nothing"])
def test_a_field_nobody_reads_would_be_seen(name):
    assert not is_read(name)


def test_readme_table_is_what_the_board_files_say():
    text = (ROOT / "README.md").read_text().split("## Boards")[1].split("\n## ")[0]
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()
            if line.startswith("|")][2:]  # fmt: skip

    assert sorted(rows) == sorted(
        [
            b.name, b.part, f"{b.budget.dsp:,}", f"{b.budget.bram36}", f"{b.budget.uram}",
            f"{b.budget.lut:,}", f"{b.clock.mhz:g} MHz", f"{b.ddr.peak_gbs:.4g} GB/s",
            f"{b.arch.macs_per_cycle:,} MAC/cycle",
        ]
        for b in map(load_board, board_names())
    )  # fmt: skip
