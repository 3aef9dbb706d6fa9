"""simulate(): the generated Verilog against the golden model; and runs that tests have saved."""

from __future__ import annotations

import functools
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Unpack

from accelgen.arch import ArchParams
from accelgen.cost import Memory
from accelgen.errors import ConfigError, ModelError
from accelgen.estimator.timeline import timeline
from accelgen.flow.compiled import Compiled, estimated, judged, keeping_all, scheduled
from accelgen.flow.compiler import CompileOptions, as_compiled
from accelgen.flow.expected import shown_sample
from accelgen.flow.hardware import Target, target
from accelgen.flow.network import Given, load, quantized
from accelgen.flow.simulated import Simulated, add_frame, add_layers, choose_steps
from accelgen.golden.interpret import enter
from accelgen.inputs.samples import Calibration
from accelgen.inputs.several import random_inputs
from accelgen.quant import quantize as quantize_graph
from accelgen.quant import quantize_imported
from accelgen.schedule.single import single_step
from accelgen.scratch import scratch_directory
from accelgen.simulation.bench import DdrSettings
from accelgen.simulation.check import golden_tensors, simulate_frame, simulate_layers
from accelgen.simulation.processor import processor
from accelgen.simulation.reproducer import Reproducer, load_reproducer
from accelgen.simulation.verilated import VerilatedSimulator
from accelgen.streamed import Inputs
from accelgen.untrusted import schema_of, typed

__all__ = ["ddr_settings", "open_reproducer", "repeat", "simulate"]


def simulate(
    model: str | Path | Compiled,
    hardware: Target | str | None = None,
    *,
    layers: str | None = None,
    frame: bool = True,
    sample: Inputs | None = None,
    shown: Given = None,
    seed: int = 0,
    verilog: str | None = None,
    waves: str | Path | None = None,
    progress: bool = False,
    ps: str = "twin",
    calib: Given = None,
    **options: Unpack[CompileOptions],
) -> Simulated:
    """Run the generated Verilog and compare every bit with the golden model.

    Parameters
    ----------
    model, hardware, calib, **options
        As for :func:`~accelgen.flow.verbs.estimate`.
    layers : str
        Steps to run alone, from golden inputs: "all", or names with commas between.
    frame : bool
        Run a whole frame: once as it is, for its cycles, and once with every tensor kept, so that
        each layer is compared.
    sample : float32 array (1, h, w, c)
        The input, or of several a mapping of name to array; seeded random numbers by default.
    shown : str, Path or Calibration
        A picture, or an ``.npz`` or ``.npy`` as for ``calib``, of which the first sample is the
        input. A mere path is read with the words on pictures of ``calib``, or of the model's file.
    seed : int
        Of the input and the memory's timing; of everything else random too when ``model`` is a
        file.
    verilog : str
        Text to simulate instead of what is generated for the configuration.
    waves : str or Path
        Directory for a wave window when something differs.
    ps : str
        What runs PS steps of a frame: "twin" (the library's portable C) or "qemu" (NEON code under
        qemu-aarch64).

    Raises
    ------
    AccelgenError
        As :func:`~accelgen.flow.verbs.estimate`; ToolError when Verilator or g++ fails.
    """
    compiled = as_compiled(model, hardware, calib=calib, seed=seed, **options)
    hardware, graph = compiled.hardware, compiled.model.graph
    if shown is not None:
        sample = shown_sample(compiled, shown, Calibration.of(calib))
    if sample is None:
        sample = random_inputs(compiled.kinds, seed)
    values = {name: x[:1] for name, x in enter(graph, sample).items()}
    simulator = VerilatedSimulator(hardware.arch, family=hardware.family, verilog=verilog)
    numbers = estimated(compiled)
    settings = ddr_settings(hardware.memory, seed, numbers.competing_bytes_per_cycle)
    result = Simulated(board=hardware.board.name, config=hardware.arch.to_dict())
    if frame:
        on_ps = processor(ps) if any(p.ps_steps for p in compiled.parts) else None
        run = functools.partial(
            simulate_frame, simulator=simulator, settings=settings,
            waves=Path(waves) if waves else None, progress=progress, processor=on_ps,
        )  # fmt: skip
        for plain, kept in zip(compiled.parts, keeping_all(compiled).parts, strict=True):
            report = run(plain, values)
            result = add_frame(result, plain, numbers, report, run(kept, values))
            values |= report.outputs
    if layers:
        program = compiled.program
        golden = golden_tensors(program, {name: values[name][0] for name in graph.inputs})
        chosen = choose_steps(program, layers)
        alone = [
            (program.steps[i].nodes[0], single_step(program, i, hardware.memory)) for i in chosen
        ]
        reports = simulate_layers(alone, golden, simulator, settings=settings, progress=progress)
        guesses = [math.ceil(timeline(p, hardware.memory).cycles) for _, p in alone]
        pairs = zip(reports, guesses, strict=True)
        result = add_layers(result, program, numbers, dict(zip(chosen, pairs, strict=True)))
    return result


def open_reproducer(where: Path) -> tuple[Compiled, Reproducer]:
    """A file made by ``save_reproducer``, compiled again: what :func:`simulate` needs."""
    run = load_reproducer(where)
    return replace(repeat(run), name=where.stem), run


def repeat(run: Reproducer) -> Compiled:
    """The network of a saved run, for its hardware; ``run.sample`` and ``run.seed`` go with it."""
    arch = ArchParams.from_dict(dict(run.config))
    memory = typed(schema_of(Memory), dict(run.memory), "memory", ConfigError)
    hardware = replace(target(run.board, arch=arch), memory=Memory(**memory.model_dump()))
    with scratch_directory() as temporary:
        file = temporary / "reproducer.onnx"
        file.write_bytes(run.model)
        loaded = load(file)
    graph = loaded.imported.graph
    if graph.more:
        raise ModelError(
            f"a saved run has one input, its model has {len(graph.inputs)}: simulate the model"
        )
    shape = graph.tensors[graph.input].shape
    for name, x in (("sample", run.sample), ("calib", run.calib)):
        if x is not None and x.shape[1:] != shape[1:]:
            raise ModelError(f"the run's {name} is {x.shape}, its model takes {shape} (n, h, w, c)")
    if loaded.is_quantized:
        int8 = quantize_imported(loaded.imported, run.calib)
    elif run.calib is None:
        int8, _ = quantized(loaded, seed=run.seed)
    else:
        int8 = quantize_graph(loaded.imported.graph, run.calib)
    return judged(scheduled(loaded, int8, hardware))


def ddr_settings(memory: Memory, seed: int = 0, competing: float = 0.0) -> DdrSettings:
    """The bench's memory model, as the estimator sees it; ``competing``: the PS's bytes per
    cycle."""
    return DdrSettings(
        **asdict(memory),
        competing_bytes_per_cycle=competing,
        seed=seed + 1,
    )
