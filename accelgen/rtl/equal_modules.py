"""Modules that differ in nothing but their name, written once.

Amaranth writes a module for each instance. A hundred equal lanes make long Verilog, and every tool
behind it does its work a hundred times.
"""

from __future__ import annotations

import re

__all__ = ["merge_equal_modules"]

_MODULE = re.compile(r"^module (\\\S+)\n(.*?)^end\n", re.MULTILINE | re.DOTALL)
#: A port and its attributes; ports are numbered in the order of their first use outside.
_PORT = re.compile(
    r"((?:^  attribute [^\n]*\n)*^  wire width [^\n]*(?:in|out)put) \d+ ([^\n]*\n)", re.MULTILINE
)
_CELL = re.compile(r"^(  cell )(\\\S+)", re.MULTILINE)


def merge_equal_modules(rtlil: str) -> str:
    """RTLIL text as Amaranth writes it, in which instances of equal modules share one.

    It keeps the name of the first of them. Modules are equal when their text is, apart from the
    order of their ports and the names of modules in it, and those modules are equal; connections
    outside do not matter. Modules must come before the modules of their instances, the top first.
    """
    pieces = list(_MODULE.finditer(rtlil))
    kind_of: dict[str, int] = {}  # name of a module: number of its text
    kinds: dict[tuple[str, ...], int] = {}  # a module, with the numbers of those in it: its own

    def number(cell: re.Match[str]) -> str:
        return cell[1] + str(kind_of.get(cell[2], cell[2]))

    for module in reversed(pieces):
        text = _CELL.sub(number, module[2])
        ports = sorted(before + after for before, after in _PORT.findall(text))
        kind_of[module[1]] = kinds.setdefault((*ports, _PORT.sub("", text)), len(kinds))

    name_of: dict[int, str] = {}  # number: name of the first module
    for module in pieces:
        name_of.setdefault(kind_of[module[1]], module[1])

    def name(cell: re.Match[str]) -> str:
        return cell[1] + (name_of[kind_of[cell[2]]] if cell[2] in kind_of else cell[2])

    parts, end = [], 0
    for module in pieces:
        if name_of[kind_of[module[1]]] == module[1]:
            head = rtlil[end : module.start()]
            parts.append(f"{head}module {module[1]}\n{_CELL.sub(name, module[2])}end\n")
        end = module.end()
    return "".join([*parts, rtlil[end:]])
