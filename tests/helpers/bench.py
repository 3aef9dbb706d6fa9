"""What every cocotb bench needs besides a clock."""

import json
import os

from cocotb.triggers import FallingEdge

from accelgen.arch import ArchParams

__all__ = ["bench_arch", "settings", "ticks"]


def settings() -> dict:
    """What the pytest side gave to ``simulate``."""
    return json.loads(os.environ["BENCH"])


def bench_arch() -> ArchParams:
    """The configuration, where that is all that was given."""
    return ArchParams.from_dict(settings())


async def ticks(dut, count: int):
    """Let ``count`` cycles pass; returns at a falling edge."""
    for _ in range(count):
        await FallingEdge(dut.clk)
