"""Clock and reset of a bench."""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

__all__ = ["CLOCK_NS", "start_clock"]

CLOCK_NS = 10


async def start_clock(dut, *, zero=()):
    """Clear inputs ``zero``, start ``dut.clk``, reset for two cycles; return at a falling edge.

    A design with ``clk2x`` gets that as well, in phase.
    """
    for name in zero:
        getattr(dut, name).value = 0
    dut.rst.value = 1
    if hasattr(dut, "clk2x"):
        cocotb.start_soon(_both_clocks(dut))
    else:
        cocotb.start_soon(Clock(dut.clk, CLOCK_NS, "ns").start())
    for _ in range(2):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


async def _both_clocks(dut):
    """One task for both: their common edges must come in one step of the simulator."""
    while True:
        for clk, clk2x in ((1, 1), (1, 0), (0, 1), (0, 0)):
            dut.clk.value = clk
            dut.clk2x.value = clk2x
            await Timer(CLOCK_NS * 1000 // 4, "ps")
