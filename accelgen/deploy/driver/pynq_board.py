"""A PYNQ board: bitstream, registers, contiguous memory, interrupt."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
from typing import Any

import numpy as np
import pynq

__all__ = ["PynqBoard"]

#: Number of the PL's first interrupt at the GIC: pl_ps_irq0 of an UltraScale+, IRQ_F2P of a Zynq.
FIRST_INTERRUPT = 121 if platform.machine() == "aarch64" else 61


class PynqBoard:
    """What :class:`Accelerator` talks to, with ``bitstream`` loaded.

    PYNQ's images have a UIO device (``fabric``) for the first interrupt, the accelerator's in the
    package's design: the library waits on it. In a design of one's own that joins interrupts by
    AXI's controller PYNQ's ``Interrupt`` waits, in asyncio's loop. Else the library polls.
    """

    def __init__(self, bitstream: str) -> None:
        overlay = pynq.Overlay(bitstream)
        core = overlay.accelgen_0
        self._registers = core.mmio.array
        if isinstance(self._registers, np.ndarray):
            self.window = self._registers.ctypes.data
        self._memory: Any = None
        self.interrupt_file = _interrupt_file(overlay)
        self._interrupt: Any = getattr(core, "irq", None)
        if self.interrupt_file is None and self._interrupt is not None:
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
        """Give the memory and the interrupt back."""
        if self.interrupt_file is not None:
            os.close(self.interrupt_file)
            self.interrupt_file = None
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


def _interrupt_file(overlay: Any) -> int | None:
    """The UIO device of the accelerator's interrupt, if that is a line of the processor's own."""
    pin = getattr(overlay, "interrupt_pins", {}).get("accelgen_0/irq")
    if pin is None or pin["controller"]:
        return None
    path = pynq.interrupt.get_uio_irq(FIRST_INTERRUPT + pin["index"])
    try:
        return None if path is None else os.open(path, os.O_RDWR)
    except OSError:  # not ours to open: polling does it too
        return None


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
