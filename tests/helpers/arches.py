"""Configurations that several tests share, by name."""

from dataclasses import replace

from accelgen.arch import ArchParams
from accelgen.arch.presets import PRESETS

__all__ = ["BENCH", "DOUBLE", "DOUBLE_PAIRS", "LARGE", "PAIRS", "SCANT", "SMALL", "TIGHT"]

#: 4 lanes, 4 pixels, and room for the weights of random nets.
SMALL = replace(PRESETS["small"], weight_words=4096)
#: 8 lanes, 8 pixels, wide accumulators: random weights are larger than trained ones.
LARGE = replace(PRESETS["ultra96"], acc_bits=32)
#: 8 x 8 channels, 8 pixels, multipliers at twice the clock, memory for a few maps; more pixels
#: after the array than after the window engine.
DOUBLE = ArchParams(
    pe_mode="double", chain_pixels=4, drain_pixels=8, feature_rows=800, ring_rows=256
)
#: The same with two taps of the window engine per cycle and the adder in LUTs, and its small
#: sibling, with two taps.
DOUBLE_PAIRS = replace(DOUBLE, window_taps=2, adder_in="lut")
PAIRS = replace(SMALL, window_taps=2)
#: Every queue as short as it may be, and as many pixels after the accumulators as before them.
TIGHT = ArchParams(
    lanes=8, pixels=4, chain_pixels=4, pe_mode="packed", feature_rows=1600, ring_rows=512,
    acc_depth=4, burst_beats=4, outstanding=2,
)  # fmt: skip
#: Too little memory for most networks: what does not fit must be refused.
SCANT = replace(PRESETS["small"], feature_rows=64, weight_words=32, tap_words=16, ring_rows=4)
#: 4 lanes, 4 pixels, a product per multiplier: benches of blocks that only ask for sizes.
BENCH = ArchParams(lanes=4, pixels=4, chain_pixels=1, pe_mode="single")
