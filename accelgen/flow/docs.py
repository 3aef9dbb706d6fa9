"""Pages of docs/ that are generated, from accelgen.arch and accelgen.frontend: ``make docs``. And
a module: the commands' records."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from accelgen.arch import isa, registers
from accelgen.flow.records_text import records_text
from accelgen.frontend.operators_page import operators_page

__all__ = ["PAGES", "isa_page", "registers_page", "write_pages"]

#: Of a page's lines, at most.
COLUMNS = 120


def isa_page() -> str:
    """Commands, field by field."""
    return "\n".join((
        "# Commands",
        "",
        "Generated from `accelgen/arch/isa.py` by `make docs`; do not edit.",
        "",
        (isa.__doc__ or "").split("\n", 2)[2].replace("``", "`").strip(),
        "",
        f"Commands are fetched {isa.FETCH_BYTES} bytes at a time. Bits count from the lowest.",
        "",
        "| opcode | value | beats |",
        "|---|---|---|",
        *(f"| {code.name} | {code.value} | {isa.command_beats(code)} |" for code in isa.Opcode),
        "",
        "| window operation | value |",
        "|---|---|",
        *(f"| {op.name} | {op.value} |" for op in isa.WindowOp),
        *(line for fmt in _formats() for line in _format_table(fmt)),
    ))  # fmt: skip


def registers_page() -> str:
    """Registers, bit by bit."""
    return "\n".join((
        "# Registers",
        "",
        "Generated from `accelgen/arch/registers.py` by `make docs`; do not edit.",
        "",
        (registers.__doc__ or "").split("\n", 2)[2].replace("``", "`").strip(),
        "",
        f"The window is {registers.WINDOW_BYTES} bytes.",
        f"The step log has {registers.LOG_WORDS} words from {registers.LOG_BASE:#06x} on.",
        "",
        "| offset | register | access | meaning |",
        "|---|---|---|---|",
        *(f"| {r.offset:#06x} | {r.name} | {r.access} | {r.doc} |" for r in registers.REGISTERS),
        "",
        "| register | bit | name |",
        "|---|---|---|",
        *(f"| control | {bit} | {name} |" for name, bit in registers.CONTROL.items()),
        *(f"| status | {bit} | {name} |" for name, bit in registers.STATUS.items()),
        "",
    ))  # fmt: skip


#: File, from docs/ on: what makes it.
PAGES = {
    "isa.md": isa_page,
    "operators.md": operators_page,
    "registers.md": registers_page,
    "../accelgen/program/formats.py": records_text,
}


def write_pages(where: Path) -> None:
    """Write all that is generated; ``where``: docs/ of a source tree."""
    for name, page in PAGES.items():
        (where / name).write_text(page())


def _formats() -> Iterator[isa.Format]:
    """Every command, and after it the formats nested in it, each once; then what streams hold."""
    seen: dict[str, isa.Format] = {}
    for fmt in isa.FORMATS.values():
        seen[fmt.name] = fmt
        for field in fmt.fields:
            if isinstance(field.shape, isa.Format):
                seen[field.shape.name] = field.shape
    yield from (*seen.values(), isa.CHANNEL_PARAM)


def _format_table(fmt: isa.Format) -> Iterator[str]:
    yield from ("", f"## {fmt.name}", "", *_wrapped(" ".join(fmt.doc.split())), "")
    yield from ("| bits | field | type | meaning |", "|---|---|---|---|")
    at, notes = 0, []
    for field in fmt.fields:
        if isinstance(field.shape, isa.Format):
            kind = f"[{field.shape.name}](#{field.shape.name})"
        else:
            kind = f"{'signed' if field.signed else 'unsigned'} {field.width}"
        last = at + field.width - 1
        bits = f"{last}:{at}" if last > at else f"{at}"
        row = f"| {bits} | {field.name} | {kind} | {field.doc} |"
        if len(row) > COLUMNS:
            row = f"| {bits} | {field.name} | {kind} | see below |"
            notes += _wrapped(f"- `{field.name}`: {field.doc}", "  ")
        yield row
        at += field.width
    yield f"\n{fmt.width} bits."
    if notes:
        yield from ("", *notes)


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, COLUMNS, subsequent_indent=indent, break_on_hyphens=False)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
