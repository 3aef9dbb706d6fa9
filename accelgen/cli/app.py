"""The verbs, each a thin function over accelgen.flow."""

from __future__ import annotations

import contextlib
import json as json_format
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from accelgen import __version__
from accelgen.cli import tables
from accelgen.cli.options import (
    Bgr,
    BoardName,
    Calib,
    ClockMhz,
    Config,
    Crop,
    DdrBytes,
    DdrLatency,
    DriverFrames,
    Edited,
    FcOn,
    FcPlace,
    Force,
    Json,
    KeepAll,
    Labels,
    Mean,
    Method,
    Model,
    ModelOrDir,
    Preset,
    Processor,
    ProgramOnly,
    PsThreads,
    Resize,
    Script,
    Seed,
    SeOn,
    SimulateToo,
    Stalls,
    Std,
    calibration,
)
from accelgen.cli.outcome import Results, log, verb
from accelgen.errors import ConfigError, OutputError

__all__ = ["app"]

app = typer.Typer(
    name="accelgen",
    help="From a trained CNN (ONNX) to a bit-exact simulated INT8 FPGA accelerator.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
zoo_app = typer.Typer(
    help="Well-known networks as ONNX, with seeded weights.", no_args_is_help=True
)
app.add_typer(zoo_app, name="zoo")


def _warn(sentences: Sequence[str]) -> None:
    for sentence in dict.fromkeys(sentences):
        log.print(f"warning: {sentence}", markup=False, style="yellow")


def _said(compiled: Any) -> Any:
    """What was compiled; warnings, and where things were placed, go to stderr."""
    _warn(compiled.warnings)
    if compiled.reason:
        log.print(compiled.reason, markup=False)
    return compiled


def _print_json(value: Any) -> None:
    # Not through rich: it would wrap and colour.
    with _output() as out:
        out.write(json_format.dumps(value, indent=1) + "\n")


def _print(*values: Any) -> None:
    # A pipe has no width: a table must not be cut to 80 columns there.
    console = Results(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False)
    with _output():
        for value in values:
            console.print(value)


@contextlib.contextmanager
def _output() -> Iterator[TextIO]:
    """stdout, written to its end. Raises OutputError when it cannot be, on a full disk."""
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write the output: {error.strerror}") from error


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
@verb
def check(
    model: Model, board: BoardName = "ultra96v2", preset: Preset = None, config: Config = None,
    fc_on: FcOn = "pl", se_on: SeOn = "pl", json: Json = False,
) -> None:  # fmt: skip
    """Say of every node where it runs, or why it is not supported and what helps; then whether
    the compiler builds the model for the board's configuration."""
    from accelgen.flow import hardware, verbs

    target = hardware.target(board, preset=preset, config=config)
    report = verbs.check(model, target, fc_on=fc_on, se_on=se_on)
    if json:
        verdict = {"board": target.board.name, "builds": report.builds, "reason": report.refusal}
        _print_json({
            "model": model,
            "nodes": [asdict(r) for r in report.nodes],
            "verdict": verdict,
        })
    else:
        _print(tables.check_table(model, report.nodes))
        _print(tables.check_verdict(report, target.board.name))
    if not report.builds:
        raise typer.Exit(1)


@app.command()
@verb
def quantize(
    model: Model,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="Q", help="QDQ ONNX file to write.")],
    calib: Calib = None,
    resize: Resize = None,
    crop: Crop = None,
    mean: Mean = None,
    std: Std = None,
    bgr: Bgr = False,
    method: Method = "mse",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Quantize to INT8 and write QDQ ONNX; report each layer's signal to noise."""
    from accelgen.flow import verbs

    samples = calibration(calib, resize, crop, mean, std, bgr)
    made = verbs.quantize(model, out, calib=samples, method=method, seed=seed)
    _warn(made.warnings)
    if json:
        _print_json({
            "model": model,
            "out": str(out),
            "layers": [asdict(row) for row in made.model.report],
        })
    else:
        _print(tables.quantize_table(model, made.model), f"written: {out}")


@app.command()
@verb
def estimate(
    model: Model,
    board: BoardName = "ultra96v2",
    preset: Preset = None,
    config: Config = None,
    clock_mhz: ClockMhz = None,
    ddr_bytes_per_cycle: DdrBytes = None,
    ddr_latency: DdrLatency = None,
    stalls: Stalls = 0.0,
    calib: Calib = None,
    resize: Resize = None,
    crop: Crop = None,
    mean: Mean = None,
    std: Std = None,
    bgr: Bgr = False,
    seed: Seed = 0,
    fc_on: FcPlace = "auto",
    se_on: SeOn = "pl",
    ps_threads: PsThreads = 1,
    json: Json = False,
) -> None:
    """Cycles, frames per second, DDR traffic and resources, per layer, without RTL."""
    from accelgen.flow import compiler, hardware, verbs

    target = hardware.target(
        board, preset=preset, config=config, clock_mhz=clock_mhz,
        ddr_bytes_per_cycle=ddr_bytes_per_cycle, ddr_latency=ddr_latency, stalls=stalls,
        ps_threads=ps_threads,
    )  # fmt: skip
    samples = calibration(calib, resize, crop, mean, std, bgr)
    compiled = _said(
        compiler.compile(model, target, fc_on=fc_on, se_on=se_on, calib=samples, seed=seed)
    )
    numbers = verbs.estimate(compiled)
    if json:
        _print_json(numbers.to_dict(model))
    else:
        _print(
            tables.estimate_table(model, numbers),
            tables.ps_table(numbers),
            tables.estimate_summary(numbers, target.board),
        )
    if not numbers.fits:
        raise typer.Exit(1)


@app.command()
@verb
def build(
    model: Model,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Directory to write.")],
    board: BoardName = "ultra96v2",
    preset: Preset = None,
    config: Config = None,
    clock_mhz: ClockMhz = None,
    ddr_bytes_per_cycle: DdrBytes = None,
    ddr_latency: DdrLatency = None,
    calib: Calib = None,
    resize: Resize = None,
    crop: Crop = None,
    mean: Mean = None,
    std: Std = None,
    bgr: Bgr = False,
    seed: Seed = 0,
    fc_on: FcPlace = "auto",
    labels: Labels = None,
    keep_all: KeepAll = False,
    simulated: SimulateToo = False,
    program_only: ProgramOnly = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write Verilog, program, weights, Vivado project, driver: all a board needs."""
    from accelgen.flow import compiler, hardware, packages
    from accelgen.rtl.design import described

    target = hardware.target(
        board, preset=preset, config=config, clock_mhz=clock_mhz,
        ddr_bytes_per_cycle=ddr_bytes_per_cycle, ddr_latency=ddr_latency,
    )  # fmt: skip
    samples = calibration(calib, resize, crop, mean, std, bgr)
    compiled = _said(
        compiler.compile(model, target, fc_on=fc_on, calib=samples, seed=seed, keep_all=keep_all)
    )
    _warn(described(target.arch, target.family))
    numbers = packages.build(
        compiled, out, calib=samples, labels=labels, seed=seed, force=force,
        program_only=program_only,
        say=lambda sentence: log.print(sentence, markup=False),
    )  # fmt: skip
    if json:
        _print_json({"out": str(out), **numbers.to_dict(model)})
    else:
        _print(tables.estimate_summary(numbers, target.board), f"written: {out}")
    well = numbers.fits
    if simulated:
        from accelgen.flow.runs import simulate as run

        built, verilog = packages.open_package(out)
        sample = packages.sample_of(out, built.input_layout)
        result = run(built, sample=sample, verilog=verilog)
        packages.store_simulated(out, result)
        for sentence in (*tables.simulated_lines(result), *result.faults):
            log.print(sentence, markup=False)
        well = well and result.match
    if not well:
        raise typer.Exit(1)


@app.command()
@verb
def simulate(
    model: ModelOrDir,
    layers: Annotated[
        str | None, typer.Option("--layers", metavar="all|NAME,...", help="Layers to run alone.")
    ] = None,
    frame: Annotated[bool, typer.Option("--frame", help="A whole frame (default).")] = False,
    waves: Annotated[
        Path | None,
        typer.Option("--waves", metavar="DIR", help="Where a wave window goes on a mismatch."),
    ] = None,
    board: BoardName = "ultra96v2",
    preset: Preset = None,
    config: Config = None,
    clock_mhz: ClockMhz = None,
    ddr_bytes_per_cycle: DdrBytes = None,
    ddr_latency: DdrLatency = None,
    stalls: Stalls = 0.0,
    calib: Calib = None,
    resize: Resize = None,
    crop: Crop = None,
    mean: Mean = None,
    std: Std = None,
    bgr: Bgr = False,
    seed: Seed = 0,
    fc_on: FcPlace = "auto",
    se_on: SeOn = "pl",
    ps: Processor = "twin",
    driver: DriverFrames = 0,
    script: Script = None,
    edited: Edited = False,
    json: Json = False,
) -> None:
    """Run the generated RTL against the golden model, bit by bit."""
    from accelgen.flow import compiler, hardware, packages, runs
    from accelgen.simulation.reproducer import SUFFIX

    if edited and not Path(model).is_dir():
        raise ConfigError("--edited is about a package: give a directory made by build")
    if driver or script:
        _on_the_simulated_board(Path(model), driver, script, seed, json, edited)
        return

    def target(board: str, clock_mhz: float | None, arch: Any = None) -> hardware.Target:
        return hardware.target(
            board, preset=preset, config=config, arch=arch, clock_mhz=clock_mhz,
            ddr_bytes_per_cycle=ddr_bytes_per_cycle, ddr_latency=ddr_latency, stalls=stalls,
        )  # fmt: skip

    samples = calibration(calib, resize, crop, mean, std, bgr)
    verilog = sample = None
    elsewhere = fc_on != "auto" or se_on != "pl"
    if Path(model).suffix == SUFFIX:
        given = (preset, config, clock_mhz, ddr_bytes_per_cycle, ddr_latency, calib)
        set_some = stalls or seed or elsewhere or samples.pictures.given
        if set_some or any(x is not None for x in given):
            raise ConfigError(f"{model} is a saved run with its own options: give it none")
        compiled, run = runs.open_reproducer(Path(model))
        sample, seed = run.sample, run.seed
    elif Path(model).is_dir():
        if elsewhere:
            raise ConfigError("a package is as it was built: give --fc-on and --se-on with a model")
        compiled, verilog = packages.open_package(Path(model), edited=edited)
        sample = packages.sample_of(Path(model), compiled.input_layout)
        built = compiled.hardware
        compiled = compiled.on(target(built.board.name, built.clock_mhz, built.arch))
    else:
        compiled = _said(
            compiler.compile(
                model, target(board, clock_mhz), fc_on=fc_on, se_on=se_on, calib=samples, seed=seed
            )
        )
    result = runs.simulate(
        compiled, layers=layers, frame=frame or not layers, sample=sample, seed=seed,
        verilog=verilog, waves=waves, progress=sys.stderr.isatty(), ps=ps,
    )  # fmt: skip
    if Path(model).is_dir():
        packages.store_simulated(Path(model), result)
    if json:
        _print_json(result.to_dict(model))
    else:
        _print(tables.simulated_table(model, result), *tables.simulated_lines(result))
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
        ended = driven.run_in_package(where, chosen, say=_print, edited=edited)
        for violation in ended.violations:
            log.print(f"AXI: {violation}", markup=False, style="red")
        if ended.status or ended.violations:
            raise typer.Exit(1)
        return
    result = driven.drive(
        where, frames, seed=seed, say=lambda line: log.print(line, markup=False), edited=edited
    )
    if json:
        _print_json(result.to_dict())
    else:
        right = "every output bit-exact" if not result.faults else "WRONG"
        _print(f"{result.frames} frames through the package's driver, pipelined: {right}")
    for fault in result.faults:
        log.print(f"mismatch: {fault}", markup=False, style="red")
    if result.faults:
        raise typer.Exit(1)


@app.command()
@verb
def results(
    where: Annotated[
        Path, typer.Argument(metavar="DIR", help="Package in which vivado/build.tcl has run.")
    ],
    reports: Annotated[
        Path | None,
        typer.Option(
            "--reports",
            metavar="DIR",
            help="utilization.rpt, timing.rpt, power.rpt that lie elsewhere.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Read Vivado's reports back: what it made, beside the estimate, and whether timing is met."""
    from accelgen.flow import packages

    made, estimated = packages.results(where, reports)
    if json:
        _print_json({"made": made.to_dict(), "estimated": asdict(estimated)})
    else:
        _print(tables.results_table(made, estimated), *tables.results_lines(made, estimated))
    if not made.timing_met:
        raise typer.Exit(1)


@app.command()
@verb
def boards(json: Json = False) -> None:
    """What is known of each board, with sources."""
    from accelgen.boards import board_names, load_board

    known = [load_board(name) for name in board_names()]
    if json:
        _print_json({"boards": [asdict(b) for b in known]})
    else:
        _print(tables.boards_table(known), tables.sources_table(known))


@zoo_app.command("list")
@verb
def zoo_list(json: Json = False) -> None:
    """Names and default resolutions."""
    from accelgen import zoo

    known = [{"name": n, "resolution": zoo.default_resolution(n)} for n in zoo.names()]
    if json:
        _print_json({"networks": known})
    else:
        _print(tables.rows_table("zoo", ("network", "resolution"), (n.values() for n in known)))


@zoo_app.command("export")
@verb
def zoo_export(
    name: Annotated[str, typer.Argument(metavar="NAME[@R]", help="Network and resolution.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="ONNX file to write.")],
) -> None:
    """Write a network as float ONNX."""
    from accelgen.flow.verbs import export_zoo

    export_zoo(name, out)
    _print(f"written: {out}")
