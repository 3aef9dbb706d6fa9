"""int8 graph to program: steps (what runs together), plan (where and when), emit (commands)."""

from accelgen.schedule.build import schedule
from accelgen.schedule.parts import schedule_parts
from accelgen.schedule.single import single_step

__all__ = ["schedule", "schedule_parts", "single_step"]
