"""Modules that differ in nothing but their name, written once.

Amaranth writes a module for each instance. A hundred equal lanes make long Verilog, and every tool
after it does its work a hundred times.
"""

from __future__ import annotations

import re

__all__ = ["merge_equal_modules"]

_MODULE = re.compile(r"^module (\\\S+)\n(.*?)^end\n", re.MULTILINE | re.DOTALL)
#: A port and its attributes; ports are numbered in the order of their first use outside.
_PORT = re.compile(
    r"((?:^  attribute [^\n]*\n)*^  wire width [^\n]*(?:in|out)put) \d+ ([^\n]*\n)", re.MULTILINE
)
_CELL = re.compile(r"^(  cell )(\\\S+)(.*\n(?:    .*\n)*)", re.MULTILINE)
#: A port without a name: called after where the signal is made, which is outside.
_UNNAMED = re.compile(r"(    connect )?(\\port\$\d+\$\d+)")


def merge_equal_modules(rtlil: str) -> str:
    """RTLIL text as Amaranth writes it, in which instances of equal modules share one.

    It keeps the name of the first of them. Modules are equal when their text is, apart from the
    order of their ports and the names of modules in it, and those modules are equal; connections
    outside do not matter. Ports without a name are numbered by their use. Modules must come before
    the modules of their instances, the top first.
    """
    pieces = list(_MODULE.finditer(rtlil))
    texts: dict[str, str] = {}
    ports: dict[str, dict[str, str]] = {}  # of a module: new names of its ports without one
    kind_of: dict[str, int] = {}  # name of a module: number of its text
    kinds: dict[tuple[str, ...], int] = {}  # a module, with the numbers of those in it: its own

    for module in reversed(pieces):
        name = module[1]
        texts[name], ports[name] = _number_ports(module[2])
        texts[name] = _CELL.sub(lambda cell: _rename_connections(cell, ports), texts[name])
        text = _CELL.sub(
            lambda cell: f"{cell[1]}{kind_of.get(cell[2], cell[2])}{cell[3]}", texts[name]
        )
        declared = sorted(before + after for before, after in _PORT.findall(text))
        kind_of[name] = kinds.setdefault((*declared, _PORT.sub("", text)), len(kinds))

    name_of: dict[int, str] = {}  # number: name of the first module
    for module in pieces:
        name_of.setdefault(kind_of[module[1]], module[1])

    def kept(cell: re.Match[str]) -> str:
        kind = name_of[kind_of[cell[2]]] if cell[2] in kind_of else cell[2]
        return f"{cell[1]}{kind}{cell[3]}"

    parts, end = [], 0
    for module in pieces:
        name = module[1]
        if name_of[kind_of[name]] == name:
            head = rtlil[end : module.start()]
            parts.append(f"{head}module {name}\n{_CELL.sub(kept, texts[name])}end\n")
        end = module.end()
    return "".join([*parts, rtlil[end:]])


def _number_ports(text: str) -> tuple[str, dict[str, str]]:
    """A module whose ports without a name are called after their place in it, and these names."""
    names: dict[str, str] = {}
    for connected, port in [*_UNNAMED.findall(_PORT.sub("", text)), *_UNNAMED.findall(text)]:
        if not connected and port not in names:
            names[port] = f"\\port$0${len(names)}"
    return _UNNAMED.sub(lambda m: m[0] if m[1] else names[m[2]], text), names


def _rename_connections(cell: re.Match[str], ports: dict[str, dict[str, str]]) -> str:
    names = ports.get(cell[2], {})
    pins = _UNNAMED.sub(lambda m: m[1] + names.get(m[2], m[2]) if m[1] else m[0], cell[3])
    return f"{cell[1]}{cell[2]}{pins}"
