"""Command to bytes and back, by isa.FORMATS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accelgen.arch import ArchParams
from accelgen.arch.isa import FORMATS, HEADER, Format, Opcode, command_beats
from accelgen.program.commands import (
    Command,
    End,
    Exec,
    Header,
    Load,
    Part,
    Raster,
    Requant,
    Store,
    Weights,
    record_fields,
)

__all__ = ["command_bytes", "decode_command", "encode_command", "field_values"]

_COMMANDS: dict[Opcode, type[Exec | Weights | Load | Store]] = {
    Opcode.EXEC: Exec,
    Opcode.WEIGHTS: Weights,
    Opcode.LOAD: Load,
    Opcode.STORE: Store,
}
_PARTS: dict[str, type[Part]] = {
    "header": Header,
    "raster": Raster,
    "requant": Requant,
}


def command_bytes(opcode: Opcode) -> int:
    """Bytes of a command in the image."""
    return command_beats(opcode) * ArchParams.BUS_BYTES


def field_values(record: Command | Part) -> dict[str, Any]:
    """Fields by name, parts as dicts too: what :meth:`Format.pack` takes, but for the opcode."""
    return {
        name: field_values(value) if isinstance(value, Part) else value
        for name, value in record_fields(record).items()
    }


def encode_command(command: Command) -> bytes:
    """Whole beats, little-endian. Raises ValueError when a field does not fit."""
    header = field_values(command.header) | {"opcode": command.opcode}
    if isinstance(command, End):
        bits = HEADER.pack(header)
    else:
        bits = FORMATS[command.opcode].pack(field_values(command) | {"header": header})
    return bits.to_bytes(command_bytes(command.opcode), "little")


def decode_command(data: bytes | bytearray | memoryview) -> Command:
    """Inverse of :func:`encode_command`; ``data`` may go on after it. Raises ValueError on an
    opcode that does not exist."""
    beat = int.from_bytes(data[: ArchParams.BUS_BYTES], "little")
    header = HEADER.unpack(beat & ((1 << HEADER.width) - 1))
    opcode = Opcode(header["opcode"])
    if opcode is Opcode.END:
        return End(header=Header(**_record_values(HEADER, header)))
    bits = int.from_bytes(data[: command_bytes(opcode)], "little")
    form = FORMATS[opcode]
    return _COMMANDS[opcode](**_record_values(form, form.unpack(bits)))


def _record_values(form: Format, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a record of ``form`` is made of: parts as records, single bits as bools."""
    made: dict[str, Any] = {}
    for field in form.fields:
        value = values[field.name]
        if isinstance(field.shape, Format):
            value = _PARTS[field.shape.name](**_record_values(field.shape, value))
        elif field.width == 1:
            value = bool(value)
        if field.name != "opcode":
            made[field.name] = value
    return made
