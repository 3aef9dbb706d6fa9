"""``--preset naive``: the accelerator that a team builds first, and that disappoints on the board.

It is scheduled, priced, simulated and built like any other configuration; no formula stands in for
it. What makes it slow is only what is named here and what the processor's model says
(docs/ps.md: sources of each parameter). Nothing was chosen by what comes out.

- *Clock*: ``CLOCK_MHZ``, that of the design whose story is told in docs/ps.md; also what published
  block designs of this family begin with (BNN-PYNQ, ``zcu104.tcl``: PL0_REF_CTRL__FREQMHZ 100).
- *Array*: the board's own with one clock (:func:`~accelgen.arch.single_clock`). On the Ultra96 that
  is 512 MAC per cycle in 256 DSP48E2, two products each (Xilinx WP486): at the board's 300 MHz 154
  GMAC/s, which is what the 80 frames take that were expected of EfficientNet-B4 (1.83 GMAC).
- *No fusion*: each layer, with its activation, is a step of its own; its input comes from DDR, its
  output goes there. No map stays in the feature memory, no weights are parked. Within a layer
  tiles are loaded, computed and stored side by side: the engines are the same.
- *Processor*: the fully connected layers at the end and every squeeze-and-excite block, as
  ``--fc-on ps --se-on ps``: a crossing each way per block.
- *Memory*: the board's (board.toml: bandwidth and latency with their sources).
"""

from __future__ import annotations

from accelgen.arch import ArchParams, single_clock
from accelgen.boards import Board

__all__ = ["CLOCK_MHZ", "NAME", "first_array"]

#: What ``--preset`` calls it.
NAME = "naive"
#: Of the fabric, unless another is given.
CLOCK_MHZ = 100.0


def first_array(board: Board) -> ArchParams:
    """The hardware's knobs on ``board``."""
    return single_clock(board.arch)
