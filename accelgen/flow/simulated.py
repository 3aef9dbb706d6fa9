"""Simulated hardware beside golden model and estimate, layer by layer, for people and for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from accelgen.arch import ArchParams
from accelgen.arch.ports import TRAFFIC
from accelgen.display.cells import Rows, most_lost, percent
from accelgen.display.html import html_table
from accelgen.errors import ConfigError
from accelgen.estimator import Estimate
from accelgen.estimator.efficiency import total_losses
from accelgen.estimator.report import step_cycles
from accelgen.program.records import Program
from accelgen.simulation.check import FrameReport, LayerReport

__all__ = [
    "Simulated",
    "SimulatedFrame",
    "SimulatedLayer",
    "add_frame",
    "add_layers",
    "choose_steps",
    "layer_rows",
]


@dataclass(frozen=True, kw_only=True)
class SimulatedLayer:
    """One node of the graph.

    ``match`` is its step's; ``elements`` (compared), ``cycles``, ``estimated_cycles``,
    ``efficiency`` and ``losses`` (of the PE array, see ``estimator.efficiency``) are the whole
    step's, on its first layer; 0 and None on the others, whose ``step`` names it.
    """

    name: str
    op: str
    engine: str
    macs: int
    match: bool
    elements: int
    cycles: int | None
    estimated_cycles: int | None
    step: str
    efficiency: float | None = None
    losses: Mapping[str, int] | None = None


@dataclass(frozen=True, kw_only=True)
class SimulatedFrame:
    """A whole frame; ``wall_s`` is how long it took to simulate.

    ``fps``: of a stream of frames: the PL's cycles and the hand-over between frames, or all that
    the processor does per frame (modelled, ``ps_ms``) where that is longer: it works on the frame
    before. ``ps_ddr_bytes`` is its traffic that the bench injected,
    ``ddr_bytes`` the PL's. ``efficiency`` and ``losses`` are of the PE array; ``counters`` are the
    registers.
    """

    match: bool
    cycles: int
    estimated_cycles: int
    fps: float
    wall_s: float
    efficiency: float
    losses: Mapping[str, int]
    ddr_bytes: int
    ps_ddr_bytes: int
    ps_ms: float
    counters: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, repr=False)
class Simulated:
    """What was simulated. ``faults`` are sentences: what differs first, and where. ``ends``: of
    each part of the frame, the cycle in which each EXEC completed, and its cycles."""

    board: str
    config: Mapping[str, Any]
    layers: tuple[SimulatedLayer, ...] = ()
    frame: SimulatedFrame | None = None
    faults: tuple[str, ...] = ()
    ends: tuple[tuple[tuple[int, ...], int], ...] = ()

    def __repr__(self) -> str:
        verdict = "bit-exact" if self.match else "DIFFERS from the golden model"
        cycles = f"{self.frame.cycles:,} cycles, " if self.frame else ""
        return f"<Simulated on {self.board}: {cycles}{len(self.layers)} layers, {verdict}>"

    def _repr_html_(self) -> str:
        return html_table(repr(self).strip("<>"), layer_rows(self), self.faults)

    @property
    def match(self) -> bool:
        """Everything that was simulated is equal to the golden model."""
        return not self.faults and all(x.match for x in self.layers)

    def to_dict(self, model: str) -> dict[str, Any]:
        """The JSON object of ``accelgen simulate --json``."""
        result: dict[str, Any] = {
            "model": model,
            "board": self.board,
            "config": dict(self.config),
            "layers": [asdict(layer) for layer in self.layers],
        }
        if self.frame:
            result["frame"] = asdict(self.frame)
        return result


def layer_rows(result: Simulated) -> Rows:
    """Steps as they ran, beside the estimate; a step is named by its first layer."""
    along = Counter(x.step for x in result.layers)
    rows = []
    for x in (x for x in result.layers if x.cycles is not None):
        joined = [y for y in result.layers if y.step == x.step]
        off = (x.estimated_cycles or 0) / max(1, x.cycles or 0) - 1
        rows.append((
            f"{x.name} +{along[x.step] - 1}" if along[x.step] > 1 else x.name,
            x.cycles,
            x.estimated_cycles,
            f"{100 * off:+.1f} %" if x.cycles and x.estimated_cycles else None,
            all(y.match for y in joined),
            percent(x.efficiency),
            most_lost(x.losses, x.cycles),
        ))
    columns = ("layer", "cycles", "estimated", "off", "match", "array", "the rest")
    return Rows(columns, tuple(rows))


def choose_steps(program: Program, layers: str) -> list[int]:
    """Steps that hold the layers named in ``layers`` ("all", or names with commas between).

    Names are those of the schedule's nodes or of the ONNX nodes they stand for. Raises ConfigError
    for an unknown one.
    """
    if layers == "all":
        return [step.index for step in program.steps]
    sources = {source: n.name for n in program.graph.nodes for source in n.sources}
    chosen = []
    for name in layers.split(","):
        node = sources.get(name.strip(), name.strip())
        found = [step.index for step in program.steps if node in step.nodes]
        if not found:
            known = ", ".join(step.nodes[0] for step in program.steps[:8])
            raise ConfigError(f"no layer {name!r} is in the schedule; it begins with {known}, ...")
        chosen += found
    return sorted(set(chosen))


def add_frame(
    simulated: Simulated,
    program: Program,
    numbers: Estimate,
    frame: FrameReport,
    everything: FrameReport,
) -> Simulated:
    """``simulated`` with a frame, and with every layer of it; a frame in parts grows by one part.

    ``frame`` ran ``program`` itself: its cycles count. ``everything`` ran the same network with
    every tensor kept: there each layer is compared.
    """
    ends = [float(end) for end in frame.result.exec_cycles]
    complete = len(ends) == sum(len(step.execs) for step in program.steps)
    cycles = step_cycles(program, ends) if complete else [0] * len(program.steps)
    wrong = {node for d in everything.divergences for node in d.nodes} | set(everything.ps_faults)
    elements = {name: value.size for name, value in everything.result.tensors.items()}
    layers = []
    for layer, first in _layers(program, numbers):
        step = next((s for s in program.steps if layer.name in s.nodes), None)
        if step and first:
            compared = sum(elements.get(name, 0) for name in (step.output, step.squeezed))
            layer = _with_cycles(layer, numbers, cycles[step.index])
            layer = replace(layer, elements=compared)
        layers.append(replace(layer, match=layer.name not in wrong and not everything.result.fault))
    layers = [*simulated.layers, *layers]
    return replace(
        simulated,
        layers=tuple(layers),
        frame=_frame(simulated.frame, numbers, frame, layers),
        ends=(*simulated.ends, (frame.result.exec_cycles, frame.result.cycles)),
        faults=(*simulated.faults, *(str(r) for r in (frame, everything) if not r.match)),
    )


def _frame(
    before: SimulatedFrame | None, numbers: Estimate, frame: FrameReport,
    layers: Iterable[SimulatedLayer],
) -> SimulatedFrame:  # fmt: skip
    """``before`` (the frame's earlier parts) and one part more, whose ``layers`` are all so far."""
    result = frame.result
    cycles = result.cycles + (before.cycles if before else 0)
    counters = dict(result.counters)
    for name, count in (before.counters if before else {}).items():
        counters[name] = counters.get(name, 0) + count
    beats = dict(result.beats)
    ours = ArchParams.BUS_BYTES * sum(beats.get(port, 0) for port in TRAFFIC)
    theirs = ArchParams.BUS_BYTES * beats.get("ps", 0)
    layers = list(layers)
    lost = cycles - sum(x.cycles or 0 for x in layers)
    return SimulatedFrame(
        match=frame.match and (before is None or before.match),
        cycles=cycles,
        estimated_cycles=numbers.cycles,
        fps=1 / replace(numbers.ps, pl_seconds=cycles / (numbers.clock_mhz * 1e6)).period_seconds,
        wall_s=result.wall_s + (before.wall_s if before else 0.0),
        efficiency=sum((x.efficiency or 0.0) * (x.cycles or 0) for x in layers) / max(1, cycles),
        losses=total_losses([*(x.losses or {} for x in layers), {"ends": max(0, lost)}]),
        ddr_bytes=ours + (before.ddr_bytes if before else 0),
        ps_ddr_bytes=theirs + (before.ps_ddr_bytes if before else 0),
        ps_ms=1e3 / numbers.fps_ps,
        counters=counters,
    )


def add_layers(
    simulated: Simulated,
    program: Program,
    numbers: Estimate,
    steps: Mapping[int, tuple[LayerReport, int]],
) -> Simulated:
    """``simulated`` with steps that ran alone: by index, the report and the estimated cycles.

    Where a frame has given a layer its cycles they stay; the match is of both.
    """
    before = {layer.name: layer for layer in simulated.layers}
    layers = []
    for layer, first in _layers(program, numbers):
        old = before.get(layer.name)
        step = next((s for s in program.steps if layer.name in s.nodes), None)
        if step is None or step.index not in steps:
            layers += [old] if old else []
            continue
        report, estimated = steps[step.index]
        if old:
            layers.append(replace(old, match=old.match and report.match))
        elif first:
            layer = _with_cycles(layer, numbers, report.cycles)
            layers.append(
                replace(
                    layer, match=report.match, elements=report.elements,
                    estimated_cycles=estimated,
                )
            )  # fmt: skip
        else:
            layers.append(replace(layer, match=report.match))
    faults = []
    for report, _ in steps.values():
        if not report.match:
            first_wrong = str(report.divergences[0]) if report.divergences else ""
            faults.append(f"{report.name}: {report.result.fault or first_wrong}")
    return replace(simulated, layers=tuple(layers), faults=(*simulated.faults, *faults))


def _with_cycles(layer: SimulatedLayer, numbers: Estimate, cycles: int) -> SimulatedLayer:
    use = next((x.use for x in numbers.layers if x.name == layer.name), None)
    return replace(
        layer,
        cycles=cycles,
        efficiency=use.efficiency(cycles) if use else None,
        losses=use.losses(cycles) if use else None,
    )


def _layers(program: Program, numbers: Estimate) -> Iterator[tuple[SimulatedLayer, bool]]:
    """Every layer with nothing simulated yet, and whether it is the first of its step."""
    names = {node.name for node in program.graph.nodes}
    for x in numbers.layers:
        if x.name not in names:
            continue  # of another part of the frame
        first = x.cycles is not None and any(x.name == s.nodes[0] for s in program.steps)
        yield (
            SimulatedLayer(
                name=x.name, op=x.op, engine=x.engine, macs=x.macs, match=True, elements=0,
                cycles=None, estimated_cycles=x.cycles if first else None, step=x.step,
            ),
            first,
        )  # fmt: skip
