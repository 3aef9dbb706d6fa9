"""What every cocotb bench needs besides a clock."""

import json
import os

from cocotb.triggers import FallingEdge

__all__ = ["settings", "ticks"]


def settings() -> dict:
    """What the pytest side gave to ``simulate``."""
    return json.loads(os.environ["BENCH"])


async def ticks(dut, count: int):
    """Let ``count`` cycles pass; returns at a falling edge."""
    for _ in range(count):
        await FallingEdge(dut.clk)
