"""Start a built simulator with a cocotb module inside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from accelgen.errors import ToolError

__all__ = ["cocotb_environment", "failures_in", "run_cocotb"]

TICK_SECONDS = 0.2


def cocotb_environment(
    module: str, top: str, results: Path, python_path: Sequence[Path] = ()
) -> dict[str, str]:
    """Environment in which a simulator with cocotb's VPI library runs ``module``."""
    import cocotb_tools.config
    import find_libpython

    libpython = find_libpython.find_libpython()
    if libpython is None:
        raise ToolError("accelgen simulate needs libpython3 for cocotb: apt install libpython3-dev")
    libraries = [str(cocotb_tools.config.libs_dir), os.environ.get("LD_LIBRARY_PATH", "")]
    return os.environ | {
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
        "GPI_USERS": f"{libpython};{cocotb_tools.config.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": os.pathsep.join([
            *map(str, python_path),
            *(p or os.getcwd() for p in sys.path),
        ]),
        "COCOTB_TEST_MODULES": module,
        "COCOTB_TOPLEVEL": top,
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_RESULTS_FILE": str(results),
        # Verilator applies writes when cocotb expects them to be: no copies in Python.
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        # Else pytest compiles every module that is imported, seconds each time.
        "COCOTB_REWRITE_ASSERTION_FILES": "",
    }


def run_cocotb(
    executable: Path,
    module: str,
    where: Path,
    *,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    python_path: Sequence[Path] = (),
    on_tick: Callable[[], None] | None = None,
) -> list[str]:
    """Run the cocotb tests of ``module`` in ``where``; the top module is the executable's name.

    ``on_tick`` is called several times a second while the simulator runs, and once when it ended.

    Returns
    -------
    list of str
        A line for each test that failed; empty when all passed. The simulator's output is
        ``where/sim.log``.

    Raises
    ------
    ToolError
        The simulator died before it could write results.
    """
    results = where / "results.xml"
    results.unlink(missing_ok=True)
    log = where / "sim.log"
    inside = cocotb_environment(module, executable.name, results, python_path)
    with log.open("w") as out:
        process = subprocess.Popen(
            [str(executable), *arguments],
            cwd=where,
            env=inside | dict(environment or {}),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        status = _wait(process, on_tick)
    if not results.exists():
        tail = log.read_text(errors="replace").splitlines()[-20:]
        raise ToolError(
            f"the simulator ended with status {status} and no results; "
            f"the end of {log}:\n" + "\n".join(tail)
        )
    failed = failures_in(results)
    if status and not failed:
        errors = [line for line in log.read_text(errors="replace").splitlines() if "%Error" in line]
        failed = errors or [f"the simulator ended with status {status}"]
    return failed


def _wait(process: subprocess.Popen[bytes], on_tick: Callable[[], None] | None) -> int:
    """Exit status; the simulator does not outlive an interrupted caller."""
    try:
        while True:
            try:
                return process.wait(TICK_SECONDS if on_tick else None)
            except subprocess.TimeoutExpired:
                pass
            finally:
                if on_tick:
                    on_tick()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def failures_in(results: Path) -> list[str]:
    """Names and messages of failed tests in a JUnit XML file; also when no test ran at all."""
    cases = ElementTree.parse(results).getroot().iter("testcase")
    failed, count = [], 0
    for case in cases:
        count += 1
        for failure in case.findall("failure") + case.findall("error"):
            text = failure.get("message") or failure.get("error_msg") or failure.text or ""
            failed.append(f"{case.get('name')}: {text.strip()}")
    return failed if count else ["no test ran"]
