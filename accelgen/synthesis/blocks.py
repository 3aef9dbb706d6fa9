"""Which modules of a hierarchy are mapped on their own, and which inside what holds them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Hierarchy", "own_blocks", "read_hierarchy", "unrolled"]

_MODULE = re.compile(r"^module (\S+) ?\(.*?^endmodule", re.MULTILINE | re.DOTALL)
_INSTANCE = re.compile(r"^  (\S+) +\S+ +\(", re.MULTILINE)
#: A cell of the vendor's library: it has parameters.
_CELL = re.compile(r"^  (\w+) #\(", re.MULTILINE)

#: Characters of Verilog from which a module is mapped on its own.
_LARGE = 30_000
#: And from which one with so many instances is.
_REPEATED, _INSTANCES = 3_000, 4


@dataclass(frozen=True)
class Hierarchy:
    """Modules of a Verilog text: characters of each, and the instances in each by module."""

    top: str
    sizes: Mapping[str, int]
    instances: Mapping[str, Mapping[str, int]]

    def order(self) -> list[str]:
        """Modules from the leaves up, without those the top does not reach."""
        seen: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in seen:
                for child in self.instances[name]:
                    visit(child)
                seen[name] = None

        visit(self.top)
        return list(seen)


def read_hierarchy(verilog: str, top: str) -> Hierarchy:
    """From Verilog as :func:`accelgen.rtl.emit.emit_verilog` writes it."""
    texts = {m[1].lstrip("\\"): m[0] for m in _MODULE.finditer(verilog)}
    instances = {
        name: dict(Counter(
            kind for found in _INSTANCE.finditer(text) if (kind := found[1].lstrip("\\")) in texts
        ))
        for name, text in texts.items()
    }  # fmt: skip
    return Hierarchy(top, {name: len(text) for name, text in texts.items()}, instances)


def unrolled(verilog: str, top: str) -> Counter[str]:
    """Cells of the vendor's library in a design, as often as the instances of what they are in."""
    cells = {m[1].lstrip("\\"): Counter(_CELL.findall(m[0])) for m in _MODULE.finditer(verilog)}
    hierarchy = read_hierarchy(verilog, top)
    for name in hierarchy.order():
        for child, count in hierarchy.instances[name].items():
            for cell, inside in cells[child].items():
                cells[name][cell] += count * inside
    return cells[top]


def own_blocks(hierarchy: Hierarchy) -> list[str]:
    """Modules to map on their own, the leaves first and the top last.

    These are the large ones, so that each run stays short, and those with several instances, which
    are mapped once. The others are flattened into what holds them.
    """
    order = hierarchy.order()
    used = Counter({hierarchy.top: 1})
    for name in reversed(order):
        for child, count in hierarchy.instances[name].items():
            used[child] += used[name] * count
    flat: dict[str, int] = {}  # characters, with what is flattened into it
    blocks = []
    for name in order:
        inside = (
            count * flat[child]
            for child, count in hierarchy.instances[name].items()
            if child not in blocks
        )
        flat[name] = hierarchy.sizes[name] + sum(inside)
        repeated = used[name] >= _INSTANCES and flat[name] >= _REPEATED
        if repeated or flat[name] >= _LARGE or name == hierarchy.top:
            blocks.append(name)
    return blocks
