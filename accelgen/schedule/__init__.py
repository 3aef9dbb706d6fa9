"""int8 graph to program: fusion, memory, tiles, commands, weight image."""

from accelgen.schedule.build import schedule
from accelgen.schedule.layout import pack_tensor, unpack_tensor
from accelgen.schedule.parts import schedule_parts
from accelgen.schedule.program import Command, Placement, Program, PsStep, Step
from accelgen.schedule.single import single_step
from accelgen.schedule.text import program_text

__all__ = [
    "Command",
    "Placement",
    "Program",
    "PsStep",
    "Step",
    "pack_tensor",
    "program_text",
    "schedule",
    "schedule_parts",
    "single_step",
    "unpack_tensor",
]
