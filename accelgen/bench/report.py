"""The benchmark's tables, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from accelgen.bench.published import published_layer, sources
from accelgen.bench.run_layers import LayerResult
from accelgen.bench.run_networks import NetworkResult
from accelgen.cli.tables import rows_table
from accelgen.display.cells import lost_to, percent

__all__ = ["layers_table", "networks_table", "source_lines"]


def networks_table(title: str, results: Sequence[NetworkResult]) -> Table:
    """A row per network."""
    return rows_table(
        title,
        ("network", "cycles", "FPS", "of the PL", "target", "reached", "published", "array",
         "the rest", "DDR MB", "PS ms", "FC", "match", "estimate"),
        ((f"{r.name}@{r.resolution}", r.cycles, r.fps, r.fps_pl, r.target_fps, r.reached,
          _best(r), percent(r.efficiency), lost_to(r.losses, r.cycles), r.ddr_bytes / 1e6,
          f"{r.ps_ms:.2f}", r.fc_on, r.match, _off(r.cycles, r.estimated_cycles))
         for r in results),
    )  # fmt: skip


def layers_table(title: str, results: Sequence[LayerResult]) -> Table:
    """A row per layer, NNgen's figures at the right."""
    return rows_table(
        title,
        ("layer", "cycles", "of peak", "array", "window", "DDR", "of the bound", "EXECs",
         "DSP: array", "all", "match", "NNgen cycles", "DSP", "of peak"),
        (_layer_row(r) for r in results),
    )  # fmt: skip


def source_lines() -> list[str]:
    """Where the figures of others come from."""
    return [f"{name}: {text}" for name, text in sources().items()]


def _layer_row(r: LayerResult) -> tuple[Any, ...]:
    theirs = published_layer(r.key)
    of_bound = f"{percent(r.of_bound)} {r.bound}"
    return (
        f"{r.key} {r.title}", r.cycles, percent(r.efficiency) if r.macs else "-", r.array_bound,
        r.window_bound, r.ddr_bound, of_bound, r.execs, r.array_dsp, r.dsp, r.match,
        theirs.cycles, theirs.multipliers, f"{theirs.efficiency:g} %",
    )  # fmt: skip


def _best(r: NetworkResult) -> str:
    return f"{r.best_fps:g} ({r.best_source})" if r.best_fps else "none"


def _off(cycles: int, estimated: int) -> str:
    return f"{100 * (estimated / cycles - 1):+.2f} %"
