"""Host driver of a generated accelerator: registers, memory image, one frame.

Stands alone: this file is copied into every package and needs Python 3.8 and numpy only. It talks
to a *bus* (AXI4-Lite registers) and a *memory* (a physically contiguous buffer); on a PYNQ board
:func:`open_package` makes both, in simulation the bench does. The rest is the same code.

    from driver import open_package
    accelerator = open_package(".")          # loads the bitstream and the program
    logits = accelerator.run(image)["logits"]
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "Accelerator",
    "DriverError",
    "dequantize",
    "open_package",
    "pack_map",
    "quantize",
    "unpack_map",
]


class DriverError(Exception):
    """The hardware is not what the package was made for, or did not finish."""


class Accelerator:
    """One accelerator with one program in its memory.

    Parameters
    ----------
    bus : object with ``read(offset) -> int`` and ``write(offset, value)``
        32-bit registers at byte offsets.
    memory : object with ``address``, ``write(offset, bytes)`` and ``read(offset, size) -> bytes``
        ``manifest["image_bytes"]`` bytes that the accelerator sees at ``address`` (a multiple of
        4096); coherent, or cleaned and invalidated by these calls.
    manifest : mapping
        Contents of ``manifest.json``.
    """

    def __init__(self, bus: Any, memory: Any, manifest: Mapping[str, Any]):
        self.bus = bus
        self.memory = memory
        self.manifest = manifest
        self._offsets = manifest["registers"]
        self._control = manifest["control_bits"]
        self._status = manifest["status_bits"]

    # Registers.

    def read(self, name: str) -> int:
        """Value of register ``name``."""
        return int(self.bus.read(self._offsets[name]))

    def write(self, name: str, value: int) -> None:
        """Set register ``name``."""
        self.bus.write(self._offsets[name], value & 0xFFFFFFFF)

    def check(self) -> None:
        """Raise DriverError unless this is the hardware the program was compiled for."""
        expected, found = self.manifest["id"], self.read("id")
        if found != expected:
            raise DriverError(f"no accelgen accelerator here: id is {found:#x}, not {expected:#x}")
        expected, found = self.manifest["config_crc"], self.read("config")
        if found != expected:
            raise DriverError(
                f"the bitstream's configuration is {found:#010x}, the program is for "
                f"{expected:#010x}: {self.manifest['config']}; build one of them again"
            )

    # One frame.

    def load(self, image: bytes) -> None:
        """Check the hardware, then put program and weights into memory."""
        self.check()
        self.memory.write(0, image)
        self.write("base_low", self.memory.address)
        self.write("base_high", self.memory.address >> 32)
        for name in ("image_bytes", "program_offset", "program_bytes"):
            self.write(name, self.manifest[name])

    def run(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """One frame: floats in the model's own order in, the model's outputs (floats) out."""
        self.set_input(self.quantize_input(x))
        self.start()
        self.wait()
        return self.finish(self.outputs())

    def quantize_input(self, x: np.ndarray) -> np.ndarray:
        """Input of the ONNX model as int8, NHWC."""
        if self.manifest["input_layout"] == "nchw" and np.ndim(x) == 4:
            x = np.transpose(x, (0, 2, 3, 1))
        return quantize(x, self.manifest["input"])

    def set_input(self, x: np.ndarray) -> None:
        """Put an int8 map (NHWC) where the program reads it."""
        place = self.manifest["input"]
        self.memory.write(place["offset"], pack_map(x, place, self.manifest["lanes"]))

    def start(self, interrupt: bool = False) -> None:
        """Start the program; with ``interrupt``, the line rises when it is done."""
        bits = 1 << self._control["start"]
        if interrupt:
            bits |= 1 << self._control["irq_enable"]
        self.write("control", bits)

    def wait(self, timeout_seconds: float = 10.0) -> None:
        """Poll until done. Raises DriverError on an AXI error or when time is up."""
        end = time.monotonic() + timeout_seconds
        while not self.done():
            if time.monotonic() > end:
                raise DriverError(f"not done after {timeout_seconds} s: {self.counters()}")

    def done(self) -> bool:
        """The program has completed. Raises DriverError when the bus answered with an error."""
        status = self.read("status")
        if status >> self._status["error"] & 1:
            raise DriverError(f"AXI error at address {self.read('error_address'):#x}")
        return bool(status >> self._status["done"] & 1)

    def clear(self) -> None:
        """Take status and interrupt back."""
        self.write("status", sum(1 << bit for bit in self._status.values()))

    def outputs(self) -> dict[str, np.ndarray]:
        """int8 maps (NHWC) the program left in memory, by tensor."""
        return {place["tensor"]: self.tensor(place) for place in self.manifest["outputs"]}

    def tensor(self, place: Mapping[str, Any]) -> np.ndarray:
        """One int8 map (NHWC) from memory."""
        raw = self.memory.read(place["offset"], place["groups"] * place["stride"])
        return unpack_map(raw, place, self.manifest["lanes"])

    def finish(self, maps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Dequantize, compute what is left to the processor, name the model's outputs."""
        places = {place["tensor"]: place for place in self.manifest["outputs"]}
        values = {name: dequantize(x, places[name]) for name, x in maps.items()}
        for step in self.manifest["ps_steps"]:
            if step["op"] != "Softmax":
                raise DriverError(f"'{step['node']}': the driver does not compute {step['op']}")
            values[step["output"]] = _softmax(values[step["inputs"][0]])
        return {name: _model_order(values[name]) for name in self.manifest["model_outputs"]}

    # After a frame.

    def counters(self) -> dict[str, int]:
        """All registers that count."""
        return {name: self.read(name) for name in self.manifest["counters"]}

    def step_log(self) -> list[int]:
        """Cycle at which each EXEC of the program completed (the last 2,048 of them)."""
        log, words = self.manifest["log_base"], self.manifest["log_words"]
        count = self.read("execs")
        first = max(0, count - words)
        return [int(self.bus.read(log + 4 * (i % words))) for i in range(first, count)]


# Maps between numpy's order and the accelerator's.


def pack_map(x: np.ndarray, place: Mapping[str, Any], lanes: int) -> bytes:
    """int8 (1, h, w, c) as bytes; group g, pixel p, lane l at ``g * stride + p * lanes + l``."""
    height, width, channels = place["shape"]
    pixels = np.asarray(x, np.int8).reshape(height * width, channels)
    out = np.zeros((place["groups"], place["stride"]), np.int8)
    slots = np.asarray(place["slots"]).reshape(place["groups"], lanes)
    for group in range(place["groups"]):
        block = np.zeros((height * width, lanes), np.int8)
        used = slots[group] >= 0
        block[:, used] = pixels[:, slots[group][used]]
        out[group, : block.size] = block.reshape(-1)
    return out.tobytes()


def unpack_map(raw: bytes, place: Mapping[str, Any], lanes: int) -> np.ndarray:
    """Inverse of :func:`pack_map`."""
    height, width, channels = place["shape"]
    data = np.frombuffer(bytes(raw), np.int8).reshape(place["groups"], place["stride"])
    slots = np.asarray(place["slots"]).reshape(place["groups"], lanes)
    out = np.zeros((height * width, channels), np.int8)
    for group in range(place["groups"]):
        block = data[group, : height * width * lanes].reshape(height * width, lanes)
        used = slots[group] >= 0
        out[:, slots[group][used]] = block[:, used]
    return out.reshape(1, height, width, channels)


def quantize(x: np.ndarray, place: Mapping[str, Any]) -> np.ndarray:
    """Floats to int8: round half to even, saturate."""
    scaled = np.rint(np.asarray(x, np.float32) / np.float32(place["scale"])) + place["zero_point"]
    return np.clip(scaled, -128, 127).astype(np.int8)


def dequantize(x: np.ndarray, place: Mapping[str, Any]) -> np.ndarray:
    """int8 to floats."""
    return (x.astype(np.float32) - place["zero_point"]) * np.float32(place["scale"])


def _model_order(x: np.ndarray) -> np.ndarray:
    """NHWC to what ONNX models give: (1, c) for vectors, else NCHW."""
    nchw = np.transpose(x, (0, 3, 1, 2))
    return nchw.reshape(nchw.shape[:2]) if nchw.shape[2:] == (1, 1) else nchw


def _softmax(x: np.ndarray) -> np.ndarray:
    shifted = np.exp(x - x.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


# A PYNQ board.


class _PynqMemory:
    """A contiguous buffer with cache maintenance."""

    def __init__(self, size: int):
        import pynq

        self.buffer = pynq.allocate(shape=(size,), dtype=np.uint8)
        self.address = self.buffer.device_address

    def write(self, offset: int, data: bytes) -> None:
        self.buffer[offset : offset + len(data)] = np.frombuffer(data, np.uint8)
        self.buffer.flush()

    def read(self, offset: int, size: int) -> bytes:
        self.buffer.invalidate()
        return self.buffer[offset : offset + size].tobytes()


def open_package(where: str = ".", bitstream: str | None = None) -> Accelerator:
    """The accelerator of a package directory on a PYNQ board, program loaded.

    ``bitstream`` is by default ``where/accelgen.bit``: Vivado makes it from ``build.tcl``.
    """
    import pynq

    directory = Path(where)
    manifest = json.loads((directory / "manifest.json").read_text())
    overlay = pynq.Overlay(str(bitstream or directory / "accelgen.bit"))
    accelerator = Accelerator(
        overlay.accelgen_0.mmio, _PynqMemory(manifest["image_bytes"]), manifest
    )
    accelerator.load((directory / "program.bin").read_bytes())
    return accelerator
