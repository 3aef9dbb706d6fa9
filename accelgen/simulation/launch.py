"""Start a built simulator with a cocotb module inside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
import find_libpython

from accelgen.errors import ToolError

__all__ = ["cocotb_environment", "failures_in", "run_cocotb"]


def cocotb_environment(module: str, top: str, results: Path) -> dict[str, str]:
    """Environment in which a simulator with cocotb's VPI library runs ``module``."""
    libpython = find_libpython.find_libpython()
    if libpython is None:
        raise ToolError("accelgen simulate needs libpython3 for cocotb: apt install libpython3-dev")
    return os.environ | {
        "GPI_USERS": f"{libpython};{cocotb_tools.config.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)) or os.getcwd(),
        "COCOTB_TEST_MODULES": module,
        "COCOTB_TOPLEVEL": top,
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_RESULTS_FILE": str(results),
        # Verilator applies writes when cocotb expects them to be: no copies in Python.
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
    }


def run_cocotb(
    executable: Path,
    module: str,
    where: Path,
    *,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """Run the cocotb tests of ``module`` in ``where``; the top module is the executable's name.

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
    with log.open("w") as out:
        done = subprocess.run(
            [str(executable), *arguments],
            cwd=where,
            env=cocotb_environment(module, executable.name, results) | dict(environment or {}),
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if not results.exists():
        tail = log.read_text(errors="replace").splitlines()[-20:]
        raise ToolError(
            f"the simulator ended with status {done.returncode} and no results; "
            f"the end of {log}:\n" + "\n".join(tail)
        )
    failed = failures_in(results)
    if done.returncode and not failed:
        errors = [line for line in log.read_text(errors="replace").splitlines() if "%Error" in line]
        failed = errors or [f"the simulator ended with status {done.returncode}"]
    return failed


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
