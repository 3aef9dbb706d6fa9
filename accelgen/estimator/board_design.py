"""What the block design takes besides the accelerator: interconnect, converters, resets, clocks.

Yosys maps the accelerator alone, so its figures (``python -m accelgen.synthesis``) are without
these; ``fits`` is about the whole. Clocks take MMCM and global buffers, no LUT.

None of it is measured here. PG247 and PG164 leave numbers to reports that are not public. Assumed
instead, from what users publish: a SmartConnect in front of AXI4-Lite alone is in its low-area mode
(PG247), some hundred LUT; one for full AXI with conversion, and a reset block, made a design of
25,388 LUT one of 28,394 (a RISC-V core on a Zynq-7000, 64-bit HP port).
"""

from __future__ import annotations

from accelgen.arch.ports import AXI_MASTERS
from accelgen.boards import Board
from accelgen.estimator.resources import Resources

__all__ = ["board_design", "board_design_parts"]

#: SmartConnect of one master and one AXI4-Lite slave.
_CONTROL = Resources(lut=500, ff=600)
#: proc_sys_reset: four synchronizers and a counter.
_RESETS = Resources(lut=20, ff=40)
#: SmartConnect between a master and a memory port of another protocol or width.
_CONVERTER = Resources(lut=3000, ff=3500)


def board_design_parts(board: Board) -> dict[str, Resources]:
    """Resources of each part of the block design around the accelerator."""
    parts = {"control interconnect": _CONTROL, "resets": _RESETS}
    if not board.direct_ports:
        parts["memory converters"] = sum((_CONVERTER for _ in AXI_MASTERS), Resources())
    return parts


def board_design(board: Board) -> Resources:
    """Their sum."""
    return sum(board_design_parts(board).values(), Resources())
