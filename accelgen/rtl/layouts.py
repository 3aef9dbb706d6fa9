"""Shapes of everything that crosses a block boundary inside the accelerator."""

from __future__ import annotations

from amaranth import Cat, Value, signed, unsigned
from amaranth.lib import data

from accelgen.arch import ArchParams, isa, limits
from accelgen.arch.registers import CAUSES

__all__ = [
    "TAG_BITS", "accumulator_beat", "accumulators", "array_operands", "beat", "channel_param",
    "dma_request", "fault", "fields", "front", "image_address", "pixel", "pixels",
    "raster_beat", "row_choice", "row_write", "table_write", "tap", "weight_word",
    "window_operands",
]  # fmt: skip

#: Steps are told apart modulo four: what is left of the one before, the one at work, the next.
TAG_BITS = 2


def fields(fmt: isa.Format) -> data.StructLayout:
    """A command format as a struct, bit for bit what ``Format.pack`` makes."""
    return data.StructLayout({
        f.name: fields(f.shape)
        if isinstance(f.shape, isa.Format)
        else (signed(f.width) if f.signed else unsigned(f.width))
        for f in fmt.fields
    })


def front() -> data.StructLayout:
    """What the array's reader has of a step (isa.FRONT)."""
    step = fields(isa.EXEC)
    return data.StructLayout({name: step[name].shape for name in isa.FRONT})


def pixel(lanes: int) -> data.ArrayLayout:
    """One pixel of one channel group: C activations. One word of a pixel memory."""
    return data.ArrayLayout(signed(8), lanes)


def pixels(lanes: int, count: int) -> data.ArrayLayout:
    """Pixels side by side: a run, or what moves per cycle after the accumulators."""
    return data.ArrayLayout(pixel(lanes), count)


def row_write(lanes: int, row: int) -> data.StructLayout:
    """A row of ``row`` pixels and the feature row it goes to; ``phases``: its upper half to the
    other of the pair."""
    return data.StructLayout({"row": 16, "data": pixels(lanes, row), "phases": 1})


def row_choice(lanes: int, row: int) -> data.StructLayout:
    """A row_write before it is chosen where the row comes from: ``straight`` or ``data``; of its
    pixels those in ``mask`` are written."""
    return data.StructLayout({
        "write": row_write(lanes, row),
        "straight": pixels(lanes, row),
        "from_straight": 1,
        "mask": row,
    })


def beat() -> data.ArrayLayout:
    """One beat of the AXI data bus: 16 bytes, the lowest address first."""
    return data.ArrayLayout(unsigned(8), ArchParams.BUS_BYTES)


def dma_request() -> data.StructLayout:
    """A contiguous run of ``beats`` bus beats from byte ``offset`` of the image on, a multiple of
    16."""
    return data.StructLayout({"offset": 32, "beats": 24})


def image_address(base: Value, offset: Value) -> Value:
    """Of byte ``offset`` of the image at ``base``, which is a multiple of 4,096."""
    return Cat(offset[:12], (base[12:] + offset[12:])[: len(base) - 12])


def fault() -> data.StructLayout:
    """Report of a fault of an AXI master: its number in CAUSES, and where in the image it was."""
    numbers = [number for number, _ in CAUSES.values()]
    return data.StructLayout({"valid": 1, "cause": range(max(numbers) + 1), "offset": 32})


def weight_word(lanes: int) -> data.ArrayLayout:
    """Weights of one tap: ``[output lane][input lane]``, bytes, input lane fastest."""
    return data.ArrayLayout(data.ArrayLayout(signed(8), lanes), lanes)


def tap(lanes: int) -> data.ArrayLayout:
    """Weights of one window tap, per channel. 9 bits: SCALE's s - s_zero reaches 255."""
    return data.ArrayLayout(signed(9), lanes)


def channel_param() -> data.StructLayout:
    """Requantize parameters of one channel (isa.CHANNEL_PARAM), 8 bytes in DDR, little-endian."""
    return fields(isa.CHANNEL_PARAM)


def table_write() -> data.StructLayout:
    """One beat of a table: bytes ``16 * index`` on, of bank ``bank``."""
    return data.StructLayout({
        "bank": range(limits.TABLE_BANKS),
        "index": range(limits.TABLE_BYTES // ArchParams.BUS_BYTES),
        "data": beat(),
    })


def raster_beat(pixels: int, row: int) -> data.StructLayout:
    """One step of a raster walk: one run of ``pixels`` in rows of ``row``, one tap, one input
    group."""
    return data.StructLayout({
        "row": signed(25),  # where lane 0 reads, from the map's first row
        "bank": max(1, (row - 1).bit_length()),
        "group_rows": unsigned(18),  # rows from the first channel group to the one to read
        "past_row": 1,  # lane 0 is right of the map; later vectors may read below its address
        "inside": pixels,  # lane sees the map (else pad_value)
        "keep": pixels,  # lane's result is a pixel of the output
        "first": 1,  # first tap and input group of its vector
        "last": 1,  # last tap and input group of its vector
        "first_vector": 1,  # of its channel group
        "last_vector": 1,  # of its channel group
        "end": 1,  # last beat of the walk
    })


def array_operands(lanes: int, width: int) -> data.StructLayout:
    """What the PE array takes per cycle: ``width`` pixels. An activation is what is in
    ``activations`` or, where that is 0, in its pixel's ``pads``."""
    return data.StructLayout({
        "activations": pixels(lanes, width),
        "pads": data.ArrayLayout(signed(8), width),
        "weights": weight_word(lanes),
        "first": 1,
        "last": 1,
        "keep": width,
        "tag": TAG_BITS,
    })


def window_operands(lanes: int, width: int, *, taps: int = 1) -> data.StructLayout:
    """What the window engine takes per cycle. An activation is what is in ``activations`` plus its
    pixel's offset, 9 bits: SCALE's x - x_zero reaches 255. With two ``taps``, ``second`` has the
    same of the second."""
    tapped = {
        "activations": pixels(lanes, width),
        "offsets": data.ArrayLayout(signed(9), width),
        "weights": tap(lanes),
    }
    members = {**tapped, "first": 1, "last": 1, "keep": width}
    if taps > 1:
        members["second"] = data.StructLayout(tapped)
    return data.StructLayout(members)


def accumulators(lanes: int, width: int, acc_bits: int, *, turns: int = 1) -> data.StructLayout:
    """A finished vector: ``width`` x C accumulators, which lanes are pixels of the output, and its
    step's tag.

    With two ``turns``, ``acc`` is in the fast domain: half of them in fast cycle 2t + 1, the others
    in 2t + 2 (dsp/double_pump.py, ``pixels``), where t is the fabric cycle of the vector.
    """
    members = _accumulators(lanes, width, acc_bits, turns)
    return data.StructLayout({**members, "tag": TAG_BITS})


def accumulator_beat(lanes: int, width: int, acc_bits: int, *, turns: int = 1) -> data.StructLayout:
    """``width`` pixels of a finished vector, on their way to the requantizer.

    With two ``turns``, ``acc`` is in the fast domain: half of them in fast cycle 2t + 3, the others
    in 2t + 4 (``pixels``), where t is the fabric cycle in which the beat is taken.
    """
    members = _accumulators(lanes, width, acc_bits, turns)
    return data.StructLayout({**members, "kept": range(width + 1)})  # how many lanes are kept


def _accumulators(lanes: int, width: int, acc_bits: int, turns: int) -> dict[str, object]:
    acc = data.ArrayLayout(signed(acc_bits), lanes)
    return {"acc": data.ArrayLayout(acc, width // turns), "keep": width}
