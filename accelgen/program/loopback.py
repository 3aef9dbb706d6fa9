"""A program that computes nothing: rows from DDR to the feature memory and back to another place.

What a board's memory ports are tried with before anything else is.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.arch import ArchParams
from accelgen.arch.isa import FETCH_BYTES
from accelgen.program.commands import End, Header, Load, Store
from accelgen.program.encode import encode_command

__all__ = ["Loopback", "loopback"]

#: The program lies at the image's begin, alone in a page.
PAGE_BYTES = 4096
#: Enough for bursts in flight on both ports.
MOST_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Loopback:
    """``program``, to be put at offset 0 of the image, copies ``size`` bytes from offset ``source``
    to offset ``target``."""

    program: bytes
    source: int
    target: int
    size: int


def loopback(arch: ArchParams, image_bytes: int) -> Loopback:
    """As much of an image of ``image_bytes`` (at least three pages) as there is room for."""
    room = (image_bytes - PAGE_BYTES) // 2 // PAGE_BYTES * PAGE_BYTES
    rows = min(room, MOST_BYTES, arch.feature_bytes) // arch.row_bytes
    source, target = PAGE_BYTES, PAGE_BYTES + room
    size = rows * arch.row_bytes
    load = Load(offset=source, stride=size, row_stride=rows, groups=1, rows=rows)
    store = Store(
        header=Header(wait_loads=1), offset=target, stride=size, row_stride=rows, groups=1,
        rows=rows,
    )  # fmt: skip
    program = b"".join(encode_command(command) for command in (load, store, End()))
    program += bytes(-len(program) % FETCH_BYTES)
    return Loopback(program=program, source=source, target=target, size=size)
