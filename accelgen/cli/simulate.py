"""accelgen simulate: the generated RTL, or a package's driver on it, against the golden model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from accelgen.cli import tables
from accelgen.cli.groups import Samples, StalledHardware, grouped
from accelgen.cli.options import (
    DriverFrames,
    Edited,
    FcPlace,
    Json,
    Logits,
    ModelOrDir,
    Processor,
    Script,
    Seed,
    SePlace,
    Trace,
    Wide,
)
from accelgen.cli.outcome import log, verb
from accelgen.cli.output import note, print_json, print_results, said, width
from accelgen.cli.working import working
from accelgen.errors import ConfigError
from accelgen.extras import require

__all__ = ["simulate"]


@verb
@grouped
def simulate(
    model: ModelOrDir,
    *,
    layers: Annotated[
        str | None, typer.Option("--layers", metavar="all|NAME,...", help="Layers to run alone.")
    ] = None,
    frame: Annotated[bool, typer.Option("--frame", help="A whole frame (default).")] = False,
    waves: Annotated[
        Path | None,
        typer.Option("--waves", metavar="DIR", help="Where a wave window goes on a mismatch."),
    ] = None,
    hardware: StalledHardware,
    samples: Samples,
    shown: Annotated[
        Path | None,
        typer.Option(
            "--input", metavar="FILE", help="The frame: a picture (png, jpg), .npz or .npy."
        ),
    ] = None,
    seed: Seed = 0,
    fc_on: FcPlace = "auto",
    logits: Logits = "wide",
    se_on: SePlace = "auto",
    ps: Processor = "twin",
    driver: DriverFrames = 0,
    script: Script = None,
    edited: Edited = False,
    wide: Wide = False,
    trace: Trace = None,
    json: Json = False,
) -> None:
    """Run the generated RTL against the golden model, bit by bit."""
    from accelgen.flow import compiler, packages, runs, traces
    from accelgen.flow.expected import shown_sample
    from accelgen.simulation.reproducer import SUFFIX

    require("simulate")  # now, and not after a minute of compiling
    if trace and (driver or script or (layers and not frame)):
        raise ConfigError("--trace is of a whole frame: leave --layers, --driver and --script out")
    if edited and not Path(model).is_dir():
        raise ConfigError("--edited is about a package: give a directory made by build")
    if driver or script:
        _on_the_simulated_board(Path(model), driver, script, seed, json, edited)
        return

    verilog: str | None = None
    sample: Any = None
    elsewhere = fc_on != "auto" or se_on != "auto" or logits != "wide"
    if Path(model).suffix == SUFFIX:
        if hardware.given or samples.given or seed or elsewhere or shown:
            raise ConfigError(f"{model} is a saved run with its own options: give it none")
        compiled, run = runs.open_reproducer(Path(model))
        sample, seed = run.sample, run.seed
    elif Path(model).is_dir():
        if elsewhere:
            raise ConfigError(
                "a package is as it was built: give --fc-on, --se-on and --logits with a model"
            )
        compiled, verilog = packages.open_package(Path(model), edited=edited)
        sample = packages.sample_of(Path(model), *compiled.layouts)
        compiled = compiled.on(hardware.over(compiled.hardware))
    else:
        target = hardware.target()
        with working(f"reading {model}"):
            compiled = compiler.compile(
                model, target, fc_on=fc_on, se_on=se_on, logits=logits,
                calib=samples.calibration, seed=seed,
            )  # fmt: skip
        said(compiled)
    if shown:
        sample = shown_sample(compiled, shown, samples.calibration)
    result = runs.simulate(
        compiled, layers=layers, frame=frame or not layers, sample=sample, seed=seed,
        verilog=verilog, waves=waves, progress=sys.stderr.isatty(), ps=ps,
    )  # fmt: skip
    if trace:
        traces.write_trace(trace, compiled, result)
    if Path(model).is_dir():
        packages.store_simulated(Path(model), result)
    if json:
        print_json(result.to_dict(model))
    else:
        table = tables.simulated_table(model, result, wide=wide, width=width())
        print_results(table, *tables.simulated_lines(result))
    for fault in result.faults:
        log.print(f"mismatch: {fault}", markup=False, style="red")
    if not result.match:
        raise typer.Exit(1)


def _on_the_simulated_board(
    where: Path, frames: int, script: Path | None, seed: int, json: bool, edited: bool
) -> None:
    """A package's own driver, in the place of a board the simulated accelerator."""
    from accelgen.flow import driven

    if not where.is_dir():
        raise ConfigError("--driver and --script take a package: give a directory made by build")
    if script:
        inside = where / script
        chosen = inside if inside.is_file() else script
        ended = driven.run_in_package(where, chosen, say=print_results, edited=edited)
        for violation in ended.violations:
            log.print(f"AXI: {violation}", markup=False, style="red")
        if ended.status or ended.violations:
            raise typer.Exit(1)
        return
    result = driven.drive(where, frames, seed=seed, say=note, edited=edited)
    if json:
        print_json(result.to_dict())
    else:
        right = "every output bit-exact" if not result.faults else "WRONG"
        print_results(f"{result.frames} frames through the package's driver, pipelined: {right}")
    for fault in result.faults:
        log.print(f"mismatch: {fault}", markup=False, style="red")
    if result.faults:
        raise typer.Exit(1)
