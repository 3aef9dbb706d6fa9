"""Command to bytes and back, by isa.FORMATS."""

from __future__ import annotations

from accelgen.arch import ArchParams
from accelgen.arch.isa import FORMATS, HEADER, Opcode, command_beats
from accelgen.program.records import Command

__all__ = ["command_bytes", "decode_command", "encode_command"]


def command_bytes(opcode: Opcode) -> int:
    """Bytes of a command in the image."""
    return command_beats(opcode) * ArchParams.BUS_BYTES


def encode_command(command: Command) -> bytes:
    """Whole beats, little-endian. Raises ValueError when a field does not fit."""
    if command.opcode is Opcode.END:
        bits = HEADER.pack(command.fields["header"])
    else:
        bits = FORMATS[command.opcode].pack(command.fields)
    return bits.to_bytes(command_bytes(command.opcode), "little")


def decode_command(data: bytes | bytearray | memoryview) -> Command:
    """Inverse of :func:`encode_command`: every field present; ``data`` may go on after it. Raises
    ValueError on an opcode that does not exist."""
    beat = int.from_bytes(data[: ArchParams.BUS_BYTES], "little")
    header = HEADER.unpack(beat & ((1 << HEADER.width) - 1))
    opcode = Opcode(header["opcode"])
    if opcode is Opcode.END:
        return Command(opcode=opcode, fields={"header": header})
    bits = int.from_bytes(data[: command_bytes(opcode)], "little")
    return Command(opcode=opcode, fields=FORMATS[opcode].unpack(bits))
