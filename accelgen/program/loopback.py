"""A program that computes nothing: rows from DDR to the feature memory and back to another place.

What a board's memory ports are tried with before anything else is.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.arch import ArchParams
from accelgen.arch.isa import FETCH_BYTES, Opcode
from accelgen.program.encode import encode_command
from accelgen.program.records import Command

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
    there = {"stride": rows * arch.row_bytes, "row": 0, "row_stride": rows, "groups": 1}
    commands = [
        (Opcode.LOAD, {}, {**there, "offset": source, "rows": rows}),
        (Opcode.STORE, {"wait_loads": 1}, {**there, "offset": target, "rows": rows}),
        (Opcode.END, {}, {}),
    ]
    program = b"".join(
        encode_command(
            Command(opcode=opcode, fields={"header": {"opcode": opcode, **waits}, **fields})
        )
        for opcode, waits, fields in commands
    )
    program += bytes(-len(program) % FETCH_BYTES)
    return Loopback(program=program, source=source, target=target, size=rows * arch.row_bytes)
