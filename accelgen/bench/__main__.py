"""python -m accelgen.bench: layers and networks, simulated, beside what others published."""

from __future__ import annotations

import json as json_format
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from accelgen import zoo
from accelgen.bench.layers import LAYERS, Layer
from accelgen.bench.published import published_network
from accelgen.bench.report import layers_table, networks_table, source_lines
from accelgen.bench.run_layers import layer_target, run_layers
from accelgen.bench.run_networks import run_networks
from accelgen.boards import DEFAULT_BOARD
from accelgen.cli.options import BoardName, Json, Preset
from accelgen.cli.outcome import log, verb
from accelgen.ends import guarded
from accelgen.errors import ConfigError
from accelgen.flow.hardware import target

#: Layers run on the default, and where every multiplier computes once per cycle as others' do.
LAYER_PRESETS = ("ultra96_double", "ultra96")

Chosen = Annotated[
    str | None, typer.Option(metavar="NAME,...", help="Only these; 'none' for none of them.")
]
ChosenNetworks = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...",
        help="Only these of the zoo; 'all', 'none'. Those with a target unless told otherwise.",
    ),
]


@verb
def main(
    networks: ChosenNetworks = None,
    layers: Chosen = None,
    board: BoardName = DEFAULT_BOARD,
    preset: Preset = "ultra96_double",
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Estimated figures only, in seconds.")
    ] = False,
    json: Json = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="JSON file to write too.")
    ] = None,
) -> None:
    """Simulate layers from DDR to DDR and whole frames of networks. Results are kept: a rerun
    simulates what changed."""
    results = _run(_names(networks), _layers(layers), board, preset or "", estimate)
    rows = {"networks": results[0], "layers": [r for rs in results[1].values() for r in rs]}
    text = json_format.dumps(
        {"board": board, "config": preset, "simulated": not estimate}
        | {name: [r.to_dict() for r in rs] for name, rs in rows.items()},
        indent=1,
    )
    if out is not None:
        out.write_text(text + "\n")
    if json:
        sys.stdout.write(text + "\n")
    else:
        _show(*results, preset or "", "estimated" if estimate else "simulated RTL")
    if any(r.match is False for rs in rows.values() for r in rs):
        raise typer.Exit(1)


def _run(
    names: list[str], layers: list[Layer], board: str, preset: str, estimate: bool
) -> tuple[list[Any], dict[str, list[Any]]]:
    def say(text: str) -> None:
        log.print(text, markup=False)

    simulate = not estimate
    hardware = target(board, preset=preset)  # refused before anything is computed
    by_config = {
        config: list(
            run_layers(layers, layer_target(config, board), config, simulate=simulate, say=say)
        )
        for config in (LAYER_PRESETS if layers else ())
    }
    frames = run_networks(
        names, hardware, simulate=simulate, progress=sys.stderr.isatty(), say=say
    )  # fmt: skip
    return list(frames), by_config


def _show(frames: list[Any], by_config: dict[str, list[Any]], preset: str, how: str) -> None:
    console = Console(
        width=None if sys.stdout.isatty() else 220, highlight=False, markup=False
    )  # fmt: skip
    for config, results in by_config.items():
        memory = "40 cycles to first data, 16 B/cycle and direction"
        title = f"layers, DDR to DDR, {config}: {memory} ({how})"
        console.print(layers_table(title, results))
    if frames:
        title = f"networks, {preset}: frames, batch 1 ({how})"
        console.print(networks_table(title, frames))
    for line in source_lines():
        console.print(line)


def _names(chosen: str | None) -> list[str]:
    if chosen is None:
        return [name for name in zoo.names() if published_network(name).target_fps]
    return _select(None if chosen == "all" else chosen, {n: n for n in zoo.names()}, "network")


def _layers(chosen: str | None) -> list[Layer]:
    return _select(chosen, {layer.key: layer for layer in LAYERS}, "layer")


def _select(chosen: str | None, known: dict[str, Any], kind: str) -> list[Any]:
    if chosen is None:
        return list(known.values())
    names = [] if chosen == "none" else [name.strip() for name in chosen.split(",")]
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no {kind} {name!r}; known: {', '.join(known)}")
    return [known[name] for name in names]


if __name__ == "__main__":
    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    guarded(lambda: lambda: typer.run(main), "what is done is kept")
