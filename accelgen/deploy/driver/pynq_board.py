"""A PYNQ board: bitstream, registers, contiguous memory, interrupt."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import numpy as np
import pynq

__all__ = ["PynqBoard"]


class PynqBoard:
    """What :class:`Accelerator` talks to, with ``bitstream`` loaded."""

    def __init__(self, bitstream: str) -> None:
        core = pynq.Overlay(bitstream).accelgen_0
        self._registers = core.mmio.array
        self._memory: Any = None
        # There only in a design that has AXI's interrupt controller, which PYNQ needs.
        self._interrupt: Any = getattr(core, "irq", None)
        if self._interrupt is not None:
            self.wait_interrupt = self._wait_interrupt

    def read(self, offset: int) -> int:
        """A register."""
        return int(self._registers[offset // 4])

    def write(self, offset: int, value: int) -> None:
        """Set a register."""
        self._registers[offset // 4] = value

    def memory(self, size: int) -> _PynqMemory:
        """Physically contiguous."""
        self._memory = _PynqMemory(size)
        return self._memory

    def close(self) -> None:
        """Give the memory back."""
        if self._memory is not None:
            self._memory.free()
            self._memory = None

    def _wait_interrupt(self, seconds: float) -> None:
        async def wait() -> None:
            # When it does not come in time, the status says the rest.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._interrupt.wait(), seconds)

        loop = asyncio.get_event_loop()
        if not loop.is_running():  # a notebook's cell runs inside the loop: it polls
            loop.run_until_complete(wait())


class _PynqMemory:
    """Cached: maps are read and written byte by byte. So each range is cleaned or dropped by
    itself, before the accelerator reads it and after it wrote it."""

    def __init__(self, size: int) -> None:
        self._buffer = pynq.allocate(shape=(size,), dtype=np.uint8, cacheable=True)
        self.address = self._buffer.device_address
        self.array = self._buffer.view(np.ndarray)

    def flush(self, offset: int, size: int) -> None:
        """Clean the cache's copy."""
        self._buffer[offset : offset + size].flush()

    def invalidate(self, offset: int, size: int) -> None:
        """Drop the cache's copy."""
        self._buffer[offset : offset + size].invalidate()

    def free(self) -> None:
        """Give it back."""
        self._buffer.freebuffer()
