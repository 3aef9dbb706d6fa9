"""A module that a package's scripts take for pynq, around a board that is not one.

``python -m tests.helpers.pynq_stand_in PACKAGE SCRIPT ARGUMENT ...`` runs a script of a package, as
it is, on an accelerator that is the golden model.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import types
from pathlib import Path

import numpy as np

__all__ = ["run_script", "stand_in"]


class _Registers:
    """``mmio.array``."""

    def __init__(self, board):
        self.board = board

    def __getitem__(self, word):
        return self.board.read(4 * word)

    def __setitem__(self, word, value):
        self.board.write(4 * word, int(value))


class _Buffer(np.ndarray):
    """What ``pynq.allocate`` gives; slices know where they are."""

    def __array_finalize__(self, whole):
        self.memory = getattr(whole, "memory", None)

    @property
    def device_address(self):
        return self.memory.address

    def flush(self):
        self.memory.flush(self._offset, self.size)

    def invalidate(self):
        self.memory.invalidate(self._offset, self.size)

    def freebuffer(self):
        pass

    @property
    def _offset(self):
        return self.ctypes.data - self.memory.array.ctypes.data


def stand_in(board):
    """A module ``pynq`` whose overlay is ``board``, with bitstreams that exist."""

    class Overlay:
        def __init__(self, bitstream):
            assert Path(bitstream).is_file()
            self.accelgen_0 = types.SimpleNamespace(
                mmio=types.SimpleNamespace(array=_Registers(board))
            )

    def allocate(shape, dtype, cacheable):
        assert dtype == np.uint8
        memory = board.memory(*shape)
        buffer = memory.array.view(_Buffer)
        buffer.memory = memory
        return buffer

    module = types.ModuleType("pynq")
    module.Overlay, module.allocate = Overlay, allocate
    return module


def run_script(board, package, script, arguments=()):
    """Run ``script`` of a package's directory; its exit status."""
    sys.modules["pynq"] = stand_in(board)
    sys.path.insert(0, str(package))
    sys.argv = [script, *arguments]
    os.chdir(package)
    try:
        runpy.run_path(str(Path(package) / script), run_name="__main__")
    except SystemExit as end:
        return end.code or 0
    return 0


def _golden_board(package):
    from accelgen.flow import packages
    from accelgen.program.places import two_places
    from tests.helpers.fake_board import FakeBoard

    program = packages.open_package(Path(package))[0].program
    there = json.loads((Path(package) / "manifest.json").read_text())["loopback"]
    code = bytes.fromhex(there["program"])

    class Board(FakeBoard):
        """Also runs the program that only moves data."""

        def _compute(self):
            dram = self.buffer.dram
            if bytes(dram[: len(code)]) != code:
                super()._compute()
                return
            source, target, size = there["source"], there["target"], there["bytes"]
            dram[target : target + size] = dram[source : source + size]

    return Board(program, two_places(program))


if __name__ == "__main__":
    where, script, *arguments = sys.argv[1:]
    sys.exit(run_script(_golden_board(where), where, script, arguments))
