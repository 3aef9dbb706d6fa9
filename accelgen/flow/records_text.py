"""The text of program/formats.py: isa's formats as records, so that a field is told once.

Text, and not records made at run time: mypy sees a wrong name.
"""

from __future__ import annotations

from collections.abc import Iterator

from accelgen.arch import isa

__all__ = ["records_text"]

_HEAD = '''"""isa's formats as records: generated from arch/isa.py by `make docs`; do not edit.

What a field means stands there. A field of one bit is a bool; fields that are left out are 0. The
header's opcode is the record's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from accelgen.arch.isa import Opcode

__all__ = [{names}]


{records}'''


def records_text() -> str:
    """The module's text: a record per format, nested ones before what holds them."""
    formats: dict[str, tuple[isa.Format, isa.Opcode | None]] = {}
    for opcode, form in isa.FORMATS.items():
        for field in form.fields:
            if isinstance(field.shape, isa.Format):
                formats.setdefault(field.shape.name, (field.shape, None))
        formats[form.name] = form, opcode
    for opcode in isa.Opcode:
        if opcode not in isa.FORMATS:  # a header alone
            header = isa.Field("header", isa.HEADER, "")
            formats[opcode.name] = isa.Format(opcode.name.lower(), "", (header,)), opcode
    names = ", ".join(sorted(f'"{_record(form)}"' for form, _ in formats.values()))
    records = ("\n".join(_lines(form, opcode)) + "\n" for form, opcode in formats.values())
    return _HEAD.format(names=names, records="\n\n".join(records))


def _record(form: isa.Format) -> str:
    return form.name.capitalize()


def _lines(form: isa.Format, opcode: isa.Opcode | None) -> Iterator[str]:
    alone = opcode is not None and opcode not in isa.FORMATS
    yield "@dataclass(frozen=True, kw_only=True, slots=True)"
    yield f"class {_record(form)}:"
    yield f'    """{"A header alone" if alone else f"Fields of isa.{form.name.upper()}"}."""'
    yield ""
    if opcode is not None:
        yield f"    opcode: ClassVar[Opcode] = Opcode.{opcode.name}"
    for field in form.fields:
        if isinstance(field.shape, isa.Format):
            yield f"    {field.name}: {_record(field.shape)} = {_record(field.shape)}()"
        elif field.name != "opcode":
            yield f"    {field.name}: " + ("bool = False" if field.width == 1 else "int = 0")
