"""Build the C library with its case runner, and run calls: natively, or NEON code under qemu."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accelgen.errors import ToolError
from accelgen.ps.kernels import Answer, Call, job_file, read_answers
from accelgen.scratch import scratch_directory

__all__ = ["CROSS", "PACKAGES", "SOURCES", "Runner", "build_runner", "missing_tools", "runner_at"]

#: Header, sources and Makefile of the library.
SOURCES = Path(__file__).parent / "neon"
CROSS = "aarch64-linux-gnu-"
#: Debian packages with the cross compiler, its C library and the emulator.
PACKAGES = "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"

#: How the runner is built: arguments of the Makefile; and what stands before it when it runs.
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "twin": ((), ()),
    "qemu": ((f"CROSS={CROSS}",), ("qemu-aarch64",)),
    "sanitized": (("SANITIZE=address,undefined",), ()),
    "threads": (("SANITIZE=thread",), ()),
}


@dataclass(frozen=True)
class Runner:
    """A built runner: ``command`` takes a job file and a result file."""

    command: tuple[str, ...]

    def run(self, calls: Sequence[Call], *, timeout_s: float = 600) -> list[Answer]:
        """Run ``calls`` one after another in one process.

        Raises ToolError when the process dies; its sentence names the call.
        """
        with scratch_directory("accelgen-ps-") as where:
            jobs, results = where / "jobs", where / "results"
            jobs.write_bytes(job_file(calls))
            try:
                done = subprocess.run(
                    [*self.command, str(jobs), str(results)],
                    capture_output=True,
                    text=True,
                    timeout=timeout_s,
                    check=False,
                    env=os.environ | {"UBSAN_OPTIONS": "print_stacktrace=1"},
                )
            except subprocess.TimeoutExpired:
                raise ToolError(f"{self.command[0]} was not done after {timeout_s} s") from None
            data = results.read_bytes() if results.exists() else b""
        answers = read_answers(calls, data)
        if done.returncode or len(answers) < len(calls):
            at = min(len(answers), len(calls) - 1)
            call = calls[at]
            raise ToolError(
                f"{self.command[0]} ended with status {done.returncode} in call {at} (kernel "
                f"{call.kernel}, integers {call.integers}): {done.stderr.strip()[-2000:]}"
            )
        return answers


def missing_tools(kind: str) -> str:
    """A sentence about what building or running ``kind`` lacks here; "" when nothing."""
    wanted = ["make", *((f"{CROSS}gcc", "qemu-aarch64") if kind == "qemu" else ("gcc",))]
    missing = [tool for tool in wanted if shutil.which(tool) is None]
    if not missing:
        return ""
    packages = PACKAGES if kind == "qemu" else "gcc make"
    return f"{' and '.join(missing)} not found: sudo apt install {packages}"


def build_runner(where: Path, kind: str = "twin") -> Runner:
    """Build in directory ``where``.

    Parameters
    ----------
    kind : str
        "twin": portable C for this machine. "qemu": NEON code for the board, run under
        qemu-aarch64. "sanitized", "threads": the twin with sanitizers, for tests.

    Raises
    ------
    ToolError
        A tool is missing, or the build failed.
    """
    if lack := missing_tools(kind):
        raise ToolError(lack)
    arguments, _ = _KINDS[kind]
    # A machine that is itself AArch64 would build NEON code: the twin is the portable one.
    portable = () if kind == "qemu" else ("PORTABLE=1",)
    done = subprocess.run(
        ["make", "-s", "-f", str(SOURCES / "Makefile"), f"OUT={where}", *arguments, *portable,
         "run_cases"],
        # A compiler that is killed leaves its scratch files where the rest goes too.
        capture_output=True, text=True, check=False, cwd=SOURCES,
        env=os.environ | {"TMPDIR": str(where)},
    )  # fmt: skip
    if done.returncode:
        raise ToolError(f"the processor's library does not build: {done.stderr.strip()[-2000:]}")
    return runner_at(where, kind)


def runner_at(where: Path, kind: str) -> Runner:
    """What :func:`build_runner` built in ``where`` before."""
    return Runner((*_KINDS[kind][1], str(where / "run_cases")))
