"""Blocks of the hardware with the sizes that a configuration gives them where they are used."""

from typing import Any

from accelgen.arch import ArchParams
from accelgen.rtl import layouts
from accelgen.rtl.array.array_reader import ArrayReader
from accelgen.rtl.array.pe_array import PeArray
from accelgen.rtl.control.weight_loader import WeightLoader
from accelgen.rtl.datapath import blocks_of
from accelgen.rtl.memory.block_ring import WeightRing
from accelgen.rtl.memory.feature_memory import FeatureMemory
from accelgen.rtl.output.adder import Adder
from accelgen.rtl.output.feature_writer import FeatureWriter
from accelgen.rtl.output.row_assembler import RowAssembler
from accelgen.rtl.output.row_cutter import RowCutter
from accelgen.rtl.output.squeeze import Squeeze
from accelgen.rtl.requantize.acc_join import AccJoin
from accelgen.rtl.requantize.acc_queue import AccQueue
from accelgen.rtl.requantize.requantizer import Requantizer
from accelgen.rtl.transfer.dma_read import DmaRead
from accelgen.rtl.transfer.dma_write import DmaWrite
from accelgen.rtl.transfer.load_unit import LoadUnit
from accelgen.rtl.transfer.store_unit import StoreUnit
from accelgen.rtl.window.window_lanes import WindowLanes
from accelgen.rtl.window.window_reader import WindowReader
from accelgen.rtl.window.window_ring import WindowRing

__all__ = [
    "acc_join", "acc_queue", "accumulator_beat", "adder", "array_reader", "dma_read", "dma_write",
    "feature_memory", "feature_writer", "load_unit", "pe_array", "requantizer", "row_assembler",
    "row_cutter", "squeeze", "store_unit", "weight_loader", "weight_ring", "window_lanes",
    "window_reader", "window_ring",
]  # fmt: skip


def accumulator_beat(arch: ArchParams, width: int | None = None):
    """A beat of ``width`` pixels, W if not said."""
    turns = blocks_of(arch).clocking.turns
    return layouts.accumulator_beat(
        arch.lanes, width or arch.chain_pixels, arch.acc_bits, turns=turns
    )


def acc_queue(arch: ArchParams) -> AccQueue:
    return blocks_of(arch).queue(
        lanes=arch.lanes, pixels=arch.pixels, acc_bits=arch.acc_bits, depth=arch.acc_depth,
        width=arch.chain_pixels, wide_width=arch.array_width, tagged=True,
    )  # fmt: skip


def acc_join(arch: ArchParams) -> AccJoin:
    return AccJoin(**_beats(arch))


def requantizer(arch: ArchParams) -> Requantizer:
    return Requantizer(**_beats(arch))


def window_lanes(arch: ArchParams) -> WindowLanes:
    return blocks_of(arch).lanes(
        lanes=arch.lanes, pixels=arch.window_width, acc_bits=arch.acc_bits, packed=arch.packed,
        taps=arch.window_taps,
    )  # fmt: skip


def window_ring(arch: ArchParams) -> WindowRing:
    return WindowRing(
        lanes=arch.lanes, row=arch.pixels, pixels=arch.window_width, depth=arch.ring_rows,
        taps=arch.window_taps,
    )  # fmt: skip


def window_reader(arch: ArchParams) -> WindowReader:
    return WindowReader(
        lanes=arch.lanes,
        row=arch.pixels,
        pixels=arch.window_width,
        tap_words=arch.tap_words,
        vectors=arch.acc_depth,
        taps=arch.window_taps,
    )


def adder(arch: ArchParams) -> Adder:
    return Adder(
        **_rows(arch), width=arch.chain_pixels, clocking=blocks_of(arch).clocking,
        in_luts=arch.adder_in == "lut",
    )  # fmt: skip


def row_assembler(arch: ArchParams) -> RowAssembler:
    return RowAssembler(**_rows(arch), width=arch.chain_pixels)


def row_cutter(arch: ArchParams) -> RowCutter:
    return RowCutter(**_rows(arch), width=arch.chain_pixels)


def squeeze(arch: ArchParams) -> Squeeze:
    return Squeeze(**_rows(arch), width=arch.chain_pixels)


def feature_writer(arch: ArchParams) -> FeatureWriter:
    return FeatureWriter(**_rows(arch))


def pe_array(arch: ArchParams) -> PeArray:
    return PeArray(
        lanes=arch.lanes, pixels=arch.pixels, acc_bits=arch.acc_bits, packed=arch.packed,
        clocking=blocks_of(arch).clocking,
    )  # fmt: skip


def array_reader(arch: ArchParams) -> ArrayReader:
    return ArrayReader(lanes=arch.lanes, pixels=arch.pixels, vectors=arch.acc_depth)


def weight_ring(arch: ArchParams) -> WeightRing:
    return WeightRing(lanes=arch.lanes, pixels=arch.pixels, depth=arch.weight_words)


def feature_memory(arch: ArchParams) -> FeatureMemory:
    return FeatureMemory(**_rows(arch), depth=arch.feature_rows)


def load_unit(arch: ArchParams) -> LoadUnit:
    return LoadUnit(**_rows(arch))


def store_unit(arch: ArchParams) -> StoreUnit:
    return StoreUnit(**_rows(arch))


def dma_read(arch: ArchParams, *, queued: bool = True) -> DmaRead:
    return DmaRead(**_bursts(arch), queued=queued)


def dma_write(arch: ArchParams) -> DmaWrite:
    return DmaWrite(**_bursts(arch))


def weight_loader(arch: ArchParams) -> WeightLoader:
    return WeightLoader(**_rows(arch), **_bursts(arch))


def _rows(arch: ArchParams) -> dict[str, Any]:
    return {"lanes": arch.lanes, "row": arch.pixels}


def _beats(arch: ArchParams) -> dict[str, Any]:
    return {
        "lanes": arch.lanes, "width": arch.chain_pixels, "acc_bits": arch.acc_bits,
        "clocking": blocks_of(arch).clocking,
    }  # fmt: skip


def _bursts(arch: ArchParams) -> dict[str, Any]:
    return {"burst_beats": arch.burst_beats, "outstanding": arch.outstanding}
