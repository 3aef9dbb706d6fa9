"""Whole frames of the zoo's networks, beside the target and the best published."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from accelgen.bench.kept import kept, kept_estimate
from accelgen.bench.published import published_network
from accelgen.estimator import Estimate
from accelgen.flow import runs
from accelgen.flow.compiled import Compiled, estimated
from accelgen.flow.compiler import compile
from accelgen.flow.hardware import Target
from accelgen.ir.macs import total_macs
from accelgen.rtl.design import design_verilog

__all__ = ["NetworkResult", "run_networks"]


@dataclass(frozen=True, kw_only=True)
class NetworkResult:
    """One frame, batch 1. ``simulated`` is False with an estimate only.

    ``fps``: of a stream of frames, as everywhere: with what the driver does between two of them
    (modelled); ``estimated_fps`` by the estimate alone. ``fps_pl``: of the PL's cycles, or of the
    processor's time (modelled) where that is longer; published figures are of such, targets are
    held against ``fps``. ``fc_on`` is where the
    last fully connected layers run. ``efficiency`` and ``losses`` are of the PE array,
    ``ddr_bytes`` the PL's, ``ps_ddr_bytes`` the processor's while the PL works, ``wall_s`` what the
    simulator took for the frame.
    """

    name: str
    resolution: int
    simulated: bool
    match: bool | None
    macs: int
    cycles: int
    estimated_cycles: int
    estimated_fps: float
    fps: float
    fps_pl: float
    target_fps: float | None
    best_fps: float | None
    best_source: str
    fc_on: str
    efficiency: float
    losses: dict[str, int]
    ddr_bytes: int
    ps_ddr_bytes: int
    ps_ms: float
    wall_s: float

    @property
    def reached(self) -> bool | None:
        """The target is; None without one."""
        return None if self.target_fps is None else self.fps >= self.target_fps

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "reached": self.reached}


def run_networks(
    names: Sequence[str], hardware: Target, *, simulate: bool, progress: bool,
    say: Callable[[str], None],
) -> Iterator[NetworkResult]:  # fmt: skip
    """Each of ``names`` (of the zoo) on ``hardware``, as they come; ``say`` takes news."""
    for name in names:
        if not simulate:
            what = repr((name, asdict(hardware)))
            yield NetworkResult(**kept_estimate(what, partial(_estimate, name, hardware)))
            continue
        compiled = compile(f"zoo:{name}", hardware)
        numbers = estimated(compiled)
        frame, old = _simulated(compiled, numbers, progress)
        say(f"{name}: {'kept from before' if old else 'simulated'}, {frame['cycles']:,} cycles")
        yield _result(name, compiled, numbers, frame, simulated=True)


def _estimate(name: str, hardware: Target) -> dict[str, Any]:
    """Fields of the result."""
    compiled = compile(f"zoo:{name}", hardware, cycles_only=True)
    numbers = estimated(compiled)
    return asdict(_result(name, compiled, numbers, _estimated(numbers), simulated=False))


def _estimated(numbers: Estimate) -> dict[str, Any]:
    """The frame's figures, as :class:`~accelgen.flow.simulated.SimulatedFrame` has them."""
    cycles = numbers.cycles
    return {
        "match": None, "cycles": cycles, "efficiency": numbers.efficiency,
        "losses": numbers.losses, "ddr_bytes": numbers.ddr_bytes,
        "ps_ddr_bytes": round(numbers.competing_bytes_per_cycle * cycles), "wall_s": 0.0,
    }  # fmt: skip


def _simulated(
    compiled: Compiled, numbers: Estimate, progress: bool
) -> tuple[dict[str, Any], bool]:
    hardware = compiled.hardware
    competing = numbers.competing_bytes_per_cycle
    settings = runs.ddr_settings(hardware.memory, 0, competing)
    parts: list[str | bytes] = [design_verilog(hardware.arch, hardware.family), repr(settings)]
    parts += [part.image for part in compiled.parts]
    # The processor's steps are in no image.
    parts += [repr(step) for part in compiled.parts for step in part.ps_steps]
    parts.append(repr((hardware.clock_mhz, numbers.ps.ps_seconds)))

    def make() -> dict[str, Any]:
        result = runs.simulate(compiled, progress=progress)
        assert result.frame is not None
        frame = asdict(result.frame)
        frame["match"] = result.match
        return frame

    return kept(parts, partial(make))


def _result(
    name: str, compiled: Compiled, numbers: Estimate, frame: dict[str, Any], *, simulated: bool
) -> NetworkResult:
    known = published_network(name)
    graph = compiled.model.graph
    pl_seconds = frame["cycles"] / (numbers.clock_mhz * 1e6)
    kernels, crossings = numbers.ps.waits
    period = max(pl_seconds + kernels + crossings, numbers.ps.ps_seconds)
    return NetworkResult(
        name=name, resolution=graph.tensors[graph.input].shape[1], simulated=simulated,
        macs=total_macs(graph), match=frame["match"], cycles=frame["cycles"],
        estimated_cycles=numbers.cycles, estimated_fps=numbers.fps, fps=1 / period,
        fps_pl=min(1 / pl_seconds, numbers.fps_ps),
        target_fps=known.target_fps, best_fps=known.best_fps, best_source=known.source,
        fc_on=_fc_on(compiled), efficiency=frame["efficiency"], losses=frame["losses"],
        ddr_bytes=frame["ddr_bytes"], ps_ddr_bytes=frame["ps_ddr_bytes"],
        ps_ms=1e3 * numbers.ps.ps_seconds, wall_s=frame["wall_s"],
    )  # fmt: skip


def _fc_on(compiled: Compiled) -> str:
    return "ps" if compiled.offload.fc else "pl"
