"""Clock and reset of a bench."""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

__all__ = ["CLOCK_NS", "start_clock"]

CLOCK_NS = 10


async def start_clock(dut, *, zero=()):
    """Clear inputs ``zero``, start ``dut.clk``, reset for two cycles; return at a falling edge."""
    for name in zero:
        getattr(dut, name).value = 0
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, CLOCK_NS, "ns").start())
    for _ in range(2):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
