"""One of the two programs of :func:`accelgen.program.places.two_places`, as a Program."""

from __future__ import annotations

from dataclasses import replace

from accelgen.program.encode import command_bytes, decode_command

__all__ = ["program_at"]


def program_at(program, places, place):
    """What the hardware does for ``place``, decoded from where its commands are.

    In the image that goes with it they are where program 0's are, so that the functional simulator
    knows which part of it holds no tensors.
    """
    image = bytearray(places.image_bytes)
    for section in places.sections:
        image[section.offset : section.offset + len(section.data)] = section.data
    entry, commands = places.programs[place], []
    at = entry.offset
    for command in program.commands:
        commands.append(decode_command(memoryview(image)[at:]))
        at += command_bytes(command.opcode)
    first = bytearray(program.image)
    size = at - entry.offset
    first[program.program_offset : program.program_offset + size] = image[entry.offset : at]
    return replace(
        program, commands=tuple(commands), image=bytes(first), image_bytes=places.image_bytes,
        input=places.inputs[place], inputs=(places.inputs[place],),
        outputs=places.outputs[place], kept={},
    )  # fmt: skip
