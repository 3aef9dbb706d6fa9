"""The accelerator's registers: status, faults, counters. Nothing here knows of a model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .errors import DriverError

__all__ = ["Registers"]

#: Between two looks at the status after an abort.
POLL_SECONDS = 20e-6


class Registers:
    """Registers behind a bus.

    Parameters
    ----------
    bus : object
        ``read(offset) -> int`` and ``write(offset, value)``, 32 bits at byte offsets.
    manifest : mapping
        Contents of ``manifest.json``, or at least what it says of registers.
    """

    def __init__(self, bus: Any, manifest: Mapping[str, Any]) -> None:
        self.bus = bus
        self.manifest = manifest
        self._offsets = manifest["registers"]
        self._control = {name: 1 << bit for name, bit in manifest["control_bits"].items()}
        self._status = {name: 1 << bit for name, bit in manifest["status_bits"].items()}
        self._faults = self._status["error"] | self._status["aborted"]

    def read(self, name: str) -> int:
        """Value of register ``name``."""
        return int(self.bus.read(self._offsets[name]))

    def write(self, name: str, value: int) -> None:
        """Set register ``name``."""
        self.bus.write(self._offsets[name], value & 0xFFFFFFFF)

    def check(self) -> None:
        """Raise DriverError unless this is the hardware the program was compiled for."""
        expected, found = self.manifest["id"], self.read("id")
        if found != expected:
            raise DriverError(f"no accelgen accelerator here: id is {found:#x}, not {expected:#x}")
        expected, found = self.manifest["config_crc"], self.read("config")
        if found != expected:
            raise DriverError(
                f"the bitstream's configuration is {found:#010x}, the program is for "
                f"{expected:#010x}: {self.manifest['config']}; build one of them again"
            )

    def set_image(self, address: int, size: int) -> None:
        """The memory that may be accessed: ``size`` bytes from ``address`` on, whole pages."""
        self.write("base_low", address)
        self.write("base_high", address >> 32)
        self.write("image_bytes", size)

    # One program: turn.py starts it and waits for it.

    def done(self) -> bool:
        """The program has completed. Raises DriverError when it failed, saying why."""
        status = self.read("status")
        if status & self._faults:
            raise DriverError(self.fault())
        return bool(status & self._status["done"])

    def fault(self) -> str:
        """A sentence on why ``error`` or ``aborted`` is set."""
        word, address = self.read("cause"), self.read("error_address")
        shift = self.manifest["master_bit"]
        causes = {number: name for name, number in self.manifest["causes"].items()}
        masters = {number: name for name, number in self.manifest["masters"].items()}
        cause = causes.get(word & ((1 << shift) - 1), f"unknown cause {word:#x}")
        if cause == "aborted":
            return "the frame was aborted"
        master = masters.get(word >> shift, "unknown master")
        return (
            f"{SENTENCES.get(cause, cause)} at address {address:#x} "
            f"(master: {master}, cause: {cause})"
        )

    def acknowledge(self) -> None:
        """Clear the status and take the interrupt back."""
        self.write("status", sum(self._status.values()) & ~self._status["busy"])

    def abort(self, timeout_seconds: float = 1.0) -> None:
        """End whatever runs and clear its traces; idle afterwards.

        Raises DriverError when the hardware does not become idle, because its memory does not
        answer: nothing but a reset of the PL helps then.
        """
        self.write("control", self._control["abort"])
        end = time.monotonic() + timeout_seconds
        while self.read("status") & self._status["busy"]:
            if time.monotonic() > end:
                raise DriverError(
                    f"the memory does not answer (the accelerator is busy {timeout_seconds} s "
                    "after an abort): reset the PL, or load the bitstream again"
                )
            time.sleep(POLL_SECONDS)
        self.acknowledge()
        self.write("control", self._control["reset"])

    # After a program.

    def counters(self) -> dict[str, int]:
        """All registers that count."""
        return {name: self.read(name) for name in self.manifest["counters"]}

    def step_log(self) -> list[int]:
        """Cycle at which each EXEC of the program completed (the last 2,048 of them)."""
        log, words = self.manifest["log_base"], self.manifest["log_words"]
        count = self.read("execs")
        first = max(0, count - words)
        return [int(self.bus.read(log + 4 * (i % words))) for i in range(first, count)]


#: By cause.
SENTENCES = {
    "read_response": "AXI error: a read was refused",
    "write_response": "AXI error: a write was refused",
    "outside": "an access outside the image was stopped",
    "command": "the program is damaged: a command makes no sense",
}
