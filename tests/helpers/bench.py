"""What every cocotb bench needs besides a clock."""

import functools
import json
import os

import cocotb
from cocotb.triggers import FallingEdge

from accelgen.arch import ArchParams

__all__ = ["bench_arch", "part_test", "settings", "ticks"]

_part = None  # name of the part whose test runs


class _Part:
    """Ports of one part of ``simulate_all``, by the names they have where it is simulated alone."""

    def __init__(self, dut, name):
        self._dut, self._name = dut, name

    def __getattr__(self, port):
        shared = port in ("clk", "rst")
        handle = getattr(self._dut, port if shared else f"{self._name}__{port}")
        setattr(self, port, handle)  # found at once the next time
        return handle


def part_test(**options):
    """Decorator like ``cocotb.test``, for benches of ``simulate_all``: a test for each part.

    The test sees its part as ``dut``; :func:`settings` are the part's.
    """

    def decorate(function):
        parts = [cocotb.Param(name, name) for name in json.loads(os.environ.get("PARTS", "{}"))]
        if not parts:  # in pytest
            return function

        @functools.wraps(function)
        async def with_part(dut, part):
            global _part
            _part = part
            await function(_Part(dut, part))

        return cocotb.test(**options)(cocotb.parametrize(part=parts)(with_part))

    return decorate


def settings() -> dict:
    """What the pytest side gave to ``simulate``, or to ``simulate_all`` for this part."""
    if _part is None:
        return json.loads(os.environ["BENCH"])
    return json.loads(os.environ["PARTS"])[_part]


def bench_arch() -> ArchParams:
    """The configuration, where that is all that was given."""
    return _arch(_part)


@functools.cache
def _arch(part) -> ArchParams:
    return ArchParams.from_dict(settings())


async def ticks(dut, count: int):
    """Let ``count`` cycles pass; returns at a falling edge."""
    for _ in range(count):
        await FallingEdge(dut.clk)
