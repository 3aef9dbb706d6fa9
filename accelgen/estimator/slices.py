"""What each unit does when, in cycles since the frame's start: slices of a time line, for a picture
of it.

A frame of programs P0, P1, ... with the processor between them lies on one line: the accelerator
stands still, and no slice is there, while the processor computes what only it can. What the
processor does after the last program overlaps the next frame, and lies behind this one's end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from accelgen.cost import Memory
from accelgen.display.trace import Slice
from accelgen.estimator.ps import PsEstimate
from accelgen.estimator.report import Estimate
from accelgen.estimator.timeline import Timeline, timeline
from accelgen.program.records import Program

__all__ = ["TRACKS", "estimated_slices", "starts", "step_slices"]

#: Units, in the order in which data pass them: ``steps`` are the whole accelerator's.
TRACKS = ("steps", "weights", "load", "array", "window", "store", "ps", "ps input")

#: Of a program's slices on ``steps``, the last: from the last EXEC's end to done.
END = "end of the program"


def step_slices(
    program: Program, ends: Sequence[float], cycles: float, first: float = 0.0
) -> Iterator[Slice]:
    """Track ``steps``: from one step's end to the next's, and what is left of ``cycles``.

    ``ends``: the cycle in which each EXEC completed (the step log), since the program's start,
    which is cycle ``first`` of the frame. Slices follow one another and add up to ``cycles``.
    """
    step_of = {number: step for step in program.steps for number in step.execs}
    before = 0.0
    for index, numbers in groupby(range(len(ends)), lambda number: step_of[number].index):
        step, some = program.steps[index], list(numbers)
        end = ends[some[-1]]
        args = {
            "layers": list(step.nodes), "engine": step.engine, "cycles": end - before,
            "macs": step.macs, "execs": len(some),
        }  # fmt: skip
        yield Slice(
            track="steps", name=step.nodes[0], start=first + before, end=first + end, args=args
        )
        before = end
    rest = {"cycles": cycles - before}
    yield Slice(track="steps", name=END, start=first + before, end=first + cycles, args=rest)


def starts(ps: PsEstimate, cycles: Sequence[float], clock_mhz: float) -> list[float]:
    """The cycle of the frame in which each program starts, of so many ``cycles`` each: after the
    one before it and what the processor does between them."""
    found, now = [], 0.0
    for part, length in enumerate(cycles):
        found.append(now)
        waits = sum(seconds for _, seconds in _between(ps, part))
        now += length + waits * clock_mhz * 1e6
    return found


def estimated_slices(
    programs: Sequence[Program], numbers: Estimate, memory: Memory
) -> tuple[Slice, ...]:
    """All units of the frame that ``numbers`` is the estimate of."""
    lines = [timeline(p, memory, numbers.competing_bytes_per_cycle) for p in programs]
    cycles = [math.ceil(line.cycles) for line in lines]
    clock_mhz = numbers.clock_mhz
    found: list[Slice] = []
    for part, first in enumerate(starts(numbers.ps, cycles, clock_mhz)):
        program, line = programs[part], lines[part]
        found += step_slices(program, [s.end for s in line.spans], cycles[part], first)
        found += _units(program, line, first)
        found += _in_turn("ps", _between(numbers.ps, part), first + cycles[part], clock_mhz)
    inputs = [(f"{k.node}: {k.op}", k.seconds) for k in numbers.ps.input_kernels]
    found += _in_turn("ps input", inputs, 0.0, clock_mhz)
    return tuple(found)


def _units(program: Program, line: Timeline, first: float) -> Iterator[Slice]:
    """The PE array and the window engine, EXEC by EXEC; the movers, command by command."""
    name_of = {n: step.nodes[0] for step in program.steps for n in step.commands}
    execs = {number: step.nodes[0] for step in program.steps for number in step.execs}
    for number, span in enumerate(line.spans):
        what = {"exec": number}
        track = "array" if span.time.array else "window"
        yield Slice(
            track=track, name=execs[number], start=first + span.front_start,
            end=first + span.front_end, args=what | {"copy": not span.time.array},
        )  # fmt: skip
        if span.time.window_vectors:
            begin = max(span.window_start, span.front_end if not span.time.array else 0.0)
            yield Slice(
                track="window", name=execs[number], start=first + begin, end=first + span.end,
                args=what,
            )  # fmt: skip
    last = dict.fromkeys(TRACKS, 0.0)
    for move in line.moves:
        # The next command is asked for while this one still comes: its slice begins behind it.
        begin = max(move.start, last[move.unit])
        last[move.unit] = end = max(begin, move.end)
        yield Slice(
            track=move.unit, name=name_of.get(move.command, "program"), start=first + begin,
            end=first + end, args={"command": move.command},
        )  # fmt: skip


def _between(ps: PsEstimate, part: int) -> list[tuple[str, float]]:
    """What the processor does after program ``part``, and before the next: name and seconds."""
    out = [
        ("crossing to the PS", c.seconds) for c in ps.crossings if (c.part, c.to) == (part, "ps")
    ]
    work = [(f"{k.node}: {k.op}", k.seconds) for k in ps.kernels if k.part == part]
    back = [
        ("crossing to the PL", c.seconds)
        for c in ps.crossings
        if (c.part, c.to) == (part + 1, "pl")
    ]
    return [*out, *work, *back]


def _in_turn(
    track: str, works: Sequence[tuple[str, float]], now: float, clock_mhz: float
) -> Iterator[Slice]:
    """One after the other from cycle ``now`` on."""
    for name, seconds in works:
        end = now + seconds * clock_mhz * 1e6
        yield Slice(track=track, name=name, start=now, end=end, args={"us": 1e6 * seconds})
        now = end
