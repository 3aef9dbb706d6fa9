"""Layers from DDR to DDR: simulated cycles beside what binds them and what NNgen takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from accelgen.bench.kept import kept, kept_estimate
from accelgen.bench.layers import Layer
from accelgen.cost import Memory
from accelgen.estimator.timeline import Timeline, timeline
from accelgen.flow.compiled import Compiled, estimated
from accelgen.flow.compiler import compile
from accelgen.flow.hardware import Target, target
from accelgen.flow.runs import ddr_settings
from accelgen.golden.arith import quantize_array
from accelgen.inputs.samples import random_samples
from accelgen.program.records import Program
from accelgen.rtl.design import design_verilog
from accelgen.scratch import scratch_directory
from accelgen.simulation.bench import DdrSettings
from accelgen.simulation.check import simulate_frame
from accelgen.simulation.verilated import VerilatedSimulator

__all__ = ["MEMORY", "LayerResult", "layer_target", "run_layers"]

#: NNgen's: an AXI port of 128 bits, 40 cycles to first data, 16 bytes per cycle and direction.
#: (The table's ideal cycles of layers that only move data are their input's bytes / 16.)
MEMORY = Memory(bytes_per_cycle=16, duplex=True, latency_cycles=40, write_latency_cycles=40)


@dataclass(frozen=True, kw_only=True)
class LayerResult:
    """One layer on one configuration.

    ``cycles`` from start to done, input loaded from and output stored to DDR among them;
    ``simulated`` is None with an estimate only. ``efficiency`` is MACs / (cycles * macs_per_cycle),
    of all MACs, also those of the window engine. The bounds are cycles: of the array, and of the
    window engine with what is after it, with nothing in their way (padding included), and of the
    DDR for input, output and weights once each; ``of_bound`` is the largest of them over the
    cycles. ``losses``: where the array's cycles went (``estimator.efficiency.CAUSES``).
    """

    key: str
    title: str
    config: str
    macs: int
    cycles: int
    simulated: bool
    match: bool | None
    estimated_cycles: int
    ideal_cycles: int
    efficiency: float
    array_bound: int
    window_bound: int
    ddr_bound: int
    bound: str
    of_bound: float
    losses: dict[str, int]
    counters: dict[str, int]
    dsp: int
    array_dsp: int
    execs: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def layer_target(preset: str, board: str) -> Target:
    """The configuration with the micro-benchmark's memory."""
    return replace(target(board, preset=preset), memory=MEMORY)


def run_layers(
    layers: Sequence[Layer], hardware: Target, config: str, *, simulate: bool,
    say: Callable[[str], None],
) -> Iterator[LayerResult]:  # fmt: skip
    """Each of ``layers`` on ``hardware``, as they come; ``say`` takes news."""
    for layer in layers:
        if not simulate:
            what = repr((layer.key, asdict(hardware)))
            make = partial(_estimate, layer, config, hardware)
            yield LayerResult(**kept_estimate(what, make))
            continue
        compiled = _compiled(layer, hardware, cycles_only=False)
        run, old = _simulated(compiled, hardware)
        say(f"{config}, layer {layer.key}: {'kept from before' if old else 'simulated'}")
        yield _result(layer, config, compiled, hardware, run)


def _estimate(layer: Layer, config: str, hardware: Target) -> dict[str, Any]:
    """Fields of the result."""
    nothing: dict[str, Any] = {"cycles": 0, "match": None, "counters": {}}
    compiled = _compiled(layer, hardware, cycles_only=True)
    return asdict(_result(layer, config, compiled, hardware, nothing))


def _compiled(layer: Layer, hardware: Target, *, cycles_only: bool) -> Compiled:
    with scratch_directory() as scratch:
        file = scratch / f"layer_{layer.key}.onnx"
        file.write_bytes(layer.model().SerializeToString())
        # As NNgen's: from int8 to int8.
        return compile(file, hardware, fc_on="pl", logits="int8", cycles_only=cycles_only)


def _simulated(compiled: Compiled, hardware: Target) -> tuple[dict[str, Any], bool]:
    program = compiled.program
    graph = compiled.model.graph
    quantization = graph.tensors[graph.input].quantization
    assert quantization is not None
    x = quantize_array(random_samples(graph.tensors[graph.input].shape, 0)[:1], quantization)
    settings = replace(ddr_settings(hardware.memory), refresh_interval=0)
    verilog = design_verilog(hardware.arch, hardware.family)
    parts: list[str | bytes] = [verilog, program.image, x.tobytes(), repr(settings)]
    return kept(parts, partial(_run, program, x, settings, hardware))


def _run(program: Program, x: Any, settings: DdrSettings, hardware: Target) -> dict[str, Any]:
    simulator = VerilatedSimulator(hardware.arch, family=hardware.family)
    report = simulate_frame(program, x, simulator, settings=settings)
    return {
        "cycles": report.result.cycles,
        "match": report.match,
        "counters": dict(report.result.counters),
    }


def _result(
    layer: Layer, config: str, compiled: Compiled, hardware: Target, run: dict[str, Any]
) -> LayerResult:
    numbers = estimated(compiled)
    arch, program = hardware.arch, compiled.program
    line = timeline(program, hardware.memory)
    macs = sum(x.macs for x in numbers.layers)
    cycles = run["cycles"] or numbers.cycles
    bounds = _bounds(compiled, line, hardware)
    bound = max(bounds, key=lambda name: bounds[name])
    losses = dict(numbers.losses)
    # What was simulated differs from the estimate in waiting only.
    losses["ddr"] = losses.get("ddr", 0) + cycles - numbers.cycles
    return LayerResult(
        key=layer.key, title=layer.title, config=config, macs=macs, cycles=cycles,
        simulated=bool(run["cycles"]), match=run["match"], estimated_cycles=numbers.cycles,
        ideal_cycles=math.ceil(macs / arch.macs_per_cycle),
        efficiency=macs / (cycles * arch.macs_per_cycle),
        array_bound=bounds["array"], window_bound=bounds["window"], ddr_bound=bounds["ddr"],
        bound=bound, of_bound=bounds[bound] / cycles, losses=losses, counters=run["counters"],
        dsp=numbers.resources.to_dict()["dsp"], array_dsp=arch.macs_per_cycle // arch.pe_pixels,
        execs=len(line.spans),
    )  # fmt: skip


def _bounds(compiled: Compiled, line: Timeline, hardware: Target) -> dict[str, int]:
    """Cycles that array, window engine and DDR take at least."""
    program = compiled.program
    read = sum(math.prod(p.shape) for p in program.inputs or (program.input,))
    read += sum(c.nbytes for c in program.graph.constants.values())
    written = sum(math.prod(p.shape) for p in program.outputs)
    moved = max(read, written) if hardware.memory.duplex else read + written
    return {
        "array": sum(s.time.array_beats for s in line.spans),
        "window": round(sum(s.time.groups * s.time.window for s in line.spans)),
        "ddr": math.ceil(moved / hardware.memory.bytes_per_cycle),
    }
