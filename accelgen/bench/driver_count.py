"""Instructions of a package's driver per frame: ``python -m accelgen.bench.driver_count [DIR]``.

callgrind counts them on the machine it runs on; the network and the registers cost nothing worth
counting. A count does not depend on what else runs there: tests hold it, and the PS model's
``driver_us`` and ``turn_us`` are made of it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from accelgen.bench import null_board
from accelgen.deploy.manifest_file import read_manifest
from accelgen.errors import ToolError
from accelgen.scratch import scratch_directory

__all__ = ["DriverCount", "count_driver", "main"]

#: Frames of the two runs whose difference is counted: what happens once is in both.
FEW, MANY = 10, 110
LIBRARY = "libaccelgen_ps.so"
#: In the package's directory: so many frames of ones through run_many, or turns without frames,
#: or hand-overs from a frame's first part to its second.
_SCRIPT = """
import json, runpy, sys
import numpy as np
sys.path.insert(0, ".")
from driver import Accelerator

NullBoard = runpy.run_path(sys.argv[3])["NullBoard"]
manifest = json.load(open("manifest.json"))
with Accelerator(NullBoard(manifest), ".") as accelerator:
    accelerator.load()
    x = np.ones(manifest["input"]["map"], np.int8)
    if sys.argv[1] == "frames":
        for outputs in accelerator.run_many(x for _ in range(int(sys.argv[2]))):
            pass
    elif sys.argv[1] == "parts":
        for _ in range(int(sys.argv[2])):
            accelerator._running, accelerator._part = 0, 0
            accelerator.turns.wait(1.0)
            accelerator._go_on()
        accelerator._running = None
    else:
        for _ in range(int(sys.argv[2])):
            accelerator.turns.turn(0, 256, 1.0)
"""


@dataclass(frozen=True, kw_only=True)
class DriverCount:
    """Instructions per frame.

    ``driver``: of ``run_many`` outside the library: Python, ctypes, numpy. ``library``: within it.
    ``turn``: of the library's part between two frames, from the look at the status to the start.
    ``part``: of the driver between two parts of a frame, outside the library; 0 of one part.
    """

    driver: int
    library: int
    turn: int
    part: int = 0


def count_driver(where: Path) -> DriverCount:
    """Of the package at ``where``. Raises ToolError when valgrind is missing or fails."""
    frame, turn = _each(where, "frames"), _each(where, "turns")
    several = len(read_manifest(where)["parts"]) > 1
    part = _each(where, "parts")["driver"] if several else 0
    return DriverCount(
        driver=frame["driver"], library=frame["library"], turn=turn["library"], part=part
    )


def _each(where: Path, what: str) -> dict[str, int]:
    few, many = (_counted(where, what, n) for n in (FEW, MANY))
    return {name: (many[name] - few[name]) // (MANY - FEW) for name in many}


def _counted(where: Path, what: str, count: int) -> dict[str, int]:
    if shutil.which("valgrind") is None:
        raise ToolError("valgrind not found: apt install valgrind")
    with scratch_directory() as scratch:
        out = Path(scratch) / "callgrind"
        command = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"]
        done = subprocess.run(
            [*command, sys.executable, "-c", _SCRIPT, what, str(count), null_board.__file__],
            cwd=where, capture_output=True, text=True, check=False,
            # Of hashes dictionaries' collisions depend, and so the count.
            env=os.environ | {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        if done.returncode:
            raise ToolError(f"callgrind failed: {done.stderr.strip()[-500:]}")
        return _by_object(out.read_text())


def _by_object(profile: str) -> dict[str, int]:
    """Instructions in the library, and elsewhere, of callgrind's file: an object's line (``ob=``)
    holds for the costs below it; the line after ``calls=`` is of the callee's."""
    names: dict[str, str] = {}
    found = {"driver": 0, "library": 0}
    place, skip = "driver", False
    for line in profile.splitlines():
        if ob := re.match(r"(c?)ob=\((\d+)\)(?: (.*))?", line):
            names.setdefault(ob[2], ob[3] or "")
            if not ob[1]:
                place = "library" if names[ob[2]].endswith(LIBRARY) else "driver"
        elif line.startswith("calls="):
            skip = True
        elif cost := re.match(r"[+\-*\d]\S* (\d+)$", line):
            found[place] += 0 if skip else int(cost[1])
            skip = False
    return found


def main(
    where: Annotated[Path, typer.Argument(metavar="DIR", help="A package.")],
) -> None:
    """Instructions of the driver per frame, and of the turn between two."""
    found = count_driver(where)
    typer.echo(f"driver   {found.driver:10,} instructions per frame outside the library")
    typer.echo(f"library  {found.library:10,} within it")
    typer.echo(f"turn     {found.turn:10,} between two frames")
    typer.echo(f"part     {found.part:10,} between two parts of a frame, outside the library")


if __name__ == "__main__":
    typer.run(main)
