"""The pages say what is proved, no more and no less."""

import re
from pathlib import Path

from tests.formal.proofs import PROOFS, extent, markdown

DOCS = Path(__file__).parents[2] / "docs"


def rows():
    """Of docs/blocks.md: each block's path under accelgen/rtl, and its cell ``proved``."""
    for line in (DOCS / "blocks.md").read_text().splitlines():
        if found := re.match(r"\| (\w+)/([\w, ]+) \|", line):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            for name in found[2].split(", "):
                yield f"{found[1]}/{name}", cells[4]


def test_the_table_is_fresh():
    assert markdown() in (DOCS / "verification.md").read_text(), "python -m tests.formal --table"


def test_blocks_say_what_is_proved():
    said = dict(rows())

    assert said == {block: extent(block) for block in said}
    assert {proof.block for proof in PROOFS} <= said.keys()
