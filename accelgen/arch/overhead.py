"""What control costs beside the engines' own work, in fabric cycles. Fitted to the simulated RTL.

``timing.py`` holds what single blocks promise and their benches assert; here is what their sum
costs between commands. The estimator adds these; a test holds the frame within its band.
"""

from __future__ import annotations

from accelgen.arch import timing
from accelgen.arch.params import ArchParams

__all__ = [
    "BURST_CYCLES",
    "DISPATCH_CYCLES",
    "FRONT_LATCH_CYCLES",
    "LOAD_HEAD_CYCLES",
    "LOAD_TAIL_CYCLES",
    "PROGRAM_END_CYCLES",
    "PROGRAM_START_CYCLES",
    "READ_TURN_CYCLES",
    "RUN_CYCLES",
    "STEP_END_CYCLES",
    "STEP_LATCH_CYCLES",
    "STEP_NEXT_CYCLES",
    "STORE_HEAD_CYCLES",
    "STORE_NEXT_CYCLES",
    "WRITE_TURN_CYCLES",
    "behind_cycles",
    "chain_cycles",
    "ring_cycles",
    "ring_walk_cycles",
    "step_end_cycles",
    "walk_cycles",
]

#: Control register written to the first command requested.
PROGRAM_START_CYCLES = 8
#: The last unit idle to the done bit.
PROGRAM_END_CYCLES = 8
#: A command's last beat to its place at the head of a unit's queue.
DISPATCH_CYCLES = 3
#: Between two bursts of a run, and between two runs besides (rtl/transfer/bursts.py).
BURST_CYCLES, RUN_CYCLES = 2, 1
#: A burst's last beat, or a write's response, to the address of the one that takes its place
#: (tests/rtl/transfer).
READ_TURN_CYCLES, WRITE_TURN_CYCLES = 3, 3
#: A LOAD whose waits are over to its first address; its last beat to its count.
LOAD_HEAD_CYCLES, LOAD_TAIL_CYCLES = 5, 9
#: A STORE's start to its first beat on the bus; the same right after another's last beat.
STORE_HEAD_CYCLES, STORE_NEXT_CYCLES = 16, 10
#: The last row of a step written to the step's count.
STEP_END_CYCLES = 4
#: A step passed on, to the array's reader or to all after it, to its start.
FRONT_LATCH_CYCLES, STEP_LATCH_CYCLES = 1, 2
#: The last count that a step waits for to its first beat, when its walk is ready.
STEP_NEXT_CYCLES = 3


def chain_cycles(pumped: bool) -> int:
    """Accumulators of a vector through queue, requantizer and assembler to a row on its way."""
    return 1 + timing.requantize_latency(pumped)


def walk_cycles(pixels: int, *, placed: bool) -> int:
    """A step passed on to the reader to the first beat it may issue: latch, raster set-up."""
    return FRONT_LATCH_CYCLES + timing.raster_setup(pixels, placed=placed)


def ring_walk_cycles(pixels: int, *, placed: bool) -> int:
    """The same of the window engine's reader, which gets the step with all others."""
    return STEP_LATCH_CYCLES + timing.raster_setup(pixels, placed=placed)


def behind_cycles(pixels: int, *, placed: bool) -> int:
    """Between two steps' beats when nothing waits: the second's walk begins after the first's."""
    places = timing.raster_setup(pixels) - timing.raster_setup(pixels, placed=True)
    return timing.RASTER_SWITCH + (0 if placed else places)


def step_end_cycles(arch: ArchParams, *, window: bool, add: bool, squeeze: bool) -> int:
    """A step's last vector issued by its last engine to the step's count."""
    cycles = chain_cycles(arch.pumped) + STEP_END_CYCLES
    engine = timing.pe_array_latency(arch.lanes, arch.pumped)
    lanes = timing.window_lanes_latency(arch.pumped, arch.window_taps)
    cycles += lanes if window else engine
    cycles += timing.add_latency(arch.pumped) - timing.PASS_LATENCY if add else 0
    return cycles + (timing.squeeze_interval(arch.lanes) if squeeze else 0)


def ring_cycles(arch: ArchParams, *, array: bool) -> int:
    """A row's vector issued in front to the window engine's first use of it."""
    engine = timing.pe_array_latency(arch.lanes, arch.pumped)
    through = engine + chain_cycles(arch.pumped) if array else 0
    return through + timing.WINDOW_PREPARE + timing.window_read_latency(arch.window_width)
