"""A tile of a step, with addresses, to the fields of its EXEC and WEIGHTS."""

from __future__ import annotations

from typing import Any

from accelgen.arch.isa import WindowOp
from accelgen.ir import Node
from accelgen.ir.ops import QAdd, QAvgPool, QConv2d, QGlobalAvgPool, QMaxPool, QScale, QStretch
from accelgen.program.layout import rows_of
from accelgen.program.raster import make_raster
from accelgen.schedule.emit.commands import Rows
from accelgen.schedule.steps.fuse import Chain
from accelgen.schedule.steps.weights import StepWeights
from accelgen.schedule.steps.work import OTHER, OUT, SOURCE, SQUEEZED, Tile, Work

__all__ = ["exec_fields", "weights_fields"]


def exec_fields(work: Work, tile: Tile, at: dict[str, Rows], table_bank: int) -> dict[str, Any]:
    """Fields of isa.EXEC without its header, and without what depends on EXECs beside it; ``at``
    says where each role's slice lies."""
    chain, band = work.chain, tile.band
    pixels = work.pixels
    fields: dict[str, Any] = {
        "array": int(chain.array is not None),
        "window": int(chain.uses_window),
        "chained": int(chain.chained),
        "write": int(chain.write),
        "groups": tile.groups[1] - tile.groups[0],
        "table_bank": table_bank,
        "in_row": at[SOURCE].first,
        "in_stride": at[SOURCE].stride,
        "in_groups": work.window.groups,
        "in_step": work.window.step,
        "in_repeat": work.window.repeat,
        "in_raster": make_raster(band.first, pixels),
        "weight_words": work.weights.fields["weight_words"],
    }
    if chain.array is not None:
        fields["requant1"] = _requant(chain.array, chain.table1, band.first.out_pixels)
    if band.second is not None:
        if chain.array is None and not chain.vector:
            fields["requant1"] = {"pixels": band.first.out_pixels}
        phases = band.second.phases
        fields["ring_rows"] = rows_of(band.first.out_pixels, 1, pixels, phases=phases)
        fields["ring_raster"] = make_raster(band.second, pixels)
        fields["window_op"] = _window_op(chain.window)
        unit = "requant1" if chain.vector else "requant2"
        fields[unit] = _requant(chain.window, chain.table2, band.second.out_pixels)
        if chain.window is not None and isinstance(chain.window.op, QScale):
            fields["vector_zero"] = chain.window.op.s_zero
    if OTHER in at:
        fields["residual_row"] = at[OTHER].first
        fields["residual_stride"] = at[OTHER].stride
    if chain.add is not None:
        fields |= _add(chain)
    out_pixels = (band.second or band.first).out_pixels
    if chain.squeeze is not None:
        fields["squeeze_resume"] = int(tile.band.rows[0] > 0)
        if tile.ends:
            fields |= _squeeze(chain.squeeze, at[SQUEEZED], work.out_pixels)
    if OUT in at:
        fields["out_row"] = at[OUT].first
        fields["out_stride"] = at[OUT].stride
    fields["out_pixels"] = out_pixels
    fields["out_rows"] = rows_of(out_pixels, 1, pixels, phases=work.out_phases)
    fields["out_phases"] = int(work.out_phases)
    return fields


def weights_fields(
    weights: StepWeights, tile: Tile, offset: int, stream_bytes: int, table_bank: int
) -> dict[str, Any]:
    """Fields of isa.WEIGHTS without its header, for the stream at ``offset``."""
    return {
        "offset": offset,
        "beats": stream_bytes // 16,
        "groups": tile.groups[1] - tile.groups[0],
        "table_bank": table_bank,
        **weights.fields,
    }


def _window_op(node: Node | None) -> WindowOp:
    if node is not None and isinstance(node.op, QMaxPool | QStretch):
        return WindowOp.MAX
    if node is not None and isinstance(node.op, QScale):
        return WindowOp.SCALE
    return WindowOp.MAC


def _requant(node: Node | None, table: Node | None, pixels: int) -> dict[str, int]:
    """isa.REQUANT of a stage; without a node, or for MAX, it keeps the value as it is."""
    zero, low, high = 0, -128, 127
    if node is not None and isinstance(node.op, QConv2d):
        zero, low, high = node.op.output_zero, node.op.low, node.op.high
    elif node is not None and isinstance(node.op, QAvgPool | QScale):
        zero = node.op.output_zero
    return {
        "zero": zero,
        "low": low,
        "high": high,
        "table": int(table is not None),
        "pixels": pixels,
    }


def _add(chain: Chain) -> dict[str, int]:
    assert chain.add is not None
    op = chain.add.op
    assert isinstance(op, QAdd)
    multipliers = (op.multiplier_a, op.multiplier_b)
    mine, other = multipliers if chain.add_takes_a else multipliers[::-1]
    return {
        "add": 1,
        "add_multiplier_a": mine,
        "add_multiplier_b": other,
        "add_offset": op.offset,
        "add_shift": op.shift,
        "add_zero": op.output_zero,
        "add_low": op.low,
        "add_high": op.high,
    }


def _squeeze(node: Node, at: Rows, pixels: int) -> dict[str, int]:
    op = node.op
    assert isinstance(op, QGlobalAvgPool)
    return {
        "squeeze": 1,
        "squeeze_row": at.first,
        "squeeze_stride": at.stride,
        "squeeze_bias": -pixels * op.input_zero,
        "squeeze_multiplier": op.multiplier,
        "squeeze_shift": op.shift,
        "squeeze_zero": op.output_zero,
    }
