"""The walk: every verb of the command line as one readable function.

load -> quantized -> compile_model -> estimate | packages.build | simulate
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.arch import PRESETS, ArchParams, single_clock
from accelgen.boards import Board, load_board
from accelgen.check import CheckReport, check_model, read_network
from accelgen.deploy.output import new_file
from accelgen.errors import ConfigError, MissingScaleError, ModelError
from accelgen.estimate import Estimate, Memory
from accelgen.estimate import estimate as estimate_program
from accelgen.estimate.report import board_memory, ps_model
from accelgen.estimate.timeline import timeline
from accelgen.frontend.clean_names import printable
from accelgen.golden.arith import quantize_array
from accelgen.ir import Graph
from accelgen.ir.imported import Imported
from accelgen.quant import QuantizedModel, quantize_imported, write_qdq
from accelgen.quant import quantize as quantize_graph
from accelgen.quant.dry_run import dry_int8
from accelgen.rtl.design import described
from accelgen.samples import Calibration, random_samples
from accelgen.schedule import schedule_parts
from accelgen.schedule.overlap import DDR, Ddr
from accelgen.schedule.program import Program
from accelgen.schedule.single import single_step
from accelgen.scratch import scratch_directory
from accelgen.simulated import Simulated, add_frame, add_layers, choose_steps
from accelgen.simulation.bench import DdrSettings
from accelgen.simulation.check import golden_tensors, simulate_frame, simulate_layers
from accelgen.simulation.processor import processor
from accelgen.simulation.reproducer import SUFFIX as REPRODUCER_SUFFIX
from accelgen.simulation.reproducer import Reproducer, load_reproducer
from accelgen.simulation.verilated import VerilatedSimulator
from accelgen.untrusted import read_toml, schema_of, typed
from accelgen.zoo.build import build as build_zoo

__all__ = [
    "REPRODUCER_SUFFIX",
    "Compiled",
    "Loaded",
    "Offload",
    "Target",
    "check",
    "compile_model",
    "ddr_settings",
    "described",
    "estimate",
    "export_zoo",
    "judge",
    "keeping_all",
    "load",
    "open_reproducer",
    "quantize",
    "quantized",
    "repeat",
    "scheduled",
    "simulate",
    "target",
]

#: Calibration data as callers give it: a file or directory, or with words on pictures.
Given = str | Path | Calibration | None

#: Numbers of a map from which on a network is judged before it is calibrated.
LARGE_MAP = 1 << 22

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
    ps_threads: int = 1

    @property
    def family(self) -> str:
        """Family of the part: decides which cells the Verilog names."""
        return self.board.yosys_family


@dataclass(frozen=True, kw_only=True)
class Offload:
    """What besides softmax the PS computes: the fully connected layers at the network's end, and
    squeeze-and-excite blocks (each costs a crossing there and back)."""

    fc: bool = False
    se: bool = False

    @classmethod
    def of(cls, fc_on: str = "pl", se_on: str = "pl") -> Offload:
        """From the options' words, "pl" or "ps". Raises ConfigError for others."""
        for option, where in (("--fc-on", fc_on), ("--se-on", se_on)):
            if where not in ("pl", "ps"):
                raise ConfigError(f"{option} is pl or ps, not {where!r}")
        return cls(fc=fc_on == "ps", se=se_on == "ps")


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A network, quantized and scheduled for one configuration.

    ``parts`` run one after another, PS work between them; usually there is one, ``program``.
    """

    name: str
    input_layout: str
    model: QuantizedModel
    parts: tuple[Program, ...]
    offload: Offload = Offload()
    warnings: tuple[str, ...] = field(default=())

    def warned(self, warnings: tuple[str, ...]) -> Compiled:
        """With more warnings."""
        return replace(self, warnings=self.warnings + warnings)

    @property
    def program(self) -> Program:
        """The only program. Raises ConfigError when the frame has several parts."""
        if len(self.parts) > 1:
            raise ConfigError(
                f"{self.name} is scheduled in {len(self.parts)} parts, with PS work between them: "
                "that can be estimated, and simulated as whole frames; leave --se-on at pl"
            )
        return self.parts[0]


def target(
    board: str = "ultra96v2",
    *,
    preset: str | None = None,
    config: str | Path | None = None,
    clock_mhz: float | None = None,
    ddr_bytes_per_cycle: float | None = None,
    ddr_latency: int | None = None,
    stalls: float = 0.0,
    ps_threads: int = 1,
) -> Target:
    """Board, configuration (the board's, or ``preset``, or a TOML file of knobs), clock, memory.

    ``stalls`` is the chance per cycle that an AXI channel pauses.

    Raises BoardError or ConfigError, naming what is known.
    """
    chosen = load_board(board)
    clock = clock_mhz or chosen.clock.mhz
    if ps_threads > chosen.ps.cores:
        raise ConfigError(f"--ps-threads {ps_threads}: {chosen.name} has {chosen.ps.cores} cores")
    memory = board_memory(chosen, clock)
    memory = replace(
        memory,
        bytes_per_cycle=ddr_bytes_per_cycle or memory.bytes_per_cycle,
        latency_cycles=ddr_latency or memory.latency_cycles,
        stalls=stalls,
    )
    arch = _configuration(chosen, preset, Path(config) if config else None)
    return Target(
        board=chosen, arch=arch, clock_mhz=clock, memory=memory, ps_threads=ps_threads
    )  # fmt: skip


def load(model: str | Path) -> Loaded:
    """Import ``model``: a file, or ``zoo:NAME[@RESOLUTION]``.

    Raises ModelError or UnsupportedOpError, one sentence naming node and attribute.
    """
    name = str(model)
    if name.startswith("zoo:"):
        proto = zoo_model(name)
        imported = read_network(proto)
    else:
        imported = read_network(Path(model))
        name = printable(Path(model).stem)
    return Loaded(name=name, imported=imported, warnings=imported.warnings)


def zoo_model(name: str) -> Any:
    """ONNX model of ``zoo:NAME[@RESOLUTION]``."""
    plain, _, resolution = name.removeprefix("zoo:").partition("@")
    if resolution and not resolution.isdecimal():
        raise ModelError(f"the resolution in {name!r} must be a whole number, like {plain}@224")
    return build_zoo(plain, int(resolution) if resolution else None)


def judge(loaded: Loaded, arch: ArchParams, offload: Offload | None = None) -> None:
    """Before calibration, which takes minutes where maps are large: what shapes alone decide.

    Networks of small maps pass unseen: calibrating them is quicker than scheduling them twice.

    Raises
    ------
    ScheduleError
        The schedule would refuse the network on ``arch``, whatever the data.
    """
    largest = max(math.prod(t.shape) for t in loaded.imported.graph.tensors.values())
    if largest >= LARGE_MAP:
        offload = offload or Offload()
        int8 = dry_int8(loaded.imported)
        schedule_parts(int8, arch, fc_on_ps=offload.fc, se_on_ps=offload.se)


def quantized(
    loaded: Loaded, *, calib: Given = None, method: str = "mse", seed: int = 0
) -> tuple[QuantizedModel, tuple[str, ...]]:
    """The int8 network, and warnings.

    A QDQ model keeps its own scales. A float model is calibrated on ``calib``, or on random input.
    """
    imported = loaded.imported
    shape = imported.graph.tensors[imported.graph.input].shape
    samples = Calibration.of(calib).samples(shape, imported.input_layout)
    if loaded.is_quantized:
        try:
            return quantize_imported(imported, samples, method), ()
        except MissingScaleError as error:
            if samples is not None:
                raise
            made = quantize_imported(imported, random_samples(shape, seed), method)
            return made, (f"{error}; scales were taken of seeded random input (give --calib)",)
    if samples is not None:
        return quantize_graph(imported.graph, samples, method), ()
    samples = random_samples(shape, seed)
    return quantize_graph(imported.graph, samples, method), (RANDOM_CALIBRATION,)


def compile_model(
    model: str | Path,
    *,
    arch: ArchParams,
    calib: Given = None,
    method: str = "mse",
    seed: int = 0,
    keep_all: bool = False,
    offload: Offload | None = None,
    ddr: Sequence[Ddr] = DDR,
) -> Compiled:
    """From a model to everything a board needs, in memory. Writes nothing."""
    loaded = load(model)
    judge(loaded, arch, offload)
    int8, warnings = quantized(loaded, calib=calib, method=method, seed=seed)
    compiled = scheduled(loaded, int8, arch=arch, keep_all=keep_all, offload=offload, ddr=ddr)
    return compiled.warned(warnings)


def scheduled(
    loaded: Loaded,
    int8: QuantizedModel,
    *,
    arch: ArchParams,
    keep_all: bool = False,
    offload: Offload | None = None,
    ddr: Sequence[Ddr] = DDR,
) -> Compiled:
    """What :func:`compile_model` does behind quantization: one int8 network, many targets."""
    offload = offload or Offload()
    return Compiled(
        name=loaded.name,
        input_layout=loaded.imported.input_layout,
        model=int8,
        parts=_parts(int8.graph, arch, offload, keep_all=keep_all, ddr=ddr),
        offload=offload,
        warnings=loaded.warnings,
    )


def keeping_all(compiled: Compiled, hardware: Target) -> Compiled:
    """The same, scheduled so that every tensor is stored: slower, for finding what is wrong."""
    graph, offload = compiled.model.graph, compiled.offload
    return replace(compiled, parts=_parts(graph, hardware.arch, offload, keep_all=True))


# The verbs.


def check(
    model: str | Path, offload: Offload | None = None, hardware: Target | None = None
) -> CheckReport:
    """Every node of ``model``: engine, folded, PS, or not supported and why; and whether the
    compiler builds it for ``hardware`` (default: the default board)."""
    offload = offload or Offload()
    name = str(model)
    source = zoo_model(name) if name.startswith("zoo:") else Path(name)
    arch = (hardware or target()).arch
    return check_model(source, arch=arch, fc_on_ps=offload.fc, se_on_ps=offload.se)


def quantize(
    model: str | Path, out: Path, *, calib: Given = None, method: str = "mse", seed: int = 0
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
        compiled.parts, hardware.board, clock_mhz=hardware.clock_mhz, memory=hardware.memory,
        ps=ps_model(hardware.board, hardware.ps_threads),
    )  # fmt: skip


def export_zoo(name: str, out: Path) -> None:
    """Write ``NAME[@RESOLUTION]`` of the zoo as float ONNX."""
    proto = zoo_model(f"zoo:{name.removeprefix('zoo:')}")
    with new_file(out) as scratch:
        scratch.write_bytes(proto.SerializeToString())


def simulate(
    compiled: Compiled,
    hardware: Target,
    *,
    layers: str | None = None,
    frame: bool = True,
    sample: npt.NDArray[np.float32] | None = None,
    seed: int = 0,
    verilog: str | None = None,
    waves: Path | None = None,
    progress: bool = False,
    ps: str = "twin",
) -> Simulated:
    """Run the generated Verilog and compare every bit with the golden model.

    Parameters
    ----------
    layers : str
        Steps to run alone, from golden inputs: "all", or names with commas between.
    frame : bool
        Run a whole frame: once as it is, for its cycles, and once with every tensor kept, so that
        each layer is compared.
    sample : float32 array (1, h, w, c)
        The input; seeded random numbers by default.
    verilog : str
        Text to simulate instead of what is generated for the configuration.
    waves : Path
        Directory for a wave window when something differs.
    ps : str
        What runs PS steps of a frame: "twin" (the library's portable C) or "qemu" (NEON code under
        qemu-aarch64).
    """
    graph = compiled.model.graph
    if sample is None:
        sample = random_samples(graph.tensors[graph.input].shape, seed)[:1]
    quantization = graph.tensors[graph.input].quantization
    assert quantization is not None
    x = quantize_array(sample[:1], quantization)
    simulator = VerilatedSimulator(hardware.arch, family=hardware.family, verilog=verilog)
    numbers = estimate(compiled, hardware)
    settings = ddr_settings(hardware.memory, seed, numbers.competing_bytes_per_cycle)
    result = Simulated(board=hardware.board.name, config=hardware.arch.to_dict())
    if frame:
        everything = _parts(graph, hardware.arch, compiled.offload, keep_all=True)
        on_ps = processor(ps) if any(p.ps_steps for p in compiled.parts) else None
        run = functools.partial(
            simulate_frame, simulator=simulator, settings=settings, waves=waves,
            progress=progress, processor=on_ps,
        )  # fmt: skip
        values = {graph.input: x}
        for plain, kept in zip(compiled.parts, everything, strict=True):
            report = run(plain, values)
            result = add_frame(result, plain, numbers, report, run(kept, values))
            values |= report.outputs
    if layers:
        program = compiled.program
        golden = golden_tensors(program, {program.input.tensor: x[0]})
        chosen = choose_steps(program, layers)
        alone = [(program.steps[i].nodes[0], single_step(program, i)) for i in chosen]
        reports = simulate_layers(alone, golden, simulator, settings=settings, progress=progress)
        guesses = [math.ceil(timeline(p, hardware.memory).cycles) for _, p in alone]
        pairs = zip(reports, guesses, strict=True)
        result = add_layers(result, program, numbers, dict(zip(chosen, pairs, strict=True)))
    return result


def open_reproducer(where: Path) -> tuple[Compiled, Target, Reproducer]:
    """A file made by ``save_reproducer``, compiled again: what :func:`simulate` needs."""
    run = load_reproducer(where)
    compiled, hardware = repeat(run)
    return replace(compiled, name=where.stem), hardware, run


def repeat(run: Reproducer) -> tuple[Compiled, Target]:
    """The network and hardware of a saved run; ``run.sample`` and ``run.seed`` go with them."""
    arch = ArchParams.from_dict(dict(run.config))
    memory = typed(schema_of(Memory), dict(run.memory), "memory", ConfigError)
    hardware = replace(target(run.board), arch=arch, memory=Memory(**memory.model_dump()))
    with scratch_directory() as temporary:
        file = temporary / "reproducer.onnx"
        file.write_bytes(run.model)
        loaded = load(file)
    shape = loaded.imported.graph.tensors[loaded.imported.graph.input].shape
    for name, x in (("sample", run.sample), ("calib", run.calib)):
        if x is not None and x.shape[1:] != shape[1:]:
            raise ModelError(f"the run's {name} is {x.shape}, its model takes {shape} (n, h, w, c)")
    if loaded.is_quantized:
        int8 = quantize_imported(loaded.imported, run.calib)
    elif run.calib is None:
        int8, _ = quantized(loaded, seed=run.seed)
    else:
        int8 = quantize_graph(loaded.imported.graph, run.calib)
    return scheduled(loaded, int8, arch=hardware.arch), hardware


def ddr_settings(memory: Memory, seed: int = 0, competing: float = 0.0) -> DdrSettings:
    """The bench's memory model, as the estimator sees it; ``competing``: the PS's bytes per
    cycle."""
    return DdrSettings(
        bytes_per_cycle=memory.bytes_per_cycle,
        duplex=memory.duplex,
        latency=memory.latency_cycles,
        write_latency=memory.write_latency_cycles,
        # The bench's channels are as wide as the design's: one that is narrower pauses as often.
        stalls=1 - (1 - memory.stalls) * memory.port_bytes / ArchParams.BUS_BYTES,
        competing_bytes_per_cycle=competing,
        seed=seed + 1,
    )


# Small parts.


def _parts(
    graph: Graph, arch: ArchParams, offload: Offload, *, keep_all: bool, ddr: Sequence[Ddr] = DDR
) -> tuple[Program, ...]:
    return schedule_parts(
        graph, arch, keep_all=keep_all, fc_on_ps=offload.fc, se_on_ps=offload.se, ddr=ddr
    )


def _configuration(board: Board, preset: str | None, config: Path | None) -> ArchParams:
    known = {**PRESETS, "single-clock": single_clock(board.arch)}
    if preset is not None and preset not in known:
        raise ConfigError(f"unknown preset {preset!r}; known: {', '.join(known)}")
    arch = known[preset] if preset else board.arch
    if config is None:
        return arch
    values = read_toml(config, "configuration", ConfigError)
    # Knobs that the file does not name keep the values of the preset or the board.
    knobs = arch.to_dict() | values
    typed(schema_of(ArchParams), knobs, f"configuration {config}", ConfigError)
    try:
        return ArchParams.from_dict(knobs)
    except ConfigError as error:
        raise ConfigError(f"configuration {config}: {error}") from error
