"""The program: what schedule writes and everybody else reads. Records, layout, bytes, text."""

from accelgen.program.commands import (
    Command,
    End,
    Exec,
    Header,
    Load,
    Raster,
    Requant,
    Store,
    Transfer,
    Weights,
)
from accelgen.program.encode import command_bytes, decode_command, encode_command
from accelgen.program.layout import pack_tensor, unpack_tensor
from accelgen.program.records import Placement, Program, PsStep, Step
from accelgen.program.text import program_text

__all__ = [
    "Command",
    "End",
    "Exec",
    "Header",
    "Load",
    "Placement",
    "Program",
    "PsStep",
    "Raster",
    "Requant",
    "Step",
    "Store",
    "Transfer",
    "Weights",
    "command_bytes",
    "decode_command",
    "encode_command",
    "pack_tensor",
    "program_text",
    "unpack_tensor",
]
