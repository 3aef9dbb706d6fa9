"""The commands as records: the fields of isa's formats by name, so that a wrong name is an error
that mypy sees. `make docs` writes them (program/formats.py) from arch/isa.py."""

from __future__ import annotations

from dataclasses import fields
from typing import TypeGuard

from accelgen.program.formats import End, Exec, Header, Load, Raster, Requant, Store, Weights

__all__ = [
    "Command", "End", "Exec", "Header", "Load", "Part", "Raster", "Requant", "Store", "Transfer",
    "Value", "Weights", "moves_maps", "record_fields",
]  # fmt: skip

#: What commands are made of.
Part = Header | Raster | Requant
Value = int | Part  # of a field
Transfer = Load | Store
Command = Exec | Weights | Load | Store | End


def moves_maps(command: Command) -> TypeGuard[Transfer]:
    """A LOAD, or a STORE to DDR: one with ``weights`` goes to the weight loader."""
    return isinstance(command, Load) or (isinstance(command, Store) and not command.weights)


def record_fields(record: Command | Part) -> dict[str, Value]:
    """The fields by name, in isa's order."""
    return {f.name: getattr(record, f.name) for f in fields(record)}
