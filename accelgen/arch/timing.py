"""Cycle contracts: RTL is built to them, benches assert them, the estimator sums them.

A latency of n: what is presented in cycle t (a request, or a stream's transfer) has its answer on
the outputs in cycle t + n.
"""

from __future__ import annotations

__all__ = [
    "FEATURE_READ_LATENCY",
    "PASS_LATENCY",
    "RASTER_LATENCY",
    "RASTER_SWITCH",
    "ROW_LATENCY",
    "WINDOW_PREPARE",
    "add_interval",
    "add_latency",
    "array_read_latency",
    "credit_turn",
    "pe_array_latency",
    "raster_setup",
    "requantize_latency",
    "run_latency",
    "squeeze_interval",
    "window_lanes_latency",
    "window_read_latency",
]

# Memories.

#: PixelMemory's row port: address to data.
ROW_LATENCY = 2
#: FeatureMemory: an accepted row read to its data (the arbiter is registered).
FEATURE_READ_LATENCY = ROW_LATENCY + 1


def run_latency(pixels: int) -> int:
    """PixelMemory's run port: address register, RAM, its output register, rotator stages of 4:1."""
    rotator_stages = ((pixels - 1).bit_length() + 1) // 2
    return 3 + rotator_stages


# Rasters and readers.

#: Raster: loop state to beat at the output, when nothing waits.
RASTER_LATENCY = 6
#: Raster: cycles without a beat between two walks, when the second is ready and nothing waits.
RASTER_SWITCH = 4


def raster_setup(pixels: int, *, placed: bool = False) -> int:
    """Raster: ``start`` to the first beat at its output; input groups that move take longer."""
    return (2 if placed else pixels + 3) + RASTER_LATENCY


def array_read_latency(pixels: int) -> int:
    """ArrayReader: issue of a beat to its operands: two address adders, run port, a register."""
    return 2 + run_latency(pixels) + 1


#: WindowReader: a beat at the raster's output to its issue, when nothing waits.
WINDOW_PREPARE = 4


def window_read_latency(pixels: int) -> int:
    """WindowReader: issue of a beat to its operands: row register, run port."""
    return 1 + run_latency(pixels)


# Engines.

#: Adder: a beat that passes (add = 0).
PASS_LATENCY = 2


def window_lanes_latency(pumped: bool, taps: int = 1) -> int:
    """WindowLanes: a vector's last beat to its accumulators: offsets, multiply (4), accumulate.

    Double-pumped: offsets, to the fast clock and through the multiplier (3), to the adder. Two
    taps: the larger of both, and a second multiplier, which the fast clock has time for.
    """
    own = 5 if pumped else 6
    return own if taps == 1 else own + (1 if pumped else 2)


def requantize_latency(pumped: bool) -> int:
    """Requantizer: a beat of accumulators to its pixels: lane 10, table 3, packer 2, queue 2.

    Double-pumped, the lane takes 6 with the accumulators' way out of their queue.
    """
    return 13 if pumped else 17


def add_latency(pumped: bool) -> int:
    """Adder: a beat of pixels to their sums with the residual: lane 11, queue 2.

    Double-pumped, the lane takes 9 with both changes of clock, and the upper pixels come after
    the lower.
    """
    return 11 if pumped else 13


def add_interval(pumped: bool) -> int:
    """Adder: cycles from one beat that adds to the next. Double-pumped, four sums share a lane."""
    return 2 if pumped else 1


def pe_array_latency(lanes: int, pumped: bool) -> int:
    """PeArray: a vector's last beat to its accumulators: pack, multiply (2), sums, accumulate.

    Double-pumped, the operands' change of clock, products and sums take half as long, and nothing
    comes back.
    """
    return lanes // 2 + 3 if pumped else lanes + 4


def credit_turn(lanes: int, pixels: int, pumped: bool) -> int:
    """ArrayReader: a credit spent on a vector of one beat until it is there again, when nothing
    waits: to the operands, to the accumulators, through their queue (3), back (2)."""
    return array_read_latency(pixels) + pe_array_latency(lanes, pumped) + 5


def squeeze_interval(lanes: int) -> int:
    """Squeeze: least cycles from one group's last beat to the next group's."""
    return lanes + 15
