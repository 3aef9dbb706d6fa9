"""The real command in a process of its own, watched until something happens in it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from accelgen.arch import PRESETS
from accelgen.cache import cache_directory
from accelgen.rtl.design import design_verilog

__all__ = ["Command", "with_shelves"]


def with_shelves(cache: Path, *shelves: str) -> Path:
    """Let ``cache`` have what this process's cache has on these shelves, ``small``'s Verilog and
    Verilator's run time among it: a command comes sooner to what a test waits for."""
    design_verilog(PRESETS["small"])
    cache.mkdir()
    for shelf in shelves:
        (cache / shelf).mkdir()
        for entry in (cache_directory() / shelf).glob("[!.]*"):
            if entry.is_dir():
                (cache / shelf / entry.name).symlink_to(entry)
    return cache


class Command:
    """``accelgen`` with ``arguments``, its scratch files below ``tmp`` and, unless ``cache`` says
    otherwise, its cache too. ``before``: a command that runs it. Use as a context: nothing of it
    outlives the block."""

    def __init__(
        self, tmp: Path, *arguments, cache: Path | None = None, imports=False, before=(), **popen
    ):
        self.tmp = tmp / "scratch"
        self.tmp.mkdir(exist_ok=True)
        self.cache = cache or tmp / "cache"
        self.mark = f"ACCELGEN_TEST_MARK={tmp}"
        name, _, value = self.mark.partition("=")
        self.err = tmp / "stderr.txt"
        with self.err.open("w") as err:
            self.process = subprocess.Popen(
                [*map(str, before), *self.line(*arguments, imports=imports)],
                env=os.environ
                | {name: value, "TMPDIR": str(self.tmp), "ACCELGEN_CACHE": str(self.cache)},
                start_new_session=True, text=True,
                **{"stdout": subprocess.DEVNULL, "stderr": err, "preexec_fn": _minded, **popen},
            )  # fmt: skip

    @staticmethod
    def line(*arguments, imports=False) -> list[str]:
        """The command; with ``imports`` Python says on stderr what it has loaded."""
        watched = ["-X", "importtime"] if imports else []
        return [sys.executable, *watched, "-m", "accelgen", *map(str, arguments)]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        """stderr so far, without the lines of -X importtime."""
        lines = self.err.read_text().splitlines()
        return "\n".join(line for line in lines if not line.startswith("import time:"))

    def imported(self, module: str) -> bool:
        """``module`` is loaded."""
        return any(
            line.split("|")[-1].strip() == module for line in self.err.read_text().splitlines()
        )

    def processes(self) -> list[int]:
        """It and all it started that are still there, by what is in their environment."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                inside = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if alive and self.mark.encode() in inside:
                found.append(int(entry.name))
        return found

    def programs(self) -> set[str]:
        """Names of their executables."""
        names = set()
        for process in self.processes():
            try:
                names.add(Path(f"/proc/{process}/comm").read_text().strip())
            except OSError:
                continue
        return names

    def until(self, condition, seconds=300) -> None:
        """Wait for it; the process must not end before."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"ended before its time: {self.said()}"
            assert time.monotonic() < end, "nothing happened"
            time.sleep(0.02)

    def told(self, number: int, *, group=False) -> tuple[int, float]:
        """Send a signal, to the process alone or as a terminal does; status and seconds."""
        begin = time.monotonic()
        (os.killpg if group else os.kill)(self.process.pid, number)
        status = self.process.wait(60)
        return status, time.monotonic() - begin


def _minded():
    """A test run in the background of a shell hands down that interrupts are ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
