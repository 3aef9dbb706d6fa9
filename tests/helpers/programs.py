"""Compile, run on the functional simulator, compare with the golden model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelgen.arch.isa import Opcode
from accelgen.cost import Memory
from accelgen.golden import interpret
from accelgen.lowering.prepare import prepare
from accelgen.lowering.run import Given, lower
from accelgen.program import Header
from accelgen.program.encode import encode_command
from accelgen.schedule.plan import parking
from accelgen.simulation.functional import run_functional
from tests.helpers.arches import SMALL

__all__ = ["assert_matches_golden", "park_everything", "with_commands"]


def assert_matches_golden(program, x, *, shuffles=(None,)):
    """Every output and kept tensor of ``program`` on ``x`` (h, w, c) is the golden model's."""
    want = interpret(program.graph, x[None])
    for shuffle in shuffles:
        result = run_functional(program, {program.input.tensor: x}, shuffle=shuffle)
        assert set(result.tensors) >= {p.tensor for p in program.outputs}
        for name, got in result.tensors.items():
            np.testing.assert_array_equal(got, want[name][0], f"{name}, shuffle {shuffle}")


def park_everything(monkeypatch, *, chunk_bytes=256):
    """Make the schedule park every stream that finds a free row, in small chunks."""
    choices = {"SHARE": 0, "LEAST_BYTES": 0, "CHUNK_BYTES": chunk_bytes, "LEAST_PART": 1 << 20}
    for name, value in choices.items():
        monkeypatch.setattr(parking, f"_{name}", value)
    monkeypatch.setattr(Memory, "rate", 1000)


def prepared_for(graph, arch=SMALL, **options):
    """``graph`` lowered for ``arch`` and split between PL and PS, as schedule() does."""
    return prepare(lower(graph, Given(arch=arch)), **options)


def without_waits(command):
    """``command``, waiting for nothing."""
    return replace(command, header=Header(tag=command.header.tag))


def with_commands(program, change):
    """``program`` with ``change(index, command)`` applied to each command, in image and list."""
    commands = tuple(change(i, c) for i, c in enumerate(program.commands))
    image = bytearray(program.image)
    at = program.program_offset
    for command in commands:
        code = encode_command(command)
        image[at : at + len(code)] = code
        at += len(code)
    assert commands[-1].opcode is Opcode.END
    return replace(program, commands=commands, image=bytes(image))
