"""A board whose accelerator takes no time, for what the driver itself takes."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["NullBoard"]


class NullBoard:
    """Registers of an accelerator that is always done, in plain memory; coherent memory."""

    address = 0

    def __init__(self, manifest: dict[str, Any]):
        offsets = manifest["registers"]
        self._status, self._done = offsets["status"], 1 << manifest["status_bits"]["done"]
        self._registers = np.zeros(manifest["log_base"] // 4, np.uint32)
        self.window = self._registers.ctypes.data
        self.write(offsets["id"], manifest["id"])
        self.write(offsets["config"], manifest["config_crc"])
        self.write(self._status, self._done)

    def read(self, offset: int) -> int:
        """A register."""
        return int(self._registers[offset // 4])

    def write(self, offset: int, value: int) -> None:
        """Set one; the status stays."""
        self._registers[offset // 4] = self._done if offset == self._status else value

    def memory(self, size: int) -> NullBoard:
        """Itself."""
        self.array = np.zeros(size, np.uint8)
        return self

    def flush(self, offset: int, size: int) -> None:
        """Nothing: the PS model prices cache maintenance."""

    def invalidate(self, offset: int, size: int) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
