"""The first pictures of an evaluation on the simulated hardware, bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from accelgen.flow.compiled import judged
from accelgen.flow.hardware import Target
from accelgen.flow.network import Loaded
from accelgen.flow.placement import place
from accelgen.flow.runs import simulate
from accelgen.inputs.several import AnyShown
from accelgen.ir.wide import wide_nodes
from accelgen.quant import QuantizedModel

__all__ = ["OnRtl", "on_rtl"]


@dataclass(frozen=True, kw_only=True)
class OnRtl:
    """Frames of so many ``pictures`` through the generated Verilog for ``board``: whether every
    layer and output ``match`` the golden model's, the cycles of each, and what differs (``faults``,
    sentences). ``logits`` is what the build leaves ("int8": the last layer is the PL's)."""

    board: str
    pictures: int
    match: bool
    cycles: tuple[int, ...]
    logits: str
    faults: tuple[str, ...] = ()


def on_rtl(
    loaded: Loaded,
    int8: QuantizedModel,
    shown: AnyShown,
    count: int,
    hardware: Target,
    progress: Callable[[int, int], None] | None = None,
) -> OnRtl:
    """The first ``count`` of ``shown`` on ``hardware``, layers placed as ``build`` places them."""
    compiled = judged(place(loaded, int8, hardware))
    cycles, faults = [], []
    for i in range(count):
        made = simulate(compiled, sample=shown.read(i, i + 1))
        cycles.append(made.frame.cycles if made.frame else 0)
        faults += [f"{shown.names[i]}: {fault}" for fault in made.faults]
        if not made.match and not made.faults:
            faults.append(f"{shown.names[i]}: a layer differs")
        if progress:
            progress(i + 1, count)
    return OnRtl(
        board=hardware.board.name, pictures=count, match=not faults, cycles=tuple(cycles),
        logits="wide" if wide_nodes(compiled.model.graph) else "int8", faults=tuple(faults),
    )  # fmt: skip
