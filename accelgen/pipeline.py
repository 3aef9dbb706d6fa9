"""The walk: every verb of the command line as one readable function.

load -> quantized -> compile_model -> estimate | build | simulate
"""

from __future__ import annotations

import tempfile
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from accelgen.arch import PRESETS, ArchParams
from accelgen.boards import Board, load_board
from accelgen.check import NodeReport, check_model
from accelgen.deploy.output import new_directory, new_file
from accelgen.deploy.package import Package, write_package
from accelgen.errors import ConfigError, ModelError
from accelgen.estimate import Estimate, Memory
from accelgen.estimate import estimate as estimate_program
from accelgen.frontend import load_onnx
from accelgen.ir.imported import Imported
from accelgen.passes import run_passes
from accelgen.quant import QuantizedModel, quantize_imported, write_qdq
from accelgen.quant import quantize as quantize_graph
from accelgen.samples import load_samples, random_samples
from accelgen.schedule import schedule
from accelgen.schedule.program import Program
from accelgen.schedule.text import program_text
from accelgen.simulation.verilated import accelerator_verilog
from accelgen.zoo.build import build as build_zoo

__all__ = [
    "Compiled",
    "Loaded",
    "Target",
    "build",
    "check",
    "compile_model",
    "estimate",
    "export_zoo",
    "load",
    "quantize",
    "quantized",
    "target",
]

RANDOM_CALIBRATION = (
    "no calibration data: quantized on seeded random input, fine for cycles, not for accuracy "
    "(give --calib)"
)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model after import and passes. ``warnings`` are sentences for the user."""

    name: str
    imported: Imported
    warnings: tuple[str, ...] = ()

    @property
    def is_quantized(self) -> bool:
        """The file brought its own scales (QDQ)."""
        return bool(self.imported.quantization)


@dataclass(frozen=True, kw_only=True)
class Target:
    """The hardware a program is for: board, configuration, clock, memory."""

    board: Board
    arch: ArchParams
    clock_mhz: float
    memory: Memory


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A network, quantized and scheduled for one configuration."""

    name: str
    input_layout: str
    model: QuantizedModel
    program: Program
    warnings: tuple[str, ...] = field(default=())


def target(
    board: str = "ultra96v2",
    *,
    preset: str | None = None,
    config: Path | None = None,
    clock_mhz: float | None = None,
    ddr_bytes_per_cycle: float | None = None,
    ddr_latency: int | None = None,
    stalls: float = 0.0,
) -> Target:
    """Board, configuration (the board's, or ``preset``, or a TOML file of knobs), clock, memory.

    ``stalls`` is the chance per cycle that an AXI channel pauses.

    Raises BoardError or ConfigError, naming what is known.
    """
    chosen = load_board(board)
    clock = clock_mhz or chosen.clock.mhz
    memory = Memory(
        bytes_per_cycle=ddr_bytes_per_cycle or chosen.ddr.bytes_per_cycle(clock),
        latency_cycles=ddr_latency or chosen.ddr.latency_cycles(clock),
        stalls=stalls,
    )
    arch = _configuration(chosen, preset, config)
    return Target(board=chosen, arch=arch, clock_mhz=clock, memory=memory)


def load(model: str | Path) -> Loaded:
    """Import ``model``: a file, or ``zoo:NAME[@RESOLUTION]``.

    Raises ModelError or UnsupportedOpError, one sentence naming node and attribute.
    """
    name = str(model)
    if name.startswith("zoo:"):
        proto = zoo_model(name)
        imported = load_onnx(proto)
    else:
        imported = load_onnx(Path(model))
        name = Path(model).stem
    imported = replace(imported, graph=run_passes(imported.graph))
    return Loaded(name=name, imported=imported, warnings=imported.warnings)


def zoo_model(name: str) -> Any:
    """ONNX model of ``zoo:NAME[@RESOLUTION]``."""
    plain, _, resolution = name.removeprefix("zoo:").partition("@")
    if resolution and not resolution.isdecimal():
        raise ModelError(f"the resolution in {name!r} must be a whole number, like {plain}@224")
    return build_zoo(plain, int(resolution) if resolution else None)


def quantized(
    loaded: Loaded, *, calib: Path | None = None, method: str = "mse", seed: int = 0
) -> tuple[QuantizedModel, tuple[str, ...]]:
    """The int8 network, and warnings.

    A QDQ model keeps its own scales. A float model is calibrated on ``calib``, or on random input.
    """
    imported = loaded.imported
    if loaded.is_quantized:
        samples = load_samples(calib, layout=imported.input_layout) if calib else None
        return quantize_imported(imported, samples), ()
    if calib:
        samples = load_samples(calib, layout=imported.input_layout)
        return quantize_graph(imported.graph, samples, method), ()
    shape = imported.graph.tensors[imported.graph.input].shape
    samples = random_samples(shape, seed)
    return quantize_graph(imported.graph, samples, method), (RANDOM_CALIBRATION,)


def compile_model(
    model: str | Path,
    *,
    arch: ArchParams,
    calib: Path | None = None,
    method: str = "mse",
    seed: int = 0,
    keep_all: bool = False,
) -> Compiled:
    """From a model to everything a board needs, in memory. Writes nothing."""
    loaded = load(model)
    int8, warnings = quantized(loaded, calib=calib, method=method, seed=seed)
    return Compiled(
        name=loaded.name,
        input_layout=loaded.imported.input_layout,
        model=int8,
        program=schedule(int8.graph, arch, keep_all=keep_all),
        warnings=loaded.warnings + warnings,
    )


# The verbs.


def check(model: str | Path) -> list[NodeReport]:
    """Every node of ``model``: engine, folded, PS, or not supported and why."""
    name = str(model)
    return check_model(zoo_model(name) if name.startswith("zoo:") else Path(name))


def quantize(
    model: str | Path, out: Path, *, calib: Path | None = None, method: str = "mse", seed: int = 0
) -> tuple[QuantizedModel, tuple[str, ...]]:
    """Write ``model`` as QDQ ONNX to ``out``; returns the int8 network and warnings."""
    loaded = load(model)
    int8, warnings = quantized(loaded, calib=calib, method=method, seed=seed)
    with new_file(out) as scratch:
        write_qdq(int8, scratch)
    return int8, loaded.warnings + warnings


def estimate(compiled: Compiled, hardware: Target) -> Estimate:
    """Cycles, frames per second and resources, from the schedule alone."""
    return estimate_program(
        compiled.program, hardware.board, clock_mhz=hardware.clock_mhz, memory=hardware.memory
    )


def export_zoo(name: str, out: Path) -> None:
    """Write ``NAME[@RESOLUTION]`` of the zoo as float ONNX."""
    proto = zoo_model(f"zoo:{name.removeprefix('zoo:')}")
    with new_file(out) as scratch:
        scratch.write_bytes(proto.SerializeToString())


def build(compiled: Compiled, hardware: Target, out: Path, *, force: bool = False) -> Estimate:
    """Write the package directory ``out``; returns the estimate that its README quotes."""
    numbers = estimate(compiled, hardware)
    with new_directory(out, force=force) as scratch, tempfile.TemporaryDirectory() as temporary:
        network = Path(temporary) / "network.onnx"
        write_qdq(compiled.model, network)
        package = Package(
            model=compiled.name,
            board=hardware.board,
            clock_mhz=hardware.clock_mhz,
            program=compiled.program,
            verilog=accelerator_verilog(hardware.arch),
            listing=program_text(compiled.program),
            network=network,
            estimate=numbers.to_dict(compiled.name),
            input_layout=compiled.input_layout,
        )
        write_package(package, scratch)
    return numbers


# Small parts.


def _configuration(board: Board, preset: str | None, config: Path | None) -> ArchParams:
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"unknown preset {preset!r}; known: {', '.join(PRESETS)}")
    arch = PRESETS[preset] if preset else board.arch
    if config is None:
        return arch
    try:
        values = tomllib.loads(config.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read configuration {config}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {config} is not TOML: {error}") from error
    # Knobs that the file does not name keep the values of the preset or the board.
    return ArchParams.from_dict(arch.to_dict() | values)
