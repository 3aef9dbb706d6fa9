"""Driver in the loop: scripts of a package, unchanged, on the simulated accelerator."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelgen.errors import ToolError
from accelgen.scratch import scratch_directory
from accelgen.simulation.bench import DDR_BYTES, DdrSettings
from accelgen.simulation.launch import run_cocotb
from accelgen.simulation.toolchain import sim_directory
from accelgen.simulation.verilated import VerilatedSimulator

__all__ = ["ScriptResult", "run_script"]

BASE = 0x1000_0000


@dataclass(frozen=True, kw_only=True)
class ScriptResult:
    """How a script ended.

    ``status`` is its exit status, ``output`` what it printed, ``cycles`` fabric cycles that passed,
    ``violations`` breaches of AXI's rules, of which there must be none.
    """

    status: int
    output: str
    cycles: int
    violations: tuple[str, ...]


def run_script(
    simulator: VerilatedSimulator,
    package: Path,
    script: Path,
    arguments: Sequence[str] = (),
    *,
    settings: DdrSettings | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> ScriptResult:
    """Run ``script`` with the driver of ``package``, which finds the simulated accelerator where it
    looks for a PYNQ board's. Both are copies in a directory that is gone afterwards; the script
    starts there, in the package.

    Parameters
    ----------
    simulator : VerilatedSimulator
        Of the package's configuration.
    say : function
        Sees each line that the script prints as it comes.

    Raises
    ------
    ToolError
        The simulator died, or its tools are missing.
    """
    executable = simulator.build()
    with scratch_directory() as scratch:
        where = _on_a_board(package, scratch / "package")
        if script.resolve().is_relative_to(package.resolve()):
            script = where / script.resolve().relative_to(package.resolve())
        job = where / "script_job.json"
        job.write_text(
            json.dumps({
                "script": str(script.resolve()),
                "arguments": list(arguments),
                "base": BASE,
                "ddr_bytes": DDR_BYTES,
                "settings": (settings or DdrSettings()).inputs(),
            })
        )
        lines = _Lines(where / "output.txt", say)
        failed = run_cocotb(
            executable,
            "run_driver",
            where,
            # A breach of AXI's rules is counted and reported; the script goes on.
            arguments=["+verilator+error+limit+1000000000"],
            environment={"ACCELGEN_SCRIPT": str(job)},
            python_path=[sim_directory() / "cocotb"],
            on_tick=lines.look,
        )
        ended = where / "script.json"
        if not ended.exists():
            raise ToolError(f"the simulator failed: {failed[0] if failed else 'it said nothing'}")
        result = json.loads(ended.read_text())
        return ScriptResult(
            status=result["status"],
            output=lines.text,
            cycles=result["cycles"],
            violations=tuple(result["violations"]),
        )


def _on_a_board(package: Path, where: Path) -> Path:
    """As a user copies it to a board: without the parts for Vivado, with a bitstream."""
    shutil.copytree(package, where, ignore=shutil.ignore_patterns("rtl", "vivado", "__pycache__"))
    (where / "accelgen.bit").write_bytes(b"in the place of a bitstream")
    return where.resolve()


class _Lines:
    """Reads what the script has printed so far."""

    def __init__(self, file: Path, say: Callable[[str], None]):
        self.file, self.say, self.text = file, say, ""

    def look(self) -> None:
        if not self.file.exists():
            return
        new = self.file.read_text(errors="replace")[len(self.text) :]
        whole = new[: new.rfind("\n") + 1]
        self.text += whole
        for line in whole.splitlines():
            self.say(line)
