"""isa's formats as records: generated from arch/isa.py by `make docs`; do not edit.

What a field means stands there. A field of one bit is a bool; fields that are left out are 0. The
header's opcode is the record's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from accelgen.arch.isa import Opcode

__all__ = ["End", "Exec", "Header", "Load", "Raster", "Requant", "Store", "Weights"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """Fields of isa.HEADER."""

    tag: int = 0
    wait_loads: int = 0
    wait_execs: int = 0
    wait_stores: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Raster:
    """Fields of isa.RASTER."""

    height: int = 0
    width: int = 0
    kernel_h: int = 0
    kernel_w: int = 0
    dilation_h: int = 0
    dilation_w: int = 0
    stride_h: int = 0
    stride_w: int = 0
    pad_top: int = 0
    pad_left: int = 0
    pad_value: int = 0
    pitch: int = 0
    step_x: int = 0
    step_y: int = 0
    step_phase: int = 0
    wrap_phase: int = 0
    row_limit: int = 0
    span: int = 0
    origin: int = 0
    step_address: int = 0
    wrap_address: int = 0
    tap_x_address: int = 0
    tap_y_address: int = 0
    vectors: int = 0
    phases: bool = False
    placed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Requant:
    """Fields of isa.REQUANT."""

    zero: int = 0
    low: int = 0
    high: int = 0
    table: bool = False
    pixels: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Exec:
    """Fields of isa.EXEC."""

    opcode: ClassVar[Opcode] = Opcode.EXEC
    header: Header = Header()
    array: bool = False
    early: bool = False
    window: bool = False
    window_op: int = 0
    add: bool = False
    squeeze: bool = False
    chained: bool = False
    write: bool = False
    groups: int = 0
    table_bank: int = 0
    in_row: int = 0
    in_stride: int = 0
    in_groups: int = 0
    in_step: int = 0
    in_repeat: int = 0
    in_raster: Raster = Raster()
    weight_words: int = 0
    keep: bool = False
    rewind: bool = False
    requant1: Requant = Requant()
    ring_rows: int = 0
    ring_raster: Raster = Raster()
    vector_zero: int = 0
    requant2: Requant = Requant()
    residual_row: int = 0
    residual_stride: int = 0
    add_multiplier_a: int = 0
    add_multiplier_b: int = 0
    add_offset: int = 0
    add_shift: int = 0
    add_zero: int = 0
    add_low: int = 0
    add_high: int = 0
    squeeze_row: int = 0
    squeeze_stride: int = 0
    squeeze_resume: bool = False
    squeeze_bias: int = 0
    squeeze_multiplier: int = 0
    squeeze_shift: int = 0
    squeeze_zero: int = 0
    out_row: int = 0
    out_stride: int = 0
    out_pixels: int = 0
    out_rows: int = 0
    out_phases: bool = False
    woven: bool = False
    woven_odd: bool = False
    woven_pieces: bool = False
    woven_line: int = 0
    woven_second: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """Fields of isa.WEIGHTS."""

    opcode: ClassVar[Opcode] = Opcode.WEIGHTS
    header: Header = Header()
    offset: int = 0
    beats: int = 0
    groups: int = 0
    table1: bool = False
    table2: bool = False
    table_bank: int = 0
    params1: bool = False
    params2: bool = False
    tap_beats: int = 0
    taps: int = 0
    weight_words: int = 0
    parked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """Fields of isa.LOAD."""

    opcode: ClassVar[Opcode] = Opcode.LOAD
    header: Header = Header()
    offset: int = 0
    stride: int = 0
    row: int = 0
    row_stride: int = 0
    groups: int = 0
    rows: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """Fields of isa.STORE."""

    opcode: ClassVar[Opcode] = Opcode.STORE
    header: Header = Header()
    offset: int = 0
    stride: int = 0
    row: int = 0
    row_stride: int = 0
    groups: int = 0
    rows: int = 0
    weights: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """A header alone."""

    opcode: ClassVar[Opcode] = Opcode.END
    header: Header = Header()
