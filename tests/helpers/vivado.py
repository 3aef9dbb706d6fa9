"""Vivado's scripts, rendered for a board and run on the stub of Vivado (tests/deploy/vivado)."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from accelgen.arch.registers import TOP
from accelgen.boards import Board
from accelgen.deploy import vivado

__all__ = ["Run", "needs_tclsh", "run_script", "write_scripts"]

STUB = Path(__file__).parents[1] / "deploy" / "vivado" / "stub.tcl"

needs_tclsh = pytest.mark.skipif(shutil.which("tclsh") is None, reason="tclsh is not installed")


@dataclass(frozen=True)
class Run:
    """What a script left: the end of its error message ("" if none), and what it printed."""

    error: str
    lines: list[str]


def write_scripts(where: Path, board: Board, *, clock_mhz: float | None = None) -> Path:
    """A package's vivado/ for ``board``, with an empty top module. Returns the package."""
    values = {
        "board": board, "version": "0", "top": TOP, "ip_version": 1.0, "config_crc": 1,
        "clock_mhz": clock_mhz or board.clock.mhz, "double_pumped": board.arch.pumped,
    }  # fmt: skip
    (where / "rtl").mkdir(parents=True)
    (where / "vivado").mkdir()
    (where / "rtl" / f"{TOP}.v").write_text(f"module {TOP}; endmodule\n")
    vivado.write_scripts(where / "vivado", values)
    return where


def run_script(package: Path, board: str, *arguments, script: str = "build.tcl", **settings) -> Run:
    """``vivado -source SCRIPT -tclargs ARGUMENTS``, as the stub does it.

    ``settings`` are the stub's environment variables.
    """
    done = subprocess.run(
        ["tclsh", STUB, board, package / "vivado" / script, *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=package,
        env={"PATH": "/usr/bin:/bin", **{k: str(v) for k, v in settings.items()}},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert (done.returncode == 0) == (lines[-1:] == ["END"])
    return Run(done.stderr.split("\n    while executing")[0].strip(), lines)
