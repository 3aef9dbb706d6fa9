"""Does this board compute what it should? ``python3 selftest.py``, in the package's directory.

Tests the registers, the memory, and one frame whose every output is known (``expected.npz``). What
differs is named: the first tensor in the order in which they are made, its layer and its element.
Then a table of cycles per layer. A package built with ``--keep-all`` has every tensor to compare.

Exit status: 0 all well, 1 something differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Selftest", "main"]

#: Patterns that a register of addresses or sizes must hold: both values of every bit.
PATTERNS = {
    "base_low": (0x55555000, 0xAAAAA000),
    "base_high": (0x55, 0xAA),
    "program_offset": (0x55555500, 0xAAAAAA00),
    "program_bytes": (0x55555500, 0xAAAAAA00),
}


class Row(NamedTuple):
    """A step's cycles, None where nothing is known."""

    name: str
    estimated: int | None
    simulated: int | None
    board: int | None


class Selftest:
    """The tests of one package, on an accelerator that the driver opened."""

    def __init__(self, accelerator: Any, where: Any = ".") -> None:
        self.accelerator = accelerator
        self.where = Path(where)
        self.manifest: dict[str, Any] = accelerator.manifest
        self.parts: list[tuple[dict[str, int], list[int]]] = []
        with np.load(self.where / "expected.npz") as stored:
            self.expected = {name: stored[name] for name in stored.files}

    def run(self, say: Callable[[str], None] = print) -> bool:
        """All tests, a line each, and the table. True when all is well."""
        well = True
        for name, test in (
            ("registers", self.registers),
            ("memory", self.memory),
            ("transfer", self.transfer),
            ("picture", self.picture),
            ("frame", self.frame),
        ):
            faults: list[str] = []
            try:
                told = test(faults.append)
            # Whatever stops a test is what the user has to see, not a traceback.
            except Exception as error:
                told = ""
                faults.append(f"{type(error).__name__}: {error}")
            if told or faults:
                say(
                    f"{name:10} {'WRONG' if faults else 'ok':6} {told if not faults else faults[0]}"
                )
            for fault in faults[1:]:
                say(f"{'':17} {fault}")
            well = well and not faults
            if faults and name != "picture":
                break  # what follows would fail for the same reason
        else:
            say("")
            for line in table(self.layers()):
                say(line)
        say("")
        say("all well" if well else "something is wrong: README.md says what to look at")
        return well

    def registers(self, fault: Callable[[str], None]) -> str:
        """The hardware is the package's, and its registers hold what is written."""
        registers = self.accelerator.registers
        registers.check()
        for name, patterns in PATTERNS.items():
            for pattern in patterns:
                registers.write(name, pattern)
                found = registers.read(name)
                if found != pattern:
                    fault(f"{name} holds {found:#010x} after {pattern:#010x} was written")
        self.accelerator.load()
        return f"configuration {self.manifest['config_crc']:#010x}"

    def memory(self, fault: Callable[[str], None]) -> str:
        """The image holds the program: written, out of the cache, and read again."""
        memory = self.accelerator.memory
        data = (self.where / "program.bin").read_bytes()
        at = 0
        for section in self.manifest["sections"]:
            first, size = section["offset"], section["bytes"]
            memory.invalidate(first, size)
            found = bytes(memory.array[first : first + size])
            if found != data[at : at + size]:
                wrong = np.flatnonzero(
                    np.frombuffer(found, np.uint8) != np.frombuffer(data[at : at + size], np.uint8)
                )
                fault(f"byte {first + int(wrong[0]):#x} of the image is not what was written")
            at += size
        return f"{len(data):,} bytes at {memory.address:#x}, CRC-32 {zlib.crc32(data):#010x}"

    def transfer(self, fault: Callable[[str], None]) -> str:
        """The accelerator copies bytes from one place of the image to another, and computes
        nothing: both memory ports work."""
        accelerator, memory = self.accelerator, self.accelerator.memory
        there = self.manifest["loopback"]
        source, target, size = there["source"], there["target"], there["bytes"]
        program = np.frombuffer(bytes.fromhex(there["program"]), np.uint8)
        pattern = np.random.default_rng(1).integers(0, 256, size).astype(np.uint8)
        for offset, data in ((0, program), (source, pattern), (target, ~pattern)):
            memory.array[offset : offset + len(data)] = data
            memory.flush(offset, len(data))
        try:
            accelerator.turns.start(0, len(program))
            accelerator.turns.wait(10.0)
            memory.invalidate(target, size)
            wrong = np.flatnonzero(memory.array[target : target + size] != pattern)
            if wrong.size:
                fault(
                    f"byte {target + int(wrong[0]):#x} of the image is not what lies at "
                    f"{source + int(wrong[0]):#x}; {wrong.size:,} of {size:,} are wrong"
                )
        finally:
            accelerator.recover()
        return f"{size:,} bytes from memory to the accelerator and back"

    def picture(self, fault: Callable[[str], None]) -> str:
        """The sample picture becomes the expected input on this machine too."""
        file = self.where / "sample.png"
        if not file.exists():
            return ""
        from picture import Preprocess, quantized, read_picture

        how = Preprocess.from_dict(self.manifest["preprocess"])
        place = self.manifest["input"]
        got = quantized(read_picture(file, how.order), how, place["scale"], place["zero_point"])
        wrong = int(np.count_nonzero(got.reshape(-1) != self.expected["input"].reshape(-1)))
        if wrong:
            fault(f"sample.png becomes another input: {wrong:,} of {got.size:,} bytes differ")
        return f"{file.name}: {how}"

    def frame(self, fault: Callable[[str], None]) -> str:
        """One frame from the expected input: every tensor in memory, and the model's outputs."""
        accelerator = self.accelerator
        outputs = self._run()
        compared = 0
        for name, nodes, want in self.tensors():
            got = accelerator.tensor(name)
            compared += 1
            if not np.array_equal(got, want):
                fault(difference(name, nodes, got, want))
                if not self.manifest["kept"]:
                    fault("to find the layer: accelgen build --keep-all --program-only")
                return ""
        for i, output in enumerate(self.manifest["model_outputs"]):
            got, want = outputs[output["name"]], self.expected[f"output_{i}"]
            if not np.allclose(got.reshape(-1), want.reshape(-1), rtol=1e-5, atol=1e-6):
                fault(f"output {output['name']!r} differs, what the accelerator left does not: "
                      "the processor's part is wrong")  # fmt: skip
        cycles = sum(c["cycles"] for c, _ in (*self.parts, self._registers()))
        outputs_right = len(outputs)
        return f"{cycles:,} cycles; right: tensors in memory, {compared}; outputs, {outputs_right}"

    def _run(self) -> dict[str, np.ndarray]:
        """The frame, noting what the registers say after each part but the last: they still do
        after that one."""
        self.parts = []
        self.accelerator.after_part = lambda: self.parts.append(self._registers())
        try:
            return self.accelerator.run(self.given)
        finally:
            self.accelerator.after_part = None

    def _registers(self) -> tuple[dict[str, int], list[int]]:
        return self.accelerator.counters(), self.accelerator.step_log()

    @property
    def given(self) -> Any:
        """The expected frame's input; of several each, by name."""
        several = self.manifest.get("inputs")
        if several is None:
            return self.expected["input"]
        return {place["tensor"]: self.expected[f"input_{i}"] for i, place in enumerate(several)}

    def tensors(self) -> Iterator[tuple[str, list[str], np.ndarray]]:
        """What a frame leaves in memory, in the order in which it is made: name, layers, values."""
        for i, place in enumerate(self.manifest["expected"]):
            yield place["tensor"], place["nodes"], self.expected[f"tensor_{i}"]

    def layers(self) -> list[Row]:
        """Name and cycles of each step: estimated, simulated, on this board."""
        logs = []
        for counters, log in (*self.parts, self._registers()):
            first = counters["execs"] - len(log)
            logs.append({first + i: end for i, end in enumerate(log)})
        simulated = self.simulated()
        rows = []
        for step in self.manifest["layers"]:
            spent: int | None = 0
            ends = logs[step["part"]]
            for i in step["execs"]:
                # An EXEC's cycles are those since the one before it, so that steps add up.
                known = i in ends and (i == 0 or i - 1 in ends)
                if spent is not None and known:
                    spent += ends[i] - (ends[i - 1] if i else 0)
                else:
                    spent = None  # the log keeps the last 2,048
            name = step["nodes"][0]
            title = " + ".join(step["nodes"])
            rows.append(Row(title, step["cycles"], simulated.get(name), spent))
        return rows

    def simulated(self) -> dict[str, int]:
        """Cycles by a step's first layer, if ``accelgen simulate`` left some for this program."""
        try:
            stored = json.loads((self.where / "simulated.json").read_text())
        except (OSError, ValueError):
            return {}
        program = (self.where / "program.bin").read_bytes()
        if stored.get("program") != hashlib.sha256(program).hexdigest():
            return {}
        return stored["cycles"]


def difference(name: str, nodes: list[str], got: np.ndarray, want: np.ndarray) -> str:
    """A sentence: tensor, layer, first element that differs, how many do."""
    made = f" (layer {', '.join(nodes)})" if nodes else ""
    if got.shape != want.shape:
        return f"tensor {name!r}{made} has shape {got.shape}, not {want.shape}"
    wrong = np.argwhere(got != want)
    first = tuple(int(i) for i in wrong[0])
    return (
        f"tensor {name!r}{made} first differs at (h, w, c) = {first}: expected {want[first]}, got "
        f"{got[first]}; {len(wrong):,} of {want.size:,} elements are wrong"
    )


def table(rows: list[Row], width: int = 48) -> Iterator[str]:
    """Lines of the table of cycles; "-" where nothing is known."""
    head = ("estimated", "simulated", "board")
    yield f"{'layer':{width}} {head[0]:>12} {head[1]:>12} {head[2]:>12}   cycles"
    for row in [*rows, Row("all", *(_total([row[i] for row in rows]) for i in (1, 2, 3)))]:
        name = row.name if len(row.name) <= width else row.name[: width - 3] + "..."
        cells = " ".join(f"{'-' if n is None else format(n, ','):>12}" for n in row[1:])
        yield f"{name:{width}} {cells}"


def _total(column: list[Any]) -> int | None:
    return None if None in column else sum(column)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Test this package on this board.")
    parser.add_argument("--bitstream", help="accelgen.bit, or a directory to look for one")
    options = parser.parse_args(arguments)
    from driver import open_package

    where = Path(__file__).resolve().parent
    with open_package(where, bitstream=options.bitstream) as accelerator:
        return 0 if Selftest(accelerator, where).run() else 1


if __name__ == "__main__":
    sys.exit(main())
