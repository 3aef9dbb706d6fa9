"""Program to stable text: a disassembler, for people and for golden-file tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from accelgen.arch.isa import Opcode
from accelgen.program.records import Command, Placement, Program, Step

__all__ = ["program_text"]

#: Per opcode: fields that are shown first, in this order, even when 0.
_FIRST = {
    Opcode.LOAD: ("row", "row_stride", "groups", "rows", "offset", "stride"),
    Opcode.STORE: ("row", "row_stride", "groups", "rows", "offset", "stride"),
    Opcode.WEIGHTS: ("offset", "beats", "groups"),
    Opcode.EXEC: ("groups",),
    Opcode.END: (),
}


def program_text(program: Program, *, rasters: bool = False) -> str:
    """The whole program. Zero fields are left out; rasters in short unless ``rasters``."""
    return "\n".join(_lines(program, rasters)) + "\n"


def _lines(program: Program, rasters: bool) -> Iterator[str]:
    arch = program.arch
    counts = f"{len(program.steps)} steps, {len(program.commands)} commands"
    yield f"program {program.graph.name}: {counts}"
    yield (
        f"  lanes {arch.lanes}, pixels {arch.pixels}, feature rows {program.feature_rows_used}"
        f" of {arch.feature_rows}"
    )
    yield (
        f"  image {len(program.image)} bytes, commands at {program.program_offset:#x},"
        f" DDR {program.image_bytes} bytes"
    )
    for placement in program.inputs:
        yield f"  input  {_placement(placement)}"
    for placement in program.outputs:
        yield f"  output {_placement(placement)}"
    for name in sorted(program.kept):
        yield f"  kept   {_placement(program.kept[name])}"
    owner = {index: step for step in program.steps for index in step.commands}
    before: Step | None = None
    for index, command in enumerate(program.commands):
        step = owner.get(index)
        if step is not None and step is not before and command.opcode is not Opcode.WEIGHTS:
            yield _step(step)
            before = step
        yield f"  {index:4} {_command(command, rasters)}"
    for ps in program.ps_steps:
        yield f"ps {ps.node}: {', '.join(ps.inputs)} -> {ps.output}"


def _placement(p: Placement) -> str:
    h, w, c = p.shape
    gaps = p.slots.count(-1)
    return (
        f"{p.tensor} {h}x{w}x{c} at {p.offset:#x}, {p.groups} groups of {p.stride} bytes"
        f"{f', {gaps} gaps' if gaps else ''}"
    )


def _step(step: Step) -> str:
    made = " and ".join(t for t in (step.output, step.squeezed) if t)
    return (
        f"step {step.index} [{step.engine}] {' + '.join(step.nodes)}:"
        f" {', '.join(step.inputs)} -> {made}; {step.macs} MACs, {step.ddr_bytes} DDR bytes"
    )


def _command(command: Command, rasters: bool) -> str:
    fields = dict(command.fields)
    header = fields.pop("header")
    waits = [f"{u} {header[f'wait_{u}']}" for u in ("loads", "execs", "stores")
             if header.get(f"wait_{u}")]  # fmt: skip
    parts = [command.opcode.name.lower()]
    if command.opcode is Opcode.WEIGHTS:
        parts.append(f"(step {header['tag']})")
    if waits:
        parts.append(f"after {', '.join(waits)}:")
    first = _FIRST[command.opcode]
    parts += [f"{name}={_number(fields.pop(name))}" for name in first]
    parts += [f"{name}={_value(name, v, rasters)}" for name, v in fields.items() if _shown(v)]
    return " ".join(parts)


def _shown(value: Any) -> bool:
    return any(value.values()) if isinstance(value, Mapping) else value != 0


def _value(name: str, value: Any, rasters: bool) -> str:
    if not isinstance(value, Mapping):
        return _number(value)
    if name.endswith("raster") and not rasters:
        r = value
        return (
            f"[{r['height']}x{r['width']} k{r['kernel_h']}x{r['kernel_w']}"
            f" s{r['stride_h']}x{r['stride_w']} d{r['dilation_h']}x{r['dilation_w']}"
            f" pad {r['pad_top']},{r['pad_left']} value {r['pad_value']} pitch {r['pitch']}"
            f" origin {r['origin']} vectors {r['vectors']}{' phases' * r['phases']}]"
        )
    return "[" + " ".join(f"{k}={_number(v)}" for k, v in value.items() if v) + "]"


def _number(value: Any) -> str:
    return str(int(value))
