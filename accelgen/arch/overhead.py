"""What control costs beside the engines' own work, in fabric cycles. Fitted to the simulated RTL.

``timing.py`` holds what single blocks promise and their benches assert; here is what their sum
costs between commands. The estimator adds these; a test holds the frame within its band.
"""

from __future__ import annotations

from accelgen.arch import timing

__all__ = [
    "DISPATCH_CYCLES",
    "LOAD_TAIL_CYCLES",
    "PROGRAM_END_CYCLES",
    "PROGRAM_START_CYCLES",
    "STEP_END_CYCLES",
    "STORE_HEAD_CYCLES",
    "step_start_cycles",
]

#: Control register written to the first command requested.
PROGRAM_START_CYCLES = 8
#: The last unit idle to the done bit.
PROGRAM_END_CYCLES = 8
#: A command of 16 beats through the dispatcher.
DISPATCH_CYCLES = 16
#: A LOAD's last beat to its count.
LOAD_TAIL_CYCLES = 8
#: A STORE's start to its first beat on the bus.
STORE_HEAD_CYCLES = 16
#: A step's last vector to its count: accumulators, requantizer, packer, assembler, writer.
STEP_END_CYCLES = 40


def step_start_cycles(pixels: int) -> int:
    """A step's last count reached to its first vector: gate, latch, raster set-up, reader."""
    return 4 + timing.raster_setup(pixels) + timing.array_read_latency(pixels)
