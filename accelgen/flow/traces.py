"""A frame as a picture of time: each unit of the accelerator, and the processor, on a track."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from accelgen.deploy.output import new_file
from accelgen.display.trace import Slice, chrome_trace
from accelgen.errors import ConfigError
from accelgen.estimator.slices import TRACKS, estimated_slices, starts, step_slices
from accelgen.flow.compiled import Compiled, estimated
from accelgen.flow.simulated import Simulated

__all__ = ["trace", "write_trace"]


def trace(compiled: Compiled, simulated: Simulated | None = None) -> dict[str, Any]:
    """A frame of ``compiled`` as a Chrome trace (:mod:`accelgen.display.trace`), for JSON.

    Process "estimated": tracks ``steps`` (its slices follow one another and add up to the frame's
    cycles), ``weights``, ``load``, ``array``, ``window``, ``store``, ``ps`` and ``ps input``. With
    a frame that was ``simulated``, process "simulated" before it: ``steps`` as the step log has
    them.

    Raises
    ------
    ConfigError
        ``simulated`` has no frame.
    """
    numbers, hardware = estimated(compiled), compiled.hardware
    about: dict[str, Any] = {
        "model": compiled.name, "board": hardware.board.name, "clock_mhz": numbers.clock_mhz,
        "estimated_cycles": numbers.cycles,
    }  # fmt: skip
    runs: dict[str, tuple[Slice, ...]] = {}
    if simulated is not None:
        if simulated.frame is None:
            raise ConfigError("a trace is of a whole frame, and only layers were simulated")
        about["simulated_cycles"] = simulated.frame.cycles
        runs["simulated"] = _simulated(compiled, simulated)
    runs["estimated"] = estimated_slices(compiled.parts, numbers, hardware.memory)
    return chrome_trace(runs, TRACKS, numbers.clock_mhz, about)


def write_trace(where: str | Path, compiled: Compiled, simulated: Simulated | None = None) -> None:
    """:func:`trace` as a file; one there is replaced."""
    text = json.dumps(trace(compiled, simulated))
    with new_file(Path(where)) as scratch:
        scratch.write_text(text)


def _simulated(compiled: Compiled, simulated: Simulated) -> tuple[Slice, ...]:
    numbers = estimated(compiled)
    first = starts(numbers.ps, [cycles for _, cycles in simulated.ends], numbers.clock_mhz)
    return tuple(
        piece
        for program, (ends, cycles), begin in zip(
            compiled.parts, simulated.ends, first, strict=True
        )
        for piece in step_slices(program, ends, cycles, begin)
    )
