"""Commands: what the sequencer fetches, field by field.

Software packs them, hardware is shaped by them. A program is a sequence of commands, each of as
many beats of 16 bytes as its fields take, one after the other; the first begins on a multiple of
``FETCH_BYTES``. They are read in order and handed to four units that run side by side: EXEC (the
datapath), WEIGHTS (the weight loader), LOAD and STORE (the feature DMA). Within a unit commands run
in order. Between units a command waits until so many LOADs, EXECs and STOREs have completed since
the program's start (``wait_*``); there is no other synchronisation. END stops the fetch, waits for
all units and raises the interrupt.

Every field is little-endian bit-packed in the order given, the first field in the lowest bits.
``docs/isa.md`` is generated from this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

__all__ = [
    "CHANNEL_PARAM",
    "EXEC",
    "FETCH_BYTES",
    "FORMATS",
    "FRONT",
    "HEADER",
    "LOAD",
    "RASTER",
    "REQUANT",
    "STORE",
    "WEIGHTS",
    "WORD_BITS",
    "Field",
    "Format",
    "Opcode",
    "WindowOp",
    "command_beats",
]

#: What is fetched at a time: a burst.
FETCH_BYTES = 256
_BEAT_BITS = 128
#: Counts of input groups, and of weight words per output group: 65,532 inputs of four lanes.
WORD_BITS = 14


class Opcode(IntEnum):
    """First field of every command."""

    EXEC = 1
    WEIGHTS = 2
    LOAD = 3
    STORE = 4
    END = 5  #: not 0: zeros after a program that was cut are no end


class WindowOp(IntEnum):
    """What the window engine does with the pixels under its kernel."""

    MAC = 0  #: sum of pixel x tap weight (depthwise convolution, average pooling)
    MAX = 1  #: largest pixel (max pooling)
    #: (pixel - pad_value) x (word of a feature vector - vector_zero): squeeze-and-excite's last
    #: step. The kernel is 1x1 and never outside the map, so pad_value is free to be the zero point.
    SCALE = 2


@dataclass(frozen=True)
class Field:
    """One field of a format. ``shape`` is a width in bits or a nested format."""

    name: str
    shape: int | Format
    doc: str
    signed: bool = False

    @property
    def width(self) -> int:
        """Bits."""
        return self.shape if isinstance(self.shape, int) else self.shape.width

    @property
    def least(self) -> int:
        """Smallest value."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def largest(self) -> int:
        """Largest value."""
        return (1 << (self.width - self.signed)) - 1


@dataclass(frozen=True)
class Format:
    """An ordered set of fields."""

    name: str
    doc: str
    fields: tuple[Field, ...]

    @cached_property
    def width(self) -> int:
        """Bits."""
        return sum(f.width for f in self.fields)

    def __getitem__(self, name: str) -> Field:
        """The field ``name``. Raises KeyError."""
        return self.fields[self._index(name)]

    def largest(self, name: str) -> int:
        """Largest value that field ``name`` can hold. Raises KeyError."""
        return self[name].largest

    def first_bit(self, name: str) -> int:
        """Where field ``name`` begins. Raises KeyError."""
        return sum(f.width for f in self.fields[: self._index(name)])

    def _index(self, name: str) -> int:
        for index, field in enumerate(self.fields):
            if field.name == name:
                return index
        raise KeyError(f"{self.name} has no field {name!r}")

    def pack(self, values: Mapping[str, Any]) -> int:
        """Bits of ``values``; missing fields are 0. Raises ValueError on unknown or too large."""
        if unknown := set(values) - {f.name for f in self.fields}:
            raise ValueError(f"{self.name} has no field {sorted(unknown)}")
        bits = at = 0
        for field in self.fields:
            value = values.get(field.name, 0)
            if isinstance(field.shape, Format):
                raw = field.shape.pack(value or {})
            else:
                raw = int(value)
                if not field.least <= raw <= field.largest:
                    raise ValueError(
                        f"{self.name}.{field.name} is {raw}; it must be"
                        f" {field.least} to {field.largest}"
                    )
                raw &= (1 << field.width) - 1
            bits |= raw << at
            at += field.width
        return bits

    def unpack(self, bits: int) -> dict[str, Any]:
        """Inverse of :meth:`pack`, all fields present."""
        values: dict[str, Any] = {}
        for field in self.fields:
            raw = bits & ((1 << field.width) - 1)
            bits >>= field.width
            if isinstance(field.shape, Format):
                values[field.name] = field.shape.unpack(raw)
            else:
                if field.signed and raw >> (field.width - 1):
                    raw -= 1 << field.width
                values[field.name] = raw
        return values


HEADER = Format(
    "header",
    "Start of every command.",
    (
        Field("opcode", 4, "Which unit runs the command (Opcode)."),
        Field("tag", 12, "Index of the schedule's step, for logs and waves."),
        Field("wait_loads", 16, "LOADs that must have completed since the program's start."),
        Field("wait_execs", 16, "EXECs that must have completed."),
        Field("wait_stores", 16, "STOREs that must have completed."),
    ),
)

RASTER = Format(
    "raster",
    """Walk of P lanes over a map (docs/architecture.md, "Rasters"). Virtual positions run over rows
of ``pitch``; lane l of vector v stands at position v * P + l, (row, x) = divmod(position, pitch).
It reads map pixel (row * stride_h + ky * dilation_h - pad_top, x + kx * dilation_w - pad_left).
With ``phases`` there is a position for every other x: ``pitch``, ``step_x`` and ``span`` still
count map pixels, and the map's width is even. Finding the first vector's places takes P cycles,
which ``placed`` saves.""",
    (
        Field("height", 12, "Rows of the map read; outside them a lane sees pad_value."),
        Field("width", 12, "Pixels per row of the map read."),
        Field("kernel_h", 4, "Kernel rows."),
        Field("kernel_w", 4, "Kernel columns."),
        Field("dilation_h", 4, "Map rows between kernel rows."),
        Field("dilation_w", 4, "Map pixels between kernel columns."),
        Field("stride_h", 4, "Map rows between rows of positions."),
        Field("stride_w", 4, "A lane is kept when x is a multiple of it."),
        Field("pad_top", 9, "Rows of padding above the map (negative: rows skipped).", signed=True),
        Field("pad_left", 9, "Pixels of padding left of the map.", signed=True),
        Field("pad_value", 8, "What a lane sees outside the map.", signed=True),
        Field("pitch", 13, "Positions per row: width (rows joined) or a multiple of P."),
        Field("step_x", 13, "P mod pitch."),
        Field("step_y", 12, "(P div pitch) * stride_h: map rows a lane moves per vector."),
        Field("step_phase", 4, "step_x mod stride_w."),
        Field("wrap_phase", 4, "(step_x - pitch) mod stride_w."),
        Field("row_limit", 12, "A lane is kept when row * stride_h is below it: out_h * stride_h."),
        Field("span", 13, "A lane is kept when x is below it: (out_w - 1) * stride_w + 1."),
        Field("origin", 24, "Pixel address, relative to the map's first pixel in memory, that lane "
              "0 of vector 0 reads at tap 0: -pad_top * width - pad_left.", signed=True),
        Field("step_address", 24, "step_x + (P div pitch) * stride_h * width: pixels lane 0 moves "
              "per vector, before wrapping.", signed=True),
        Field("wrap_address", 24, "stride_h * width - pitch: added when lane 0 wraps.",
              signed=True),
        Field("tap_x_address", 13, "dilation_w: pixels between kernel columns."),
        Field("tap_y_address", 24, "dilation_h * width - (kernel_w - 1) * dilation_w: from the "
              "last tap of a kernel row to the first of the next.", signed=True),
        Field("vectors", 20, "Vectors per channel group: ceil(out_h * positions per row / P)."),
        Field("phases", 1, "1: the map is stored in phases, and each lane stands two pixels from "
              "its neighbour."),
        Field("placed", 1, "1: the lanes of a vector stand to one another as in this engine's "
              "raster before: pitch, strides and phases are the same."),
    ),
)  # fmt: skip

REQUANT = Format(
    "requant",
    "Accumulators to int8: clamp(((acc + bias) * M + half >> s) + zero, low, high), then a table.",
    (
        Field("zero", 8, "Output zero point.", signed=True),
        Field("low", 8, "Lower clamp.", signed=True),
        Field("high", 8, "Upper clamp; below ``low``: no clamp, the lowest 8 bits.", signed=True),
        Field("table", 1, "1: the result goes through the step's 256-entry table."),
        Field("pixels", 20, "Pixels kept per channel group."),
    ),
)

EXEC = Format(
    "exec",
    "One fused step: PE array, requantize, table, window engine, requantize, table, add, squeeze.",
    (
        Field("header", HEADER, "Opcode EXEC."),
        Field("array", 1, "1: the PE array makes the pixels. 0: they are copied from the feature "
              "memory into the ring (then window must be 1)."),
        Field("early", 1, "1: the PE array may begin while the EXEC before still writes, as it "
              "reads nothing of that (array must be 1)."),
        Field("window", 1, "1: pixels pass the ring and the window engine."),
        Field("window_op", 2, "WindowOp."),
        Field("add", 1, "1: the residual is added on the way out."),
        Field("squeeze", 1, "1: per-channel sums of the output are requantized into the vector."),
        Field("chained", 1, "1: pixels of the array, or of SCALE, go through adder and squeeze. 0: "
              "they go straight to the feature memory. What the window engine makes else always "
              "goes through both."),
        Field("write", 1, "1: the output pixels are written."),
        Field("groups", 12, "Output channel groups."),
        Field("table_bank", 2, "Which bank of the tables this step reads."),
        Field("in_row", 16, "Feature row of the input map."),
        Field("in_stride", 16, "Feature rows between its channel groups."),
        Field("in_groups", WORD_BITS, "Input channel groups per output group; 1 when array is 0."),
        Field("in_step", 12, "Input groups the window of in_groups moves by ..."),
        Field("in_repeat", 12, "... every so many output groups. Dense: in_step 0, in_repeat 1."),
        Field("in_raster", RASTER, "The array's walk over the input, or the copy's (kernel 1x1)."),
        Field("weight_words", WORD_BITS, "Weight words per output group: taps * in_groups."),
        Field("keep", 1, "1: the words stay where they are for EXECs to come."),
        Field("rewind", 1, "1: reads the kept words again, from the first one. Its WEIGHTS brings "
              "no words, nor do those of EXECs that read on from there."),
        Field("requant1", REQUANT, "After the PE array, and of WindowOp.SCALE."),
        Field("ring_rows", 16, "Rows the ring takes per channel group: ceil(pixels / P), even when "
              "its map is in phases."),
        Field("ring_raster", RASTER, "The window engine's walk over the ring's map."),
        Field("vector_zero", 8, "Zero point of the vector of WindowOp.SCALE.", signed=True),
        Field("requant2", REQUANT, "After the window engine, but for WindowOp.SCALE."),
        Field("residual_row", 16, "Feature row of the residual, or of SCALE's vector."),
        Field("residual_stride", 16, "Feature rows between its channel groups."),
        Field("add_multiplier_a", 18, "Of the chain's pixel.", signed=True),
        Field("add_multiplier_b", 18, "Of the residual's pixel.", signed=True),
        Field("add_offset", 32, "Rounding half and both zero points.", signed=True),
        Field("add_shift", 6, "Right shift of the sum."),
        Field("add_zero", 8, "Output zero point.", signed=True),
        Field("add_low", 8, "Lower clamp.", signed=True),
        Field("add_high", 8, "Upper clamp.", signed=True),
        Field("squeeze_row", 16, "Feature row of the vector the squeeze writes."),
        Field("squeeze_stride", 16, "Feature rows between its channel groups."),
        Field("squeeze_resume", 1, "1: the sums go on from those of the EXEC before, which made "
              "the band above. At most 32 groups of 65,536 pixels."),
        Field("squeeze_bias", 32, "Minus pixels times the input zero point.", signed=True),
        Field("squeeze_multiplier", 18, "Includes 1 / pixels.", signed=True),
        Field("squeeze_shift", 6, "Right shift; 0: the sums as they are, byte k of each in the "
              "row's pixel k, 0 to 3 (P at least 4)."),
        Field("squeeze_zero", 8, "Output zero point.", signed=True),
        Field("out_row", 16, "Feature row of the output map."),
        Field("out_stride", 16, "Feature rows between its channel groups."),
        Field("out_pixels", 20, "Output pixels per channel group."),
        Field("out_rows", 16, "Rows written per channel group: ceil(out_pixels / P), even when "
              "out_phases; when woven, writes."),
        Field("out_phases", 1, "1: the output map is stored in phases."),
        Field("woven", 1, "1: the pixels are every other column of the output map, which other "
              "EXECs complete (array 1, window and chained 0, P at least 2)."),
        Field("woven_odd", 1, "1: they are its odd columns."),
        Field("woven_pieces", 1, "1: a write is of a piece of a row (limits.piece_pixels). 0: of a "
              "row."),
        Field("woven_line", 12, "Pieces of an output line, when the pixels are every other line as "
              "well; 0: they are of all lines."),
        Field("woven_second", 1, "1: those lines are the odd ones."),
    ),
)  # fmt: skip

#: Fields of EXEC that the array's reader goes by: it may be a step ahead of everything after it.
FRONT = (
    "array", "early", "groups", "in_row", "in_stride", "in_groups", "in_step", "in_repeat",
    "in_raster", "weight_words", "keep", "rewind",
)  # fmt: skip

WEIGHTS = Format(
    "weights",
    """One step's weight stream, a contiguous run of beats: `[table 1][table 2]`, then per output
group `[parameters 1][parameters 2][taps][weight words]`.""",
    (
        Field("header", HEADER, "Opcode WEIGHTS."),
        Field("offset", 32, "Bytes from the image's base; a multiple of 16."),
        Field("beats", 24, "Beats of 16 bytes in all."),
        Field("groups", 12, "Output channel groups."),
        Field("table1", 1, "1: a table for requant1 leads (256 bytes)."),
        Field("table2", 1, "1: a table for requant2 follows (256 bytes)."),
        Field("table_bank", 2, "Bank of the tables that is written."),
        Field("params1", 1, "1: each group has parameters for requant1 (lanes x 8 bytes)."),
        Field("params2", 1, "1: each group has parameters for requant2 (lanes x 8 bytes)."),
        Field("tap_beats", 12, "Beats of window taps per group: ceil(taps * lanes / 16)."),
        Field("taps", 12, "Window taps per group; 0 for MAX and SCALE."),
        Field("weight_words", WORD_BITS, "Weight words of lanes * lanes bytes per group."),
        Field(
            "parked",
            1,
            "1: the run comes from the feature memory, by STOREs with weights set; "
            "the rest of the last row is dropped. offset and beats mean nothing.",
        ),
    ),
)

CHANNEL_PARAM = Format(
    "channel_param",
    """Parameters of one output channel in a weight stream, 8 bytes: (acc + bias) * multiplier, to
be shifted right by `shift`.""",
    (
        Field("bias", 32, "Added to the accumulator.", signed=True),
        Field("multiplier", 17, "Of their sum."),
        Field("shift", 6, "Right shift, 1 to 47."),
        Field("unused", 9, "Zeros."),
    ),
)

_TRANSFER = (
    Field("offset", 32, "Bytes from the image's base of the first row."),
    Field("stride", 32, "Bytes between channel groups in DDR."),
    Field("row", 16, "First feature row."),
    Field("row_stride", 16, "Feature rows between channel groups."),
    Field("groups", 12, "Channel groups."),
    Field("rows", 16, "Feature rows per channel group; contiguous in both memories."),
)

LOAD = Format(
    "load", "DDR to feature memory.", (Field("header", HEADER, "Opcode LOAD."), *_TRANSFER)
)

STORE = Format(
    "store",
    "Feature memory to DDR, or to the weight loader.",
    (
        Field("header", HEADER, "Opcode STORE."),
        *_TRANSFER,
        Field("weights", 1, "1: the rows are parked weights and go to the weight loader; offset "
              "and stride mean nothing."),
    ),
)  # fmt: skip

FORMATS = {
    Opcode.EXEC: EXEC,
    Opcode.WEIGHTS: WEIGHTS,
    Opcode.LOAD: LOAD,
    Opcode.STORE: STORE,
}


def command_beats(opcode: Opcode) -> int:
    """Beats of 16 bytes of a command; END is a header."""
    fmt = FORMATS.get(opcode, HEADER)
    return -(-fmt.width // _BEAT_BITS)
