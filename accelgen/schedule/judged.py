"""Plans that the look-ahead cannot tell apart are judged by the time line of their commands.

The look-ahead (schedule/overlap.py) follows one step alone, in a model of the engine that counts
cycles: good enough to find cuts among thousands, not to choose among the last few, which differ by
less than its error. So the search leaves some beside its choice (``Tiling.others``). Here each is
put in the first step's place, and the program's beginning is emitted and judged; what begins sooner
must be faster as a whole too: commands and parked weights of late steps come
otherwise when the first ones are others. What a judge is, this package does not know: ``flow``
gives it the estimator's time line. Without one the look-ahead's choice stands: ``check`` only asks
whether there is a plan.

Only the first step's cut is judged. Steps in between hide their neighbours' ends, and of the last
step's cuts the best was at most 28 cycles of a frame away (MobileNetV2, ShuffleNetV2). A program of
one step keeps the look-ahead's cut: its start and end are most of it, and the estimate of those is
no better (bench layer b, on ``ultra96``: 0.5 % fewer cycles estimated, 0.9 % more simulated).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from accelgen.errors import ScheduleError
from accelgen.program.records import Program
from accelgen.schedule.plan.memory import MemoryPlan

__all__ = ["Judge", "judged_plan"]

#: Cycles of a program, or of its beginning.
Judge: TypeAlias = Callable[[Program], float]

#: Steps of a beginning: what the first one leaves to load or store is over by then.
_STEPS = 2
#: Plans that are judged whole, besides the one at hand, until one is faster.
_WHOLE = 2


def judged_plan(
    plan: MemoryPlan, program: Program, emit: Callable[[MemoryPlan, int | None], Program],
    judge: Judge,
) -> tuple[MemoryPlan, Program]:  # fmt: skip
    """``plan`` with its ``program``, or the same with another tiling of the first step, if that
    takes fewer cycles.

    ``emit`` makes a plan's program, or its beginning of so many steps.
    """
    first, *rest = plan.tilings
    if not first.others or not rest:
        return plan, program
    here = judge(emit(plan, _STEPS))
    plans = [replace(plan, tilings=(other, *rest)) for other in first.others]
    begun = sorted((judge(emit(p, _STEPS)), number) for number, p in enumerate(plans))
    for cycles, number in begun[:_WHOLE]:
        if cycles >= here:
            break
        try:
            faster = emit(plans[number], None)
        except ScheduleError:  # more commands than wait counts can say
            continue
        if judge(faster) < judge(program):
            return plans[number], faster
    return plan, program
