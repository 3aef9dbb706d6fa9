"""Blocks of the hardware with the sizes that a configuration gives them where they are used."""

from accelgen.arch import ArchParams
from accelgen.rtl import layouts
from accelgen.rtl.output.adder import Adder
from accelgen.rtl.output.row_assembler import RowAssembler
from accelgen.rtl.output.row_cutter import RowCutter
from accelgen.rtl.requantize.acc_join import AccJoin
from accelgen.rtl.requantize.acc_queue import AccQueue
from accelgen.rtl.requantize.requantizer import Requantizer
from accelgen.rtl.window.window_lanes import WindowLanes
from accelgen.rtl.window.window_reader import WindowReader
from accelgen.rtl.window.window_ring import WindowRing

__all__ = [
    "acc_join", "acc_queue", "accumulator_beat", "adder", "requantizer", "row_assembler",
    "row_cutter", "window_lanes", "window_reader", "window_ring",
]  # fmt: skip


def accumulator_beat(arch: ArchParams, width: int | None = None):
    """A beat of ``width`` pixels, W if not said."""
    return layouts.accumulator_beat(
        arch.lanes, width or arch.chain_pixels, arch.acc_bits, pumped=arch.pumped
    )


def acc_queue(arch: ArchParams) -> AccQueue:
    return AccQueue(
        lanes=arch.lanes, pixels=arch.pixels, acc_bits=arch.acc_bits, depth=arch.acc_depth,
        width=arch.chain_pixels, wide_width=arch.array_width, pumped=arch.pumped, tagged=True,
    )  # fmt: skip


def acc_join(arch: ArchParams) -> AccJoin:
    return AccJoin(
        lanes=arch.lanes, width=arch.chain_pixels, acc_bits=arch.acc_bits, pumped=arch.pumped
    )


def requantizer(arch: ArchParams) -> Requantizer:
    return Requantizer(
        lanes=arch.lanes, width=arch.chain_pixels, acc_bits=arch.acc_bits, pumped=arch.pumped
    )


def window_lanes(arch: ArchParams) -> WindowLanes:
    return WindowLanes(
        lanes=arch.lanes, pixels=arch.window_width, acc_bits=arch.acc_bits, shared=arch.pe_pixels
    )


def window_ring(arch: ArchParams) -> WindowRing:
    return WindowRing(
        lanes=arch.lanes, row=arch.pixels, pixels=arch.window_width, depth=arch.ring_rows
    )


def window_reader(arch: ArchParams) -> WindowReader:
    return WindowReader(
        lanes=arch.lanes,
        row=arch.pixels,
        pixels=arch.window_width,
        tap_words=arch.tap_words,
        vectors=arch.acc_depth,
    )


def adder(arch: ArchParams) -> Adder:
    return Adder(**_rows(arch), pumped=arch.pumped)


def row_assembler(arch: ArchParams) -> RowAssembler:
    return RowAssembler(**_rows(arch))


def row_cutter(arch: ArchParams) -> RowCutter:
    return RowCutter(**_rows(arch))


def _rows(arch: ArchParams) -> dict[str, int]:
    return {"lanes": arch.lanes, "row": arch.pixels, "width": arch.chain_pixels}
