"""``accelgen compare``: a waterfall from one estimate to another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from accelgen.cli.options import Json
from accelgen.cli.outcome import verb
from accelgen.cli.output import print_json, print_results, warn, width
from accelgen.cli.tables import NARROW, drawn
from accelgen.cli.working import working
from accelgen.display.cells import Rows

if TYPE_CHECKING:
    from accelgen.flow.compared import Comparison, Group

__all__ = ["compare"]


@verb
def compare(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A", help="MODEL[,key=value...]: keys are estimate's options, as preset=naive."
        ),
    ],
    b: Annotated[
        str,
        typer.Argument(
            metavar="[B]", help="The same, or key=value,...: of A's model; the board's default."
        ),
    ] = "",
    json: Json = False,
) -> None:
    """From A to B, what each difference brings: two models, boards, presets, clocks, places."""
    from accelgen.flow import compared

    with working(f"comparing {a}"):
        result = compared.compare(a, b)
    warn(result.warnings)
    if json:
        print_json(result.to_dict())
    else:
        columns = width()
        words = columns >= NARROW
        print_results(drawn("frame (estimated)", result.rows(words=words), columns))
        if not words:
            print_results(*(f"{s.change}: {s.old} -> {s.new}" for s in result.steps))
        print_results(*_lines(result))
        print_results(drawn("cycles by size of map", _group_rows(result), columns))
        print_results(drawn("cycles by cause", _loss_rows(result), columns))
    if not result.fits:
        raise typer.Exit(1)


def _lines(result: Comparison) -> Iterator[str]:
    ends = zip("AB", (result.a, result.b), result.numbers, strict=True)
    for name, side, numbers in ends:
        fits = "" if numbers.fits else "; does not fit: " + "; ".join(numbers.exceeded)
        yield f"{name}: {side.model} on {numbers.board}, {numbers.clock_mhz:g} MHz{fits}"
    saved = [s for s in result.causes if s.saves_ns > 0]
    costs = [s for s in result.causes if s.saves_ns < 0]
    if saved:
        yield "saves most: " + ", ".join(f"{s.change} {s.saves_ns / 1e6:,.3f} ms" for s in saved)
    if costs:
        yield "costs: " + ", ".join(f"{s.change} {-s.saves_ns / 1e6:,.3f} ms" for s in costs)
    if not result.steps:
        yield "no difference"


def _group_rows(result: Comparison) -> Rows:
    clocks = [1e3 * n.clock_mhz for n in result.numbers]

    def row(pair: tuple[Group, Group]) -> tuple[str | int | float, ...]:
        ms = (f"{g.cycles / khz:.3f}" for g, khz in zip(pair, clocks, strict=True))
        macs, moved = (g.macs / 1e6 for g in pair), (round(g.ddr_bytes / 1e3) for g in pair)
        return (pair[0].name, *macs, *moved, *(g.cycles for g in pair), *ms)

    columns = ("maps", *(f"{what} {s}" for what in ("MMAC", "KB", "cyc", "ms") for s in "AB"))
    busy = (pair for pair in result.groups if any(g.macs or g.cycles for g in pair))
    return Rows(columns, tuple(map(row, busy)))


def _loss_rows(result: Comparison) -> Rows:
    rows = tuple((cause, x, y) for cause, (x, y) in result.losses.items())
    return Rows(("cause", "cycles A", "cycles B"), rows)
