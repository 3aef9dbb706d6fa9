"""A tile of a step, with addresses, to its EXEC and WEIGHTS."""

from __future__ import annotations

from dataclasses import replace

from accelgen.arch.isa import WindowOp
from accelgen.ir import Node
from accelgen.ir.ops import QAdd, QAvgPool, QConv2d, QGlobalAvgPool, QMaxPool, QScale, QStretch
from accelgen.program.commands import Exec, Requant, Weights
from accelgen.program.layout import rows_of
from accelgen.program.raster import make_raster
from accelgen.program.weave import woven
from accelgen.schedule.emit.commands import Rows
from accelgen.schedule.steps.fuse import Chain
from accelgen.schedule.steps.weights import StepWeights
from accelgen.schedule.steps.work import OTHER, OUT, SOURCE, SQUEEZED, Tile, Work

__all__ = ["make_exec", "make_strand", "make_weights"]


def make_exec(work: Work, tile: Tile, at: dict[str, Rows], table_bank: int) -> Exec:
    """The EXEC without its header, and without what depends on EXECs beside it; ``at`` says where
    each role's slice lies."""
    chain, band = work.chain, tile.band
    out_pixels = (band.second or band.first).out_pixels
    command = Exec(
        array=chain.array is not None,
        window=chain.uses_window,
        chained=chain.chained,
        write=chain.write,
        groups=tile.groups[1] - tile.groups[0],
        table_bank=table_bank,
        in_row=at[SOURCE].first,
        in_stride=at[SOURCE].stride,
        in_groups=work.window.groups,
        in_step=work.window.step,
        in_repeat=work.window.repeat,
        in_raster=make_raster(band.first, work.pixels),
        weight_words=work.weights.fields.weight_words,
        out_pixels=out_pixels,
        out_rows=rows_of(out_pixels, 1, work.pixels, phases=work.out_phases),
        out_phases=work.out_phases,
    )
    if chain.array is not None:
        first = _requant(chain.array, chain.table1, band.first.out_pixels)
        command = replace(command, requant1=first)
    if band.second is not None:
        command = _with_window(command, work, tile)
    if OTHER in at:
        other = at[OTHER]
        command = replace(command, residual_row=other.first, residual_stride=other.stride)
    if chain.add is not None:
        command = _with_add(command, chain)
    if chain.squeeze is not None:
        command = replace(command, squeeze_resume=band.rows[0] > 0)
        if tile.ends:
            command = _with_squeeze(command, chain.squeeze, at[SQUEEZED], work.out_pixels)
    if OUT in at:
        command = replace(command, out_row=at[OUT].first, out_stride=at[OUT].stride)
    return command


def make_strand(work: Work, tile: Tile, at: dict[str, Rows], table_bank: int, index: int) -> Exec:
    """The same of one of the strands of a woven step, which fill one map between them."""
    strand, walk = work.strands[index], tile.band.strands[index]
    window, source = strand.window, at[SOURCE]
    first = window.first + tile.groups[0] * window.step
    source = replace(source, first=source.first + first * source.stride)
    own = replace(work, window=window, weights=strand.weights)
    tile = replace(tile, band=replace(tile.band, first=walk))
    command = make_exec(own, tile, {**at, SOURCE: source}, table_bank)
    place, geometry = strand.strand.place, work.geometry
    return woven(command, place, geometry.weave, geometry.out_w, work.pixels)


def make_weights(
    weights: StepWeights, tile: Tile, offset: int, stream_bytes: int, table_bank: int
) -> Weights:
    """The WEIGHTS without its header, for the stream at ``offset``."""
    return replace(
        weights.fields,
        offset=offset,
        beats=stream_bytes // 16,
        groups=tile.groups[1] - tile.groups[0],
        table_bank=table_bank,
    )


def _with_window(command: Exec, work: Work, tile: Tile) -> Exec:
    """The window engine, and the copy that feeds it where there is no array."""
    chain, first, second = work.chain, tile.band.first, tile.band.second
    assert second is not None
    behind = _requant(chain.window, chain.table2, second.out_pixels)
    copied = command.requant1 if chain.array is not None else Requant(pixels=first.out_pixels)
    op = chain.window.op if chain.window is not None else None
    scale = op if isinstance(op, QScale) else None
    return replace(
        command,
        window_op=_window_op(chain.window),
        ring_rows=rows_of(first.out_pixels, 1, work.pixels, phases=second.phases),
        ring_raster=make_raster(second, work.window_pixels),
        requant1=behind if scale else copied,
        requant2=command.requant2 if scale else behind,
        vector_zero=scale.s_zero if scale else 0,
    )


def _window_op(node: Node | None) -> WindowOp:
    if node is not None and isinstance(node.op, QMaxPool | QStretch):
        return WindowOp.MAX
    if node is not None and isinstance(node.op, QScale):
        return WindowOp.SCALE
    return WindowOp.MAC


def _requant(node: Node | None, table: Node | None, pixels: int) -> Requant:
    """isa.REQUANT of a stage; without a node, or for MAX, it keeps the value as it is."""
    zero, low, high = 0, -128, 127
    if node is not None and isinstance(node.op, QConv2d):
        zero, low, high = node.op.output_zero, node.op.low, node.op.high
    elif node is not None and isinstance(node.op, QAvgPool | QScale):
        zero = node.op.output_zero
    return Requant(zero=zero, low=low, high=high, table=table is not None, pixels=pixels)


def _with_add(command: Exec, chain: Chain) -> Exec:
    assert chain.add is not None
    op = chain.add.op
    assert isinstance(op, QAdd)
    multipliers = (op.multiplier_a, op.multiplier_b)
    mine, other = multipliers if chain.add_takes_a else multipliers[::-1]
    return replace(
        command,
        add=True,
        add_multiplier_a=mine,
        add_multiplier_b=other,
        add_offset=op.offset,
        add_shift=op.shift,
        add_zero=op.output_zero,
        add_low=op.low,
        add_high=op.high,
    )


def _with_squeeze(command: Exec, node: Node, at: Rows, pixels: int) -> Exec:
    """A shift of 0 leaves the sums as they are."""
    op = node.op
    command = replace(
        command, squeeze=True, squeeze_row=at.first, squeeze_stride=at.stride, squeeze_shift=0
    )
    if not isinstance(op, QGlobalAvgPool):
        return command
    return replace(
        command,
        squeeze_bias=-pixels * op.input_zero,
        squeeze_multiplier=op.multiplier,
        squeeze_shift=op.shift,
        squeeze_zero=op.output_zero,
    )
