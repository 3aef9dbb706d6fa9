"""Records of commands and isa's formats say the same, and one becomes the other."""

from dataclasses import fields, replace

import numpy as np
import pytest

from accelgen.arch import isa
from accelgen.program import (
    End,
    Exec,
    Header,
    Load,
    Raster,
    Requant,
    Store,
    Weights,
    decode_command,
    encode_command,
)

RECORDS = {
    Header: isa.HEADER, Raster: isa.RASTER, Requant: isa.REQUANT, Exec: isa.EXEC,
    Weights: isa.WEIGHTS, Load: isa.LOAD, Store: isa.STORE,
}  # fmt: skip
COMMANDS = (Exec, Weights, Load, Store, End)


def as_record_says(form):
    """Name and kind of each field of a record of ``form``."""
    parts = {f.name: record.__name__ for record, f in RECORDS.items()}
    return [
        (field.name, parts[field.shape.name] if isinstance(field.shape, isa.Format)
         else "bool" if field.width == 1 else "int")
        for field in form.fields
        if field.name != "opcode"
    ]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.__name__)
def test_records_have_the_fields_of_their_formats(record):
    assert [(f.name, f.type) for f in fields(record)] == as_record_says(RECORDS[record])


def test_a_field_that_isa_has_and_a_record_has_not_is_seen():
    longer = replace(isa.STORE, fields=(*isa.STORE.fields, isa.Field("more", 3, "")))

    assert [(f.name, f.type) for f in fields(Store)] != as_record_says(longer)


def test_every_opcode_has_its_record():
    assert [c.opcode for c in COMMANDS] == list(isa.Opcode)
    assert [isa.FORMATS.get(c.opcode, isa.HEADER) for c in COMMANDS] == [
        RECORDS.get(c, isa.HEADER) for c in COMMANDS
    ]


def drawn(record, rng):
    """A record with numbers of all widths in all fields."""
    values = {}
    for field in RECORDS[record].fields:
        if field.name == "opcode":
            continue
        if isinstance(field.shape, isa.Format):
            part = next(r for r, form in RECORDS.items() if form is field.shape)
            values[field.name] = drawn(part, rng)
        else:
            number = int(rng.integers(1 << field.width))
            number -= (1 << field.width - 1) if field.signed else 0
            values[field.name] = bool(number) if field.width == 1 else number
    return record(**values)


@pytest.mark.parametrize("record", COMMANDS[:-1], ids=lambda r: r.__name__)
@pytest.mark.parametrize("seed", range(5))
def test_commands_survive_encoding(record, seed):
    command = drawn(record, np.random.default_rng(seed))

    assert decode_command(encode_command(command) + b"more") == command


def test_end_is_a_header_alone():
    end = End(header=Header(tag=7, wait_loads=1, wait_execs=2, wait_stores=65535))

    assert len(encode_command(end)) == 16
    assert decode_command(encode_command(end)) == end


def test_too_large_a_number_is_refused():
    with pytest.raises(ValueError, match=r"load\.row is 65536"):
        encode_command(Load(row=65536))
