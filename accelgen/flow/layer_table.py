"""Layers as rows: what each is and what it takes, for spreadsheets and for designers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from accelgen.deploy.output import new_file
from accelgen.estimator.anatomy import anatomy
from accelgen.flow.compiled import Compiled, estimated

__all__ = ["layer_table", "write_csv"]


def layer_table(compiled: Compiled) -> list[dict[str, Any]]:
    """A row per node of the schedule, in order.

    ``layer``, ``op``, ``engine``, ``step`` (the first layer of those that run as one); ``height``,
    ``width``, ``channels`` of its output; ``macs``, ``parameters``, ``memory_access`` (bytes),
    ``intensity`` (MACs per byte), ``receptive_field`` ("rows x columns" of input pixels), as in
    :mod:`accelgen.estimator.anatomy`; and the whole step's on its first layer, else None:
    ``cycles``, ``ms``, ``share`` (of the PL's frame), ``ddr_bytes``, ``bound``, ``efficiency`` (of
    the PE array). All estimated.
    """
    numbers, graph = estimated(compiled), compiled.model.graph
    _, height, width, _ = graph.tensors[graph.input].shape
    made = {one.name: one for one in anatomy(compiled.parts, (height, width))}
    rows = []
    for x in numbers.layers:
        one = made[x.name]
        first = bool(x.cycles) and x.step == x.name
        rows.append({
            "layer": x.name, "op": x.op, "engine": x.engine, "step": x.step,
            "height": one.output[0], "width": one.output[1], "channels": one.output[2],
            "macs": one.macs, "parameters": one.parameters, "memory_access": one.memory_access,
            "intensity": round(one.intensity, 3),
            "receptive_field": f"{one.receptive_field[0]}x{one.receptive_field[1]}",
            "cycles": x.cycles if first else None,
            "ms": (x.cycles or 0) / numbers.clock_mhz / 1e3 if first else None,
            "share": (x.cycles or 0) / numbers.cycles if first else None,
            "ddr_bytes": x.ddr_bytes if first else None,
            "bound": x.bound if first else None,
            "efficiency": x.efficiency,
        })  # fmt: skip
    return rows


def write_csv(where: str | Path, compiled: Compiled) -> None:
    """:func:`layer_table` as a CSV file (RFC 4180); one there is replaced.

    A name that a spreadsheet would take for a formula gets an apostrophe before it: names are a
    file's, and files come from anywhere.
    """
    rows = layer_table(compiled)
    with new_file(Path(where)) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({key: _plain(value) for key, value in row.items()} for row in rows)


def _plain(value: Any) -> Any:
    is_formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if is_formula else value
