"""Enough of PYNQ for the package's driver to run on the bench: registers, buffers, the interrupt.

``make_pynq`` gives a module ``pynq`` as on a board. What it hands out blocks, and is used in the
thread that ``cocotb.task.bridge`` made. Buffers are copies, as if nothing kept caches coherent:
what was not flushed the accelerator does not see, what was not invalidated the driver does not.
"""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import numpy as np
from cocotb.task import resume
from host import Bus, Host

__all__ = ["make_pynq"]

#: Longest wait for an interrupt: what hangs is seen as on a board, by the driver's own time limit.
WAIT_CYCLES = 20_000_000
PAGE_BYTES = 4096


def make_pynq(host: Host, address: int, ddr_bytes: int) -> ModuleType:
    """A module ``pynq`` whose memory begins at ``address``."""
    module = ModuleType("pynq")
    bus, load, dump = Bus(host), resume(host.load), resume(host.dump)
    wait = resume(host.interrupt)
    free = [0]

    class Buffer(np.ndarray):
        """A buffer, or a slice of one, which is at an address of its own."""

        def __array_finalize__(self, other):
            self.device_address = None
            if isinstance(other, Buffer) and other.device_address is not None:
                here, there = (x.__array_interface__["data"][0] for x in (self, other))
                self.device_address = other.device_address + here - there

        def flush(self):
            load(self.device_address - address, self.tobytes())

        def invalidate(self):
            data = dump(self.device_address - address, self.nbytes)
            self[...] = np.frombuffer(data, self.dtype).reshape(self.shape)

        def freebuffer(self):
            pass

    def allocate(shape, dtype="u4", target=None, cacheable=False):
        del target, cacheable
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if free[0] + size > ddr_bytes:
            raise RuntimeError(f"the bench has {ddr_bytes:,} bytes of memory")
        buffer = np.random.default_rng(1).integers(0, 256, size, np.uint8)
        buffer = buffer.view(dtype).reshape(shape).view(Buffer)
        buffer.device_address = address + free[0]
        free[0] += -(-size // PAGE_BYTES) * PAGE_BYTES
        return buffer

    class Registers:
        """``mmio.array``: 32-bit words by index."""

        def __getitem__(self, index):
            return bus.read(4 * index)

        def __setitem__(self, index, value):
            bus.write(4 * index, value)

    class Interrupt:
        async def wait(self):
            if not wait(WAIT_CYCLES):
                raise TimeoutError

    def overlay(bitstream):
        del bitstream
        mmio = SimpleNamespace(array=Registers())
        return SimpleNamespace(accelgen_0=SimpleNamespace(mmio=mmio, irq=Interrupt()))

    module.Overlay, module.allocate = overlay, allocate
    return module
