"""accelgen evaluate: how accurate the int8 network is, on pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from accelgen.cli.accuracy import evaluate_lines, evaluate_tables
from accelgen.cli.groups import Configuration, Samples, grouped
from accelgen.cli.options import Exclude, Json, Logits, Method, Model, Seed, Technique
from accelgen.cli.outcome import log, verb
from accelgen.cli.output import print_json, print_results, warn, width
from accelgen.extras import require

__all__ = ["evaluate"]


@verb
@grouped
def evaluate(
    model: Model,
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            metavar="DIR|FILE",
            help="Pictures (png, jpg), a folder of them per class (in order of names, or numbers), "
            ".npz (x, or x_uint8 with divisor, mean, std; labels y), a folder of those, or .npy. "
            "May be given several times.",
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="FILE",
            help="Text or CSV, a line 'name,label' per picture; for arrays a label per line. "
            "Labels are numbers from 0.",
        ),
    ] = None,
    *,
    samples: Samples,
    method: Method = "mse",
    technique: Technique = "auto",
    exclude: Exclude = "",
    logits: Logits = "wide",
    seed: Seed = 0,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N pictures.")
    ] = None,
    worst: Annotated[
        int, typer.Option("--worst", metavar="N", min=0, help="Pictures to name that lose most.")
    ] = 5,
    rtl: Annotated[
        int,
        typer.Option("--rtl", metavar="N", min=0, help="Simulate the first N pictures, too."),
    ] = 0,
    hardware: Configuration,
    json: Json = False,
) -> None:
    """How accurate INT8 is on pictures, beside float and onnxruntime: top-1, top-5, agreement with
    float, ties, signal to noise. What is said of pictures holds for --calib and --data. --board,
    --preset and --config are those of --rtl."""
    from accelgen.flow import evaluated

    require("reference")  # now, and not after a minute of calibrating
    if rtl:
        require("simulate")
    calibration = samples.calibration
    with _bar(f"evaluating {model}") as progress:
        made = evaluated.evaluate(
            model, data, labels=labels, calib=calibration, method=method, technique=technique,
            exclude=exclude, logits=logits, seed=seed, limit=limit, worst=worst, rtl=rtl,
            hardware=hardware.target() if rtl else None, progress=progress,
        )  # fmt: skip
    warn(made.warnings)
    if json:
        where = [str(path) for path in data]
        print_json({
            "model": model, "data": where[0] if len(where) == 1 else where, **made.to_dict()
        })  # fmt: skip
    else:
        print_results(*evaluate_tables(made, width=width()), *evaluate_lines(made))
    for fault in made.rtl.faults if made.rtl else ():
        log.print(f"mismatch: {fault}", markup=False, style="red")
    if made.rtl and not made.rtl.match:
        raise typer.Exit(1)


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Pictures done, on a terminal's last line; nothing stays there."""
    if not (log.notes and log.is_terminal):
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=log, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, count: bar.update(task, completed=done, total=count)
