"""Clock and reset of a bench."""

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

__all__ = ["CLOCK_NS", "start_clock"]

CLOCK_NS = 10

_ticking = []  # tasks of clocks; done when their test is


async def start_clock(dut, *, zero=()):
    """Clear inputs ``zero``, start ``dut.clk``, reset for two cycles; return at a falling edge.

    A design with ``clk2x`` gets that as well, in phase. Called again in a test, it only clears and
    resets.
    """
    for name in zero:
        getattr(dut, name).value = 0
    dut.rst.value = 1
    if all(task.done() for task in _ticking):
        _ticking.clear()
        if hasattr(dut, "clk2x"):
            # Writes of one time reach the design together: common edges come in one step.
            _ticking.append(Clock(dut.clk2x, CLOCK_NS // 2, "ns").start())
        _ticking.append(Clock(dut.clk, CLOCK_NS, "ns").start())
    for _ in range(2):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
