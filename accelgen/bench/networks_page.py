"""python -m accelgen.bench.networks_page NAME[@R],...: rows of docs/networks.md."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from textwrap import shorten
from typing import Annotated

import typer

from accelgen import zoo
from accelgen.bench.published import published_network, size_sources
from accelgen.bench.run_networks import NetworkResult, run_networks
from accelgen.cli.options import BoardName, Preset
from accelgen.cli.outcome import log, verb
from accelgen.display.cells import most_lost, number, percent
from accelgen.ends import guarded
from accelgen.errors import AccelgenError, ConfigError
from accelgen.flow.hardware import Target, target

__all__ = ["merged", "page", "refused_row", "result_row"]

_HEAD = """\
# Networks

Every network of the zoo (`accelgen zoo list`) on the Ultra96's default configuration: one frame at
a time, 300 MHz fabric, DDR at 92.5 % of 4.264 GB/s. FPS is of a stream of frames, hand-over
between them modelled. Nothing was measured on a board.

A row is made, or made anew, by

    python -m accelgen.bench.networks_page NAME[@R],... [--simulate]

"Builds": `accelgen check` and the compiler accept it, or how the sentence begins
with which they do not.
"Match": every tensor of the simulated frame is the golden model's. Cells of what was not simulated,
or not yet, are empty; without `--simulate` those of a row stay as they are. "What binds" is the
share of the PE array's peak, and the largest two causes of the rest
([performance](performance.md)).

"""
_COLUMNS = (
    "network", "MMAC", "builds", "cycles, estimated", "FPS", "cycles, simulated", "FPS", "match",
    "what binds",
)  # fmt: skip
#: Columns that only a simulation fills.
_SIMULATED = slice(5, 8)
_SIZES = """
## MACs and parameters

Of each network as published; the zoo's are within 1 %, or within the last digit that was
published (`tests/zoo/test_literature.py`).

"""
_NOTES = """
Not as published: LR-ASPP and NanoDet enlarge maps by nearest neighbour, not bilinearly; LR-ASPP
ends before its last enlarging by 8; detectors and MoveNet end before decoding; the first layers of
YOLOX-Nano are the one 6x6 convolution that Focus and a 3x3 one come to. ShiftNet's shifts run as
depthwise convolutions, and MMAC counts all of their taps: 190.0 of its 1,614.3. Where they would
bind, channels with taps beside each other are parts with a kernel of their own
([architecture](architecture.md#design-choices-that-differ-from-the-first-reference)). Its first
stage is then bound by DDR: maps of 56x56 pixels do not stay in the memory, and parts, steps of
their own, hand no bands on. A kernel per range of channel groups within one step would: that is not
built.

Two convolutions of U-Net see 1,024 channels in 3x3: 1,152 words of weights per 8 channels out, and
the ring of the default configuration holds 1,024. Their words come from DDR again for each vector;
they take 43 % of the frame. With `weight_words = 2048` and, for its memory, `window_taps = 1` in a
file for `--config` they are read once: `accelgen estimate zoo:unet --config FILE` prints 38,318,886
cycles, 7.8 frames per second, 212 of 216 BRAM36.

Estimates have no calibration data: ranges are made up, of normally distributed values. Where they
say of maps that are joined that one needs the other's scale, and data does not, or the other way
round, a frame is some percent longer or shorter.
"""


def result_row(result: NetworkResult) -> tuple[str, ...]:
    """The cells of what was estimated or simulated."""
    simulated = result.simulated
    causes = [percent(result.efficiency), most_lost(result.losses, result.cycles)]
    plain = result.name.partition("@")[0]
    return (
        f"{plain}@{result.resolution}", number(round(result.macs / 1e6, 1)), "yes",
        number(result.estimated_cycles), number(result.estimated_fps),
        number(result.cycles) if simulated else "", number(result.fps) if simulated else "",
        number(result.match) if simulated else "", "; ".join(c for c in causes if c),
    )  # fmt: skip


def refused_row(name: str, error: AccelgenError) -> tuple[str, ...]:
    """The row of a network that does not build: how the sentence begins."""
    sentence = shorten(str(error).replace("|", "/"), 60, placeholder=" ...")
    plain, _, resolution = name.partition("@")
    at = resolution or zoo.default_resolution(plain)
    return (f"{plain}@{at}", "", sentence, *("",) * (len(_COLUMNS) - 3))


def merged(old: str, rows: Iterable[tuple[str, ...]]) -> str:
    """The page with ``rows`` in the place of those of the same networks in ``old``; what ``old``
    has of a simulation stays where a row was estimated only."""
    kept = {
        line.split("|")[1].strip(): line
        for line in old.partition(_SIZES)[0].splitlines()
        if re.match(r"\| \w+@\d+ \|", line)
    }
    return page({**kept, **{row[0]: _line(_simulated_before(row, kept)) for row in rows}})


def _simulated_before(row: tuple[str, ...], kept: dict[str, str]) -> tuple[str, ...]:
    if row[2] != "yes" or row[_SIMULATED.start] or row[0] not in kept:
        return row
    cells = [cell.strip() for cell in kept[row[0]].split("|")[1:-1]]
    return (*row[: _SIMULATED.start], *cells[_SIMULATED], *row[_SIMULATED.stop :])


def page(lines: dict[str, str]) -> str:
    """The whole page; ``lines`` are the first table's, by network."""
    sizes = []
    for name in zoo.names():
        known = published_network(name)
        source = size_sources()[known.size_source]
        sizes.append(_line((name, known.macs, known.parameters, source)))
    return "\n".join((
        _HEAD + _table(_COLUMNS), *(lines[name] for name in sorted(lines)),
        _NOTES + _SIZES + _table(("network", "MACs, 1e9", "parameters, 1e6", "by")), *sizes, "",
    ))  # fmt: skip


def _table(columns: tuple[str, ...]) -> str:
    return _line(columns) + "\n" + "|---" * len(columns) + "|"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


@verb
def main(
    networks: Annotated[str, typer.Argument(metavar="NAME[@R],...", help="Of the zoo, or 'all'.")],
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Simulate a whole frame of each too.")
    ] = False,
    board: BoardName = "ultra96v2",
    preset: Preset = "ultra96_double",
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="Page to write rows into.")
    ] = Path("docs/networks.md"),
) -> None:
    """Estimate networks, or simulate a frame of each, and write their rows. Each is written as
    soon as it is there; rows of others stay."""
    hardware = target(board, preset=preset)
    names = zoo.names() if networks == "all" else tuple(networks.split(","))
    for name in names:
        if name.partition("@")[0] not in zoo.names():
            raise ConfigError(f"the zoo has no network {name!r}")
    faults = 0
    for name in names:
        row = _row(name, hardware, simulate)
        out.write_text(merged(out.read_text() if out.exists() else "", [row]))
        faults += row[7] == "no"
        log.print(": ".join((row[0], "; ".join(filter(None, row[1:])))), markup=False)
    if faults:
        raise typer.Exit(1)


def _row(name: str, hardware: Target, simulate: bool) -> tuple[str, ...]:
    try:
        (result,) = run_networks(
            [name], hardware, simulate=simulate, progress=sys.stderr.isatty(),
            say=lambda text: log.print(text, markup=False),
        )  # fmt: skip
    except AccelgenError as error:
        return refused_row(name, error)
    return result_row(result)


if __name__ == "__main__":
    guarded(lambda: lambda: typer.run(main), "rows that are done are written")
