"""A board: the golden model behind registers, and a cache that nothing keeps coherent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelgen.arch.registers import CAUSES, CONTROL, LOG_BASE, STATUS, offset_of
from accelgen.golden import interpret
from accelgen.golden.arith import dequantize_array, quantize_array
from accelgen.program import pack_tensor, unpack_tensor
from accelgen.simulation import functional
from accelgen.simulation.check import golden_tensors

__all__ = ["CommandBoard", "FakeBoard", "FakeMemory", "expected"]

BUSY, DONE, ERROR, ABORTED = (1 << STATUS[n] for n in ("busy", "done", "error", "aborted"))


class FakeMemory:
    """``array`` is the processor's cache, ``dram`` what the accelerator sees; above 4 GiB."""

    address = 0x8_0001_0000

    def __init__(self, size):
        self.dram = bytearray(np.random.default_rng(1).bytes(size))
        self.array = np.random.default_rng(2).integers(0, 256, size, np.uint8)
        self.log = []

    def flush(self, offset, size):
        self.log.append(("flush", offset, size))
        self.dram[offset : offset + size] = self.array[offset : offset + size].tobytes()

    def invalidate(self, offset, size):
        self.log.append(("invalidate", offset, size))
        self.array[offset : offset + size] = np.frombuffer(self.dram, np.uint8)[
            offset : offset + size
        ]


class FakeBoard:
    """Registers as docs/registers.md has them.

    A frame is computed when it starts and over ``looks`` looks at the status later (never with
    None). ``fault``, if set, is what happens to the next one: a cause's name. Of a frame in parts
    each program is one; the one that ``fault_part`` counts from now on, from 0, gets the fault.
    """

    def __init__(self, program, places, looks=1):
        self.program, self.places, self.looks = program, places, looks
        self.fault, self.closed, self.left = "", False, 0
        self.fault_part = 0
        self.buffer = None
        self.values = {
            offset_of("id"): 0x41434732, offset_of("config"): program.arch.crc,
            offset_of("cycles"): 1234, offset_of("execs"): 2,
            LOG_BASE: 600, LOG_BASE + 4: 1200,
        }  # fmt: skip
        self.frames = []  # places of the programs that ran
        self.parts = []  # and which of the frame's each was

    def memory(self, size):
        self.buffer = FakeMemory(size)
        return self.buffer

    def close(self):
        self.closed = True

    def get(self, name):
        return self.values.get(offset_of(name), 0)

    def set(self, name, value):
        self.values[offset_of(name)] = value

    def read(self, offset):
        value = self.values.get(offset, 0)
        if offset == offset_of("status") and value & BUSY and self.left:
            self.left -= 1
            if not self.left:
                self._end()
        return value

    def write(self, offset, value):
        assert 0 <= value < 1 << 32
        if offset == offset_of("status"):
            self.set("status", self.get("status") & ~(value & ~BUSY))
            return
        if offset != offset_of("control"):
            assert not self.get("status") & BUSY
            self.values[offset] = value
        elif value >> CONTROL["abort"] & 1:
            self.left = 0
            self.set("status", ABORTED)
            self.set("cause", CAUSES["aborted"][0])
        elif value >> CONTROL["start"] & 1 and not self.get("status") & BUSY:
            self.set("status", self.get("status") & ~DONE | BUSY)
            self.left = self.looks

    def _end(self):
        if self.fault and self.fault_part:
            self.fault_part -= 1
        elif self.fault:
            self.set("cause", CAUSES[self.fault][0] | 2 << 8)
            self.set("error_address", 0xC000)
            self.set("status", ERROR)
            self.fault = ""
            return
        self._compute()
        self.set("status", self.get("status") & ~BUSY | DONE)

    def _compute(self):
        memory = self.buffer
        base = self.get("base_low") | self.get("base_high") << 32
        assert (base, self.get("image_bytes")) == (memory.address, self.places.image_bytes)
        offset = self.get("program_offset")
        ((index, part, place),) = (
            (i, part, k)
            for i, part in enumerate(self.places.parts)
            for k in (0, 1)
            if part.programs[k].offset == offset
        )
        assert self.get("program_bytes") == part.programs[place].size
        for section in self.places.sections:
            found = memory.dram[section.offset : section.offset + len(section.data)]
            assert bytes(found) == section.data
        self._run(part, place)
        self.frames.append(place)
        self.parts.append(index)

    def _run(self, part, place):
        arch, dram = part.program.arch, self.buffer.dram
        given = {
            spot.tensor: unpack_tensor(
                dram[spot.offset : spot.offset + spot.size_bytes], spot, arch
            )
            for spot in part.inputs[place]
        }
        tensors = golden_tensors(part.program, given)
        for output in part.outputs[place]:
            data = pack_tensor(tensors[output.tensor][0], output, arch)
            dram[output.offset : output.offset + len(data)] = data


class CommandBoard(FakeBoard):
    """Runs the commands that lie in memory, by the functional simulator: not the golden model."""

    def _run(self, part, place):
        program = replace(
            part.program, program_offset=part.programs[place].offset, image=b"", image_bytes=0,
            inputs=(), outputs=part.outputs[place], kept={},
        )  # fmt: skip
        machine = functional._Machine(program, {})
        machine.ddr = self.buffer.dram
        machine.run(None)


def expected(digits, x):
    """The model's outputs of one NCHW picture, int8 and float."""
    graph = digits[0].graph
    q = quantize_array(x.transpose(1, 2, 0), graph.tensors[graph.input].quantization)
    values = interpret(graph, q[None])
    (name,) = graph.outputs
    return name, values[name], dequantize_array(values[name], graph.tensors[name].quantization)
