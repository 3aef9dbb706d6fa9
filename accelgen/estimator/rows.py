"""An estimate as rows: a step per row, where its time goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from accelgen.display.cells import Rows, most_lost, percent

if TYPE_CHECKING:
    from accelgen.estimator.report import Estimate, LayerEstimate

__all__ = ["sort_key", "step_rows"]


def sort_key(sort: str) -> Callable[[LayerEstimate], float]:
    """Of layers, for ``sorted``: what comes first has the smallest."""
    keys: dict[str, Callable[[LayerEstimate], float]] = {
        "network": lambda x: 0,
        "time": lambda x: -(x.cycles or 0),
        "array": lambda x: 2.0 if x.efficiency is None else x.efficiency,
        "bytes": lambda x: -x.ddr_bytes,
    }
    return keys[sort]


def step_rows(numbers: Estimate, *, sort: str = "network", top: int | None = None) -> Rows:
    """Steps with milliseconds, share of the PL's frame, and what they wait for.

    A step is named by its first layer, "+2" for two that it takes along. ``sort``: the network's
    order; the slowest first; where the array does least; most DDR bytes. ``top``: so many rows.
    """
    layers = Counter(x.step for x in numbers.layers)
    steps = sorted((x for x in numbers.layers if x.cycles is not None), key=sort_key(sort))
    rows = []
    for x in steps[:top]:
        along = layers[x.step] - 1
        cycles = x.cycles or 0
        rows.append((
            f"{x.name} +{along}" if along else x.name,
            f"{cycles / (1e3 * numbers.clock_mhz):.3f}" if cycles else None,
            percent(cycles / numbers.cycles) if cycles else None,
            cycles or None,
            x.bound,
            percent(x.efficiency),
            most_lost(x.losses, x.cycles),
        ))
    return Rows(("layer", "ms", "share", "cycles", "bound", "array", "the rest"), tuple(rows))
