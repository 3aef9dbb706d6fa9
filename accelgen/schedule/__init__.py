"""int8 graph to program: fusion, memory, tiles, commands, weight image."""

from accelgen.schedule.build import schedule
from accelgen.schedule.program import Command, Placement, Program, PsStep, Step

__all__ = ["Command", "Placement", "Program", "PsStep", "Step", "schedule"]
