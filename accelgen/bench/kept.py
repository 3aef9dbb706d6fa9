"""Results kept by what they depend on: a rerun simulates only what changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from accelgen.cache import cache_directory, cached, hash_of
from accelgen.errors import ToolError
from accelgen.simulation.toolchain import sim_directory
from accelgen.untrusted import read_json

__all__ = ["kept", "kept_estimate"]

_PACKAGE = Path(__file__).parents[1]
#: What judges the hardware's results and counts its cycles.
_JUDGES = ("golden", "program", "simulation", "ps", "estimator")

Result = dict[str, Any]


def kept(parts: Sequence[str | bytes], make: Callable[[], Result]) -> tuple[Result, bool]:
    """The result that ``parts`` (Verilog, program, input, settings) lead to, and whether it was
    there; else ``make`` simulates it."""
    return _kept(hash_of(*parts, *_judges()), make)


def kept_estimate(what: str, make: Callable[[], Result]) -> Result:
    """The estimate of ``what``; it depends on every source of the package."""
    return _kept(hash_of(what, *_texts(_PACKAGE.rglob("*.py"))), make)[0]


@cache
def _judges() -> tuple[bytes, ...]:
    """Bench and golden model: what a result depends on besides its parts."""
    files = [f for name in _JUDGES for f in (_PACKAGE / name).rglob("*.py")]
    files.append(_PACKAGE / "flow" / "simulated.py")
    files += [f for d in ("tb", "cocotb") for f in (sim_directory() / d).iterdir() if f.is_file()]
    return _texts(files)


def _texts(files: Any) -> tuple[bytes, ...]:
    return tuple(f.read_bytes() for f in sorted(files))


def _kept(key: str, make: Callable[[], Result]) -> tuple[Result, bool]:
    made: list[Result] = []

    def fill(where: Path) -> None:
        made.append(make())
        (where / "result.json").write_text(json.dumps(made[0]))

    entry = cached(cache_directory() / "bench", key, fill)
    file = entry / "result.json"
    result = read_json(file, "kept result", ToolError)
    if not isinstance(result, dict):
        raise ToolError(f"kept result {file} is damaged: delete it")
    return result, not made
