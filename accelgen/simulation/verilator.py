"""Verilog in, a cocotb simulator out: built once, kept in a cache.

Verilator writes C++; this module compiles it without make. What does not depend on the model
(Verilator's run time, cocotb's main loop, the precompiled headers) is compiled once per machine and
flags, so a small engine builds in about a second.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelgen.cache import cache_directory, cached, hash_of
from accelgen.errors import ToolError
from accelgen.scratch import in_parallel
from accelgen.simulation.toolchain import Toolchain, find_toolchain, has_fst, sim_directory

__all__ = ["BuildFlags", "build"]

_RUNTIME_SOURCES = ("verilated", "verilated_vpi", "verilated_timing", "verilated_threads")


@dataclass(frozen=True, kw_only=True)
class BuildFlags:
    """How to build.

    Parameters
    ----------
    speed : bool
        False: build fast (-O1, one file). True: run fast (-O3 for this processor), for frames on
        wide designs.
    timing : bool
        The Verilog has delays (a clock of its own).
    trace : bool
        Waves can be written: FST, or VCD when lz4 or zlib headers are missing.
    verilator : tuple of str
        More arguments for Verilator.
    """

    speed: bool = False
    timing: bool = False
    trace: bool = False
    verilator: tuple[str, ...] = ()

    @property
    def optimize(self) -> list[str]:
        """Compiler flags for code that runs every cycle."""
        return ["-O3", "-march=native"] if self.speed else ["-O1"]

    @property
    def defines(self) -> list[str]:
        """The macros Verilator's makefile would give."""
        fst = self.trace and has_fst()
        values = {
            "VERILATOR": 1, "VM_COVERAGE": 0, "VM_SC": 0, "VM_TIMING": int(self.timing),
            "VM_TRACE": int(self.trace), "VM_TRACE_FST": int(fst),
            "VM_TRACE_VCD": int(self.trace and not fst), "VM_TRACE_SAIF": 0,
        }  # fmt: skip
        return [f"-D{name}={value}" for name, value in values.items()]


def build(
    sources: Sequence[Path],
    top: str,
    *,
    flags: BuildFlags | None = None,
    parameters: Mapping[str, int] | None = None,
    cache_dir: Path | None = None,
) -> Path:
    """Executable of module ``top`` with cocotb inside, from the cache if it was built before.

    Parameters
    ----------
    sources : sequence of Path
        Verilog and Verilator configuration (.vlt) files, in order. They may not include others.
    top : str
        Name of the top module; the executable's name too.
    flags : BuildFlags
    parameters : mapping
        Parameters of the top module.
    cache_dir : Path
        Instead of :func:`~.cache.cache_directory`.

    Returns
    -------
    Path
        ``<cache>/models/<hash>/<top>``. Interrupting a build leaves nothing half-built; two
        processes that want the same model build it once.

    Raises
    ------
    ToolError
        A tool is missing, or refused the sources; the sentence has its first error.
    """
    tools = find_toolchain()
    flags = flags or BuildFlags()
    cache = cache_dir or cache_directory()
    arguments = _verilator_arguments(top, flags, parameters or {})
    texts = [path.read_bytes() for path in sources]
    key = hash_of(_runtime_key(tools, flags), *arguments, *texts)

    def make(where: Path) -> None:
        runtime = _runtime(tools, flags, cache)
        _verilate(tools, arguments, sources, where)
        _compile(tools, flags, runtime, where, top)

    return cached(cache / "models", key, make) / top


# Steps of a build.


def _verilator_arguments(top: str, flags: BuildFlags, parameters: Mapping[str, int]) -> list[str]:
    return [
        "--cc", "--vpi", "--prefix", "Vmodel", "--top-module", top, "--timescale", "1ns/1ps",
        "--x-assign", "fast", "--x-initial", "fast", "--no-assert",
        # Amaranth's Verilog is not lint-clean (widths), by design.
        "-Wno-fatal", "-Wno-lint",
        "--timing" if flags.timing else "--no-timing",
        *(["--trace-fst" if has_fst() else "--trace-vcd"] if flags.trace else []),
        *(["-O3", "--output-split", "20000"] if flags.speed else []),
        *(f"-G{name}={value}" for name, value in sorted(parameters.items())),
        *flags.verilator,
    ]  # fmt: skip


def _verilate(
    tools: Toolchain, arguments: Sequence[str], sources: Sequence[Path], where: Path
) -> None:
    command = [str(tools.verilator), *arguments, "--Mdir", str(where), *map(str, sources)]
    _run(command, where, "%Error", environment=tools.environment)


def _compile(tools: Toolchain, flags: BuildFlags, runtime: Path, where: Path, top: str) -> None:
    """Compile Verilator's files and link them with the run time."""
    files = sorted(where.glob("Vmodel*.cpp"))
    bridge = sim_directory() / "verilator" / "runtime" / "bridge.cpp"
    if not flags.speed:
        jobs = [(_joined(where, "all", [bridge, *files]), flags.optimize)]
    else:
        # Files called Slow run once, at the start.
        once = [f for f in files if "Slow" in f.name]
        jobs = [(f, flags.optimize) for f in [bridge, *files] if f not in once]
        jobs.append((_joined(where, "once", once), ["-O0"]))
        # Largest first, for two compilers at a time.
        jobs.sort(key=lambda job: -job[0].stat().st_size)

    def compile_one(job: tuple[Path, list[str]]) -> str:
        file, optimize = job
        out = where / f"{file.stem}.o"
        # A precompiled header serves only the flags it was made with.
        prelude = [] if optimize == ["-O0"] else ["-include", str(runtime / "prelude.h")]
        command = _compiler(tools, flags, optimize, where)
        _run([*command, *prelude, "-c", str(file), "-o", str(out)], where, "error:")
        return str(out)

    objects = in_parallel(compile_one, jobs)
    import cocotb_tools.config

    libraries = cocotb_tools.config.libs_dir
    _run(
        [
            tools.compiler, "-o", str(where / top), *objects,
            *map(str, sorted(runtime.glob("*.o"))),
            # No path to it inside: the cache outlives the environment that built a model.
            f"-L{libraries}", "-lcocotbvpi_verilator", "-pthread",
            *(["-llz4", "-lz"] if flags.trace and has_fst() else []),
        ],
        where,
        "error",
    )  # fmt: skip
    for leftover in where.iterdir():
        if leftover.name != top:
            leftover.unlink()


def _joined(where: Path, name: str, files: Sequence[Path]) -> Path:
    """One file that includes ``files``: headers, three seconds of them, are read once."""
    joined = where / f"{name}.cpp"
    joined.write_text("".join(f'#include "{file}"\n' for file in files))
    return joined


def _compiler(
    tools: Toolchain, flags: BuildFlags, optimize: Sequence[str], where: Path | None = None
) -> list[str]:
    include = tools.root / "include"
    return [
        tools.compiler, "-std=c++20", *optimize, *flags.defines,
        *([f"-I{where}"] if where else []), f"-I{sim_directory() / 'verilator'}",
        f"-I{include}", f"-I{include / 'vltstd'}", "-w",
    ]  # fmt: skip


# The run time: everything that is the same for all models.


def _runtime_key(tools: Toolchain, flags: BuildFlags) -> str:
    own = sorted((sim_directory() / "verilator" / "runtime").iterdir())
    contents = [f.read_bytes() for f in own]
    return hash_of(tools.identity, *flags.optimize, *flags.defines, *contents)


def _runtime(tools: Toolchain, flags: BuildFlags, cache: Path) -> Path:
    """Directory with the object files and the precompiled header."""
    own = sim_directory() / "verilator" / "runtime"
    include = tools.root / "include"
    import cocotb_tools.config

    share = Path(cocotb_tools.config.share_dir)
    names = list(_RUNTIME_SOURCES)
    if flags.trace:
        names.append("verilated_fst_c" if has_fst() else "verilated_vcd_c")
    sources = [include / f"{name}.cpp" for name in names]
    sources.append(share / "lib" / "verilator" / "verilator.cpp")

    def make(where: Path) -> None:
        shutil.copy(own / "prelude.h", where)
        command = [*_compiler(tools, flags, flags.optimize), f"-I{own}"]
        header = [*_compiler(tools, flags, flags.optimize), "-x", "c++-header"]
        prelude = where / "prelude.h"
        commands = [[*command, "-c", str(f), "-o", str(where / f"{f.stem}.o")] for f in sources]
        commands.append([*header, str(prelude), "-o", f"{prelude}.gch"])
        in_parallel(lambda c: _run(c, where, "error:"), commands)

    return cached(cache / "runtime", _runtime_key(tools, flags), make)


def _run(
    command: Sequence[str],
    where: Path,
    marker: str,
    *,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a tool that writes below ``where`` only, its scratch files too: a compiler that is killed
    leaves them. What it says comes through a pipe: a full disk must not swallow it."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        env={**(environment or os.environ), "TMPDIR": str(where)}, errors="replace",
    )  # fmt: skip
    if done.returncode:
        lines = done.stdout.splitlines()
        first = next((line for line in lines if marker in line), lines[-1] if lines else "killed")
        raise ToolError(f"{Path(command[0]).name} failed: {first.strip()}")
