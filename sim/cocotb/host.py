"""The host's side of sim/tb/tb.sv: registers, memory, reset, interrupt.

:class:`Bus` is what ``accelgen.deploy.driver`` talks to, so the driver that runs on a board runs
here. It blocks, and is called from a thread (``cocotb.task.bridge``); nothing here wakes up between
events.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import cocotb
import numpy as np
from cocotb.task import resume
from cocotb.triggers import First, RisingEdge, Timer, ValueChange

__all__ = ["CLOCK_PS", "Bus", "BusError", "Host"]

#: Period of the bench's clock: 300 MHz, to the picosecond the two halves allow.
CLOCK_PS = 3334
BEAT_BYTES = 16
# tb.sv's op_t.
WRITE, READ, READS, LOAD, DUMP = range(5)


class BusError(Exception):
    """A register access was not answered with OKAY."""


class Host:
    """Asks the bench to do things; coroutines."""

    def __init__(self, dut):
        self.dut = dut
        self._go = 0

    async def reset(self, settings: Mapping[str, int]) -> None:
        """Reset all but the memory's contents; ``settings`` are tb.sv's ``host_*`` inputs."""
        dut = self.dut
        dut.host_reset.value = 1
        self.change(settings)
        await self.wait_cycles(8)
        dut.host_reset.value = 0
        await self.wait_cycles(4)

    def change(self, settings: Mapping[str, int]) -> None:
        """Set tb.sv's ``host_*`` inputs without a reset. Only while no program runs."""
        for name, value in settings.items():
            getattr(self.dut, f"host_{name}").value = value

    async def freeze(self, after: int, cycles: int) -> None:
        """So many cycles from now on, the memory will do nothing for ``cycles``."""

        async def later():
            await self.wait_cycles(after)
            self.dut.host_frozen.value = 1
            await self.wait_cycles(cycles)
            self.dut.host_frozen.value = 0

        cocotb.start_soon(later())

    async def now(self) -> int:
        """Cycles since the reset."""
        return int(self.dut.host_cycle.value)

    async def write_waves(self, first: int) -> None:
        """Write waves from cycle ``first`` since the reset to the end of the simulation."""
        self.dut.host_wave_from.value = first

    async def wait_cycles(self, cycles: int) -> None:
        """Let time pass."""
        await Timer(cycles * CLOCK_PS, "ps")

    async def interrupt(self, cycles: int) -> bool:
        """Wait for the interrupt, at most so long; False when it did not come."""
        if self.dut.host_irq.value:
            return True
        await First(RisingEdge(self.dut.host_irq), Timer(cycles * CLOCK_PS, "ps"))
        return bool(self.dut.host_irq.value)

    async def write(self, offset: int, value: int) -> None:
        """Set one register."""
        await self._operate(WRITE, offset, value)
        self._check(offset)

    async def read(self, offset: int) -> int:
        """Value of one register."""
        await self._operate(READ, offset)
        self._check(offset)
        return int(self.dut.host_result.value)

    async def read_many(self, offset: int, count: int) -> list[int]:
        """Values of ``count`` registers, one after another."""
        if count == 0:
            return []
        await self._operate(READS, offset, count=count)
        self._check(offset)
        return np.fromfile("registers.bin", np.uint32).tolist()

    async def load(self, offset: int, data: bytes) -> None:
        """Put bytes into memory in no time; ``offset`` is a multiple of 16, the end is padded."""
        _check_beat(offset)
        padded = data + bytes(-len(data) % BEAT_BYTES)
        beats = np.frombuffer(padded, np.uint8).reshape(-1, BEAT_BYTES)
        # $fread fills a beat from its highest byte down.
        beats[:, ::-1].tofile("ddr_load.bin")
        await self._operate(LOAD, offset // BEAT_BYTES, count=len(beats))

    async def dump(self, offset: int, size: int) -> bytes:
        """Take bytes out of memory in no time; ``offset`` is a multiple of 16."""
        _check_beat(offset)
        await self._operate(DUMP, offset // BEAT_BYTES, count=-(-size // BEAT_BYTES))
        return Path("ddr_dump.bin").read_bytes()[:size]

    async def _operate(self, op: int, address: int, value: int = 0, count: int = 0) -> None:
        dut = self.dut
        self._go ^= 1
        dut.host_op.value = op
        dut.host_address.value = address
        dut.host_value.value = value
        dut.host_count.value = count
        dut.host_go.value = self._go
        await ValueChange(dut.host_done)

    def _check(self, offset: int) -> None:
        if self.dut.host_resp.value:
            raise BusError(f"register access at {offset:#x} answered {self.dut.host_resp.value}")


class Bus:
    """``read(offset)`` and ``write(offset, value)`` for the driver's thread."""

    def __init__(self, host: Host):
        self.read = resume(host.read)
        self.write = resume(host.write)


def _check_beat(offset: int) -> None:
    if offset % BEAT_BYTES:
        raise ValueError(f"memory offset {offset} is not a multiple of {BEAT_BYTES}")


def remove(*names: str) -> None:
    """Delete files the bench exchanged with the host."""
    for name in names:
        if os.path.exists(name):
            os.remove(name)
