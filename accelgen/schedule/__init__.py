"""int8 graph to program: steps (what runs together), plan (where and when), emit (commands)."""

from accelgen.schedule.build import schedule
from accelgen.schedule.parts import plan_parts, rounded_without_room, schedule_parts
from accelgen.schedule.single import single_step

__all__ = [
    "plan_parts", "rounded_without_room", "schedule", "schedule_parts", "single_step",
]  # fmt: skip
