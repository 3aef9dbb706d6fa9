"""Program to stable text: a disassembler, for people and for golden-file tests."""

from __future__ import annotations

from collections.abc import Iterator

from accelgen.arch.isa import Opcode
from accelgen.program.commands import Command, Part, Raster, Value, Weights, record_fields
from accelgen.program.records import Placement, Program, Step

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
    fields, header = record_fields(command), command.header
    del fields["header"]
    counts = {"loads": header.wait_loads, "execs": header.wait_execs, "stores": header.wait_stores}
    waits = [f"{unit} {count}" for unit, count in counts.items() if count]
    parts = [command.opcode.name.lower()]
    if isinstance(command, Weights):
        parts.append(f"(step {header.tag})")
    if waits:
        parts.append(f"after {', '.join(waits)}:")
    first = _FIRST[command.opcode]
    parts += [f"{name}={_number(fields.pop(name))}" for name in first]
    parts += [f"{name}={_value(v, rasters)}" for name, v in fields.items() if _shown(v)]
    return " ".join(parts)


def _shown(value: Value) -> bool:
    return any(record_fields(value).values()) if isinstance(value, Part) else bool(value)


def _value(value: Value, rasters: bool) -> str:
    if not isinstance(value, Part):
        return _number(value)
    if isinstance(value, Raster) and not rasters:
        r = value
        return (
            f"[{r.height}x{r.width} k{r.kernel_h}x{r.kernel_w} s{r.stride_h}x{r.stride_w}"
            f" d{r.dilation_h}x{r.dilation_w} pad {r.pad_top},{r.pad_left} value {r.pad_value}"
            f" pitch {r.pitch} origin {r.origin} vectors {r.vectors}{' phases' * r.phases}]"
        )
    values = record_fields(value).items()
    return "[" + " ".join(f"{k}={_number(v)}" for k, v in values if v) + "]"


def _number(value: Value) -> str:
    assert isinstance(value, int)
    return str(int(value))
