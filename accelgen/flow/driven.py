"""A package's own driver on the simulated accelerator, against the golden model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ConfigError
from accelgen.flow.compiled import Compiled
from accelgen.flow.packages import copy_to_run, open_package
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.inputs.several import random_inputs
from accelgen.scratch import scratch_directory
from accelgen.simulation.driver_loop import ScriptResult, run_script
from accelgen.simulation.toolchain import sim_directory
from accelgen.simulation.verilated import VerilatedSimulator
from accelgen.streamed import Inputs, by_name

__all__ = ["Driven", "drive", "run_in_package"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Driven:
    """What came of driving frames. ``faults`` are sentences: what differs first, and where;
    ``cycles`` are all that passed, frames and what the driver does at once between them."""

    frames: int
    cycles: int
    faults: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "match": not self.faults}


def run_in_package(
    where: Path, script: Path, arguments: Sequence[str] = (),
    say: Callable[[str], None] = lambda line: None, *, edited: bool = False,
) -> ScriptResult:  # fmt: skip
    """Run ``script`` with the package ``where`` as on its board, the accelerator simulated.

    ``edited``: as of :func:`~accelgen.flow.packages.open_package`; without it a script inside the
    package is one of accelgen's.

    Raises ConfigError when there is no such script, ModelError when ``where`` is no package.
    """
    if not script.is_file():
        raise ConfigError(f"there is no script {script}")
    _, simulator = _opened(where, edited)
    with scratch_directory() as scratch:
        copy_to_run(where, scratch / "package", edited=edited)
        if script.resolve().is_relative_to(where.resolve()):
            inside = scratch / "package" / script.resolve().relative_to(where.resolve())
            if not inside.is_file():
                raise ConfigError(
                    f"{script} is a script that accelgen did not write, in a package: move it "
                    "elsewhere, or give --edited if you know what the package holds"
                )
            script = inside
        return run_script(simulator, scratch / "package", script, arguments, say=say)


def drive(
    where: Path, count: int = 2, *, seed: int = 0, inputs: Inputs | None = None,
    say: Callable[[str], None] = lambda line: None, edited: bool = False,
) -> Driven:  # fmt: skip
    """``count`` seeded random frames, or ``inputs`` (n, h, w, c), of several by name, through the
    package's driver (``run_many``) and its library; every output compared with the golden model.

    Raises ModelError when ``where`` is no package.
    """
    compiled, simulator = _opened(where, edited)
    names = compiled.model.graph.inputs
    if inputs is None:
        frames = [by_name(random_inputs(compiled.kinds, seed + i), names) for i in range(count)]
        real = {name: np.concatenate([x[name][:1] for x in frames]) for name in names}
    else:
        real = by_name(inputs, names)
    with scratch_directory() as scratch:
        given, got = _saved(compiled, real, scratch / "inputs"), scratch / "outputs.npz"
        script = sim_directory() / "cocotb" / "drive_frames.py"
        arguments = [str(given), str(got)]
        package = scratch / "package"
        copy_to_run(where, package, edited=edited)
        result = run_script(simulator, package, script, arguments, say=say)
        faults = [f"AXI: {violation}" for violation in result.violations]
        if result.status:
            faults.append(f"the driver failed: {result.output.strip().splitlines()[-1]}")
        else:
            # Written just now, by the bench's own script.
            with np.load(got) as outputs:
                faults += _differences(compiled, real, dict(outputs))
    return Driven(frames=len(real[names[0]]), cycles=result.cycles, faults=tuple(faults))


def _opened(where: Path, edited: bool) -> tuple[Compiled, VerilatedSimulator]:
    compiled, verilog = open_package(where, edited=edited)
    hardware = compiled.hardware
    return compiled, VerilatedSimulator(hardware.arch, family=hardware.family, verilog=verilog)


def _saved(compiled: Compiled, real: Mapping[str, Floats], where: Path) -> Path:
    """The inputs in a file, as the model takes them: what drive_frames.py reads."""
    kinds = compiled.kinds
    arrays: dict[str, Any] = {
        name: x.transpose(0, 3, 1, 2) if kinds[name].layout == "nchw" else x
        for name, x in real.items()
    }
    if len(arrays) == 1:
        np.save(where.with_suffix(".npy"), *arrays.values())
        return where.with_suffix(".npy")
    np.savez(where.with_suffix(".npz"), *arrays.values())
    return where.with_suffix(".npz")


def _differences(
    compiled: Compiled, inputs: Mapping[str, Floats], outputs: dict[str, Any]
) -> list[str]:
    graph, faults = compiled.model.graph, []
    for i in range(len(inputs[graph.input])):
        values = interpret(graph, {name: x[i : i + 1] for name, x in inputs.items()})
        for name, want in model_outputs(graph, values).items():
            got = outputs.get(f"{i}:{name}")
            if got is None or got.shape != want.shape or got.dtype != want.dtype:
                faults.append(f"frame {i}: output {name!r} is missing, or not {want.shape}")
            elif got.tobytes() != np.ascontiguousarray(want).tobytes():
                wrong = int(np.sum(got != want))
                faults.append(f"frame {i}: {wrong:,} of {want.size:,} values of {name!r} differ")
    return faults
