"""The processor in a simulation: the C library, built once and kept."""

from __future__ import annotations

import subprocess
from pathlib import Path

from accelgen.cache import cache_directory, cached, hash_of
from accelgen.errors import ConfigError, ToolError
from accelgen.ps.runner import CROSS, SOURCES, Runner, build_runner, missing_tools, runner_at

__all__ = ["PROCESSORS", "processor"]

#: "twin": portable C on this machine; "qemu": NEON code under qemu-aarch64.
PROCESSORS = ("twin", "qemu")


def processor(kind: str = "twin") -> Runner:
    """The library's case runner, from the cache or built now.

    Raises
    ------
    ConfigError
        There is no such kind.
    ToolError
        A compiler or the emulator is missing, or the build failed.
    """
    if kind not in PROCESSORS:
        raise ConfigError(f"unknown processor {kind!r}; known: {', '.join(PROCESSORS)}")
    if lack := missing_tools(kind):
        raise ToolError(f"PS steps cannot run: {lack}")
    compiler = f"{CROSS}gcc" if kind == "qemu" else "gcc"
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True).stdout
    texts = [f.read_bytes() for f in sorted(SOURCES.iterdir()) if f.is_file()]

    def make(where: Path) -> None:
        build_runner(where, kind)

    return runner_at(cached(cache_directory() / "ps", hash_of(kind, version, *texts), make), kind)
