"""Command to bytes and back, by isa.FORMATS."""

from __future__ import annotations

from accelgen.arch.isa import COMMAND_BYTES, FORMATS, HEADER, Opcode
from accelgen.schedule.program import Command

__all__ = ["decode_command", "encode_command"]


def encode_command(command: Command) -> bytes:
    """COMMAND_BYTES bytes, little-endian. Raises ValueError when a field does not fit."""
    if command.opcode is Opcode.END:
        bits = HEADER.pack(command.fields["header"])
    else:
        bits = FORMATS[command.opcode].pack(command.fields)
    return bits.to_bytes(COMMAND_BYTES, "little")


def decode_command(data: bytes | bytearray | memoryview) -> Command:
    """Inverse of :func:`encode_command`: every field present. Raises ValueError on an opcode that
    does not exist."""
    bits = int.from_bytes(data, "little")
    header = HEADER.unpack(bits & ((1 << HEADER.width) - 1))
    opcode = Opcode(header["opcode"])
    if opcode is Opcode.END:
        return Command(opcode=opcode, fields={"header": header})
    return Command(opcode=opcode, fields=FORMATS[opcode].unpack(bits))
