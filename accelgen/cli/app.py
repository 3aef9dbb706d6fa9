"""The verbs, each a thin function over accelgen.flow."""

from __future__ import annotations

import json as json_format
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from accelgen import __version__
from accelgen.boards import DEFAULT_BOARD
from accelgen.cli import tables
from accelgen.cli.accuracy import tie_lines
from accelgen.cli.compare import compare
from accelgen.cli.evaluate import evaluate
from accelgen.cli.groups import Configuration, Hardware, Samples, StalledHardware, grouped
from accelgen.cli.options import (
    BoardName,
    Csv,
    Exclude,
    FcOn,
    FcPlace,
    Force,
    Json,
    KeepAll,
    Labels,
    Logits,
    Method,
    Model,
    ProgramOnly,
    PsThreads,
    Seed,
    SeOn,
    SePlace,
    SimulateToo,
    Sort,
    Technique,
    Top,
    Trace,
    Wide,
)
from accelgen.cli.outcome import log, verb
from accelgen.cli.output import note, print_json, print_results, said, warn, width
from accelgen.cli.simulate import simulate
from accelgen.cli.verdict import verdict_lines
from accelgen.cli.working import working
from accelgen.extras import require

__all__ = ["app"]

EXIT = "Exit status: 0 all well; 1 something did not match or fit; 2 bad input."

app = typer.Typer(
    name="accelgen",
    help="From a trained CNN (ONNX) to a bit-exact simulated INT8 FPGA accelerator.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
zoo_app = typer.Typer(
    help="Well-known networks as ONNX, with seeded weights.", no_args_is_help=True
)
app.add_typer(zoo_app, name="zoo")


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="No warnings and notes, only errors.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Say on stderr what is done, and when.")
    ] = False,
) -> None:
    log.notes = not quiet
    logging.basicConfig(
        format="%(relativeCreated)6.0f ms  %(message)s", stream=sys.stderr, force=True
    )
    logging.getLogger("accelgen").setLevel(logging.INFO if verbose else logging.WARNING)
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command(epilog=EXIT)
@verb
@grouped
def check(
    model: Model,
    hardware: Configuration,
    fc_on: FcOn = "pl",
    se_on: SeOn = "pl",
    json: Json = False,
) -> None:
    """Say of every node where it runs, or why it is not supported and what helps; then whether
    the compiler builds the model for the board's configuration."""
    from accelgen.flow import verbs

    target = hardware.target()
    with working(f"checking {model}"):
        report = verbs.check(model, target, fc_on=fc_on, se_on=se_on)
    if json:
        verdict = {"board": target.board.name, "builds": report.builds, "reason": report.refusal}
        print_json({
            "model": model,
            "nodes": [asdict(r) for r in report.nodes],
            "verdict": verdict,
        })
    else:
        print_results(tables.check_table(model, report.nodes, width=width()))
        print_results(tables.check_verdict(report, target.board.name))
    if not report.builds:
        raise typer.Exit(1)


@app.command(epilog=EXIT)
@verb
@grouped
def quantize(
    model: Model,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="Q", help="QDQ ONNX file to write.")],
    samples: Samples,
    method: Method = "mse",
    technique: Technique = "auto",
    exclude: Exclude = "",
    logits: Logits = "wide",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Quantize to INT8 and write QDQ ONNX; report each layer's signal to noise, the loss to
    expect, the layers that lose most, and what helps."""
    from accelgen.flow import verbs

    with working(f"quantizing {model}"):
        made = verbs.quantize(
            model,
            out,
            calib=samples.calibration,
            method=method,
            technique=technique,
            exclude=exclude,
            logits=logits,
            seed=seed,
        )
    warn(made.warnings)
    if json:
        print_json({
            "model": model,
            "out": str(out),
            "layers": [asdict(row) for row in made.model.report],
            "techniques": [asdict(trial) for trial in made.model.trials],
            "verdict": made.model.verdict and asdict(made.model.verdict),
        })
    else:
        print_results(
            tables.quantize_table(made, width=width()), *verdict_lines(made.model),
            *tie_lines(made), f"written: {out}",
        )  # fmt: skip


app.command(epilog=EXIT)(evaluate)


@app.command(epilog=EXIT)
@verb
@grouped
def estimate(
    model: Model,
    hardware: StalledHardware,
    samples: Samples,
    seed: Seed = 0,
    fc_on: FcPlace = "auto",
    logits: Logits = "wide",
    se_on: SePlace = "auto",
    ps_threads: PsThreads = 1,
    sort: Sort = "network",
    top: Top = None,
    wide: Wide = False,
    trace: Trace = None,
    csv: Csv = None,
    json: Json = False,
) -> None:
    """Cycles, frames per second, DDR traffic and resources, per layer, without RTL."""
    from accelgen.flow import compiler, layer_table, traces, verbs

    target = hardware.target(ps_threads=ps_threads)
    with working(f"reading {model}"):
        compiled = compiler.compile(
            model, target, fc_on=fc_on, se_on=se_on, logits=logits,
            calib=samples.calibration, seed=seed, cycles_only=True,
        )  # fmt: skip
        numbers = verbs.estimate(compiled)
        if trace:
            traces.write_trace(trace, compiled)
        if csv:
            layer_table.write_csv(csv, compiled)
    said(compiled)
    if json:
        print_json(numbers.to_dict(model))
    else:
        print_results(
            tables.estimate_table(model, numbers, sort=sort, top=top, wide=wide, width=width()),
            tables.ps_table(numbers),
            tables.estimate_summary(numbers, target.board),
        )
    if not numbers.fits:
        raise typer.Exit(1)


app.command(epilog=EXIT)(compare)


@app.command(epilog=EXIT)
@verb
@grouped
def build(
    model: Model,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Directory to write.")],
    hardware: Hardware,
    samples: Samples,
    seed: Seed = 0,
    fc_on: FcPlace = "auto",
    technique: Technique = "auto",
    exclude: Exclude = "",
    logits: Logits = "wide",
    labels: Labels = None,
    keep_all: KeepAll = False,
    simulated: SimulateToo = False,
    program_only: ProgramOnly = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write Verilog, program, weights, Vivado project, driver: all a board needs."""
    from accelgen.flow import compiler, packages
    from accelgen.rtl.design import described

    require("rtl")  # now, and not after a minute of compiling
    target = hardware.target()
    with working(f"reading {model}"):
        compiled = compiler.compile(
            model, target, fc_on=fc_on, logits=logits, calib=samples.calibration, seed=seed,
            technique=technique, exclude=exclude, keep_all=keep_all,
        )  # fmt: skip
    said(compiled)
    warn(described(target.arch, target.family))
    with working(f"writing {out}"):
        numbers = packages.build(
            compiled, out, calib=samples.calibration, labels=labels, seed=seed, force=force,
            program_only=program_only,
            say=note,
        )  # fmt: skip
    if json:
        print_json({"out": str(out), **numbers.to_dict(model)})
    else:
        print_results(tables.estimate_summary(numbers, target.board), f"written: {out}")
    well = numbers.fits
    if simulated:
        from accelgen.flow.runs import simulate as run

        built, verilog = packages.open_package(out)
        sample = packages.sample_of(out, *built.layouts)
        result = run(built, sample=sample, verilog=verilog)
        packages.store_simulated(out, result)
        for sentence in (*tables.simulated_lines(result), *result.faults):
            log.print(sentence, markup=False)
        well = well and result.match
    if not well:
        raise typer.Exit(1)


app.command(epilog=EXIT)(simulate)


@app.command(epilog=EXIT)
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
        print_json({"made": made.to_dict(), "estimated": asdict(estimated)})
    else:
        print_results(tables.results_table(made, estimated), *tables.results_lines(made, estimated))
    if not made.timing_met:
        raise typer.Exit(1)


@app.command(epilog=EXIT)
@verb
def boards(json: Json = False) -> None:
    """What is known of each board, with sources."""
    from accelgen.boards import board_names, load_board

    known = [load_board(name) for name in board_names()]
    if json:
        print_json({"boards": [asdict(b) for b in known]})
    else:
        print_results(tables.boards_table(known, width=width()), tables.sources_table(known))


@app.command(epilog=EXIT)
@verb
def presets(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Print its knobs, as a --config file.")
    ] = None,
    board: BoardName = DEFAULT_BOARD,
    json: Json = False,
) -> None:
    """Configurations by name, what they take of the board, and whether they fit it."""
    from accelgen.boards import load_board
    from accelgen.flow import hardware

    chosen = load_board(board)
    if name:
        knobs = hardware.target(board, preset=name).arch.to_dict()
        if json:
            print_json(knobs)
        else:
            print_results(
                *(f"{knob} = {json_format.dumps(value)}" for knob, value in knobs.items())
            )
        return
    known = hardware.presets(chosen)
    if json:
        print_json({"presets": {k: arch.to_dict() for k, arch in known.items()}})
    else:
        print_results(tables.presets_table(chosen, known))


@zoo_app.command("list", epilog=EXIT)
@verb
def zoo_list(json: Json = False) -> None:
    """Names and default resolutions."""
    from accelgen import zoo

    known = [{"name": n, "resolution": zoo.default_resolution(n)} for n in zoo.names()]
    if json:
        print_json({"networks": known})
    else:
        print_results(
            tables.rows_table("zoo", ("network", "resolution"), (n.values() for n in known))
        )


@zoo_app.command("export", epilog=EXIT)
@verb
def zoo_export(
    name: Annotated[str, typer.Argument(metavar="NAME[@R]", help="Network and resolution.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="ONNX file to write.")],
) -> None:
    """Write a network as float ONNX."""
    from accelgen.flow.verbs import export_zoo

    export_zoo(name, out)
    print_results(f"written: {out}")
