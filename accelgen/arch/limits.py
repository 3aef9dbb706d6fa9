"""What the hardware holds and how far its units run ahead, where that is no knob.

RTL builds it, the functional simulator and the estimator go by it, the compiler plans with it;
benches see it on the RTL. Widths of fields are isa's: ``Format.largest`` says what one can hold.
"""

from __future__ import annotations

__all__ = [
    "ADDER_QUEUE_BEATS",
    "EXECS_AHEAD",
    "FETCH_AHEAD",
    "PARAM_GROUPS_HELD",
    "PARAM_GROUPS_WAITING",
    "RUNS_AHEAD",
    "SIDE_BEATS",
    "SQUEEZE_GROUPS",
    "SQUEEZE_LIMIT",
    "SQUEEZE_PIXELS",
    "SUM_BYTES",
    "TABLE_BANKS",
    "TABLE_BYTES",
    "UNIT_QUEUE",
    "WEIGHTS_AHEAD",
    "piece_pixels",
]

# Commands.

#: Bursts of commands that the fetch reads ahead of their dispatch.
FETCH_AHEAD = 4
#: Commands that the queue of each unit holds; the dispatch waits for a place in it.
UNIT_QUEUE = 16
#: EXECs in their queue for which the fetch pauses.
EXECS_AHEAD = 2

# Transfers and weights.

#: LOADs whose runs are asked for before the first's have come; STOREs that wait for responses.
RUNS_AHEAD = 4
#: WEIGHTS whose beats are asked for before the first's have been routed.
WEIGHTS_AHEAD = 4
#: Beats of parameters, and of taps, that may wait for their engine while weights go past.
SIDE_BEATS = 32
#: Output groups whose parameters a requantizer holds (in use, and coming), and that wait before it.
PARAM_GROUPS_HELD = 2
PARAM_GROUPS_WAITING = 2

# Tables and sums.

#: Beats that wait for the adder.
ADDER_QUEUE_BEATS = 2
#: An activation table: a byte for each int8.
TABLE_BYTES = 256
#: Banks of the activation tables: a step's is written while those before it still run.
TABLE_BANKS = 4
#: Channel groups whose sums the squeeze can take over from the EXEC before, and most pixels of a
#: group then; and ever.
SQUEEZE_GROUPS = 32
SQUEEZE_PIXELS = 65536
SQUEEZE_LIMIT = 262144
#: Of a sum that leaves the PL as it is: an int32. Those of a squeeze take a pixel each.
SUM_BYTES = 4

# Maps that are woven.


def piece_pixels(pixels: int) -> int:
    """Of a row of ``pixels`` (at least 2), those that a woven EXEC writes at a time where lines
    are no whole rows, half of them its own: half a row, or a pair. Smaller ones keep the row port
    from all others where a strand has few weights."""
    return max(2, pixels // 2)
