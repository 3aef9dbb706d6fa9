"""estimate(): a program and a board in; cycles, frames per second and resources out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from accelgen.boards import Board
from accelgen.cost import Memory
from accelgen.display.html import html_table
from accelgen.estimator.board_design import board_design
from accelgen.estimator.efficiency import ArrayUse, array_use, total_losses
from accelgen.estimator.ps import PsEstimate, estimate_ps, moved_maps
from accelgen.estimator.resources import Resources, exceeded, total_resources
from accelgen.estimator.rows import step_rows
from accelgen.estimator.timeline import Span, Timeline, timeline
from accelgen.estimator.traffic import Beside, fixed_point
from accelgen.ir import Graph, Node
from accelgen.ir.macs import count_macs
from accelgen.ir.ops import QAdd, QConv2d, QTable
from accelgen.program.commands import Weights, moves_maps
from accelgen.program.encode import command_bytes
from accelgen.program.records import Program, Step
from accelgen.ps.model import PsModel

__all__ = ["Estimate", "LayerEstimate", "engine_of", "estimate", "ps_model", "step_cycles"]

#: Share of the bandwidth below which the PS's traffic is taken as none.
NEGLIGIBLE = 0.002


@dataclass(frozen=True, kw_only=True)
class LayerEstimate:
    """One node of the graph.

    ``cycles``, ``efficiency`` and ``losses`` are the whole step's, on its first layer; None on the
    others, whose ``step`` names it. ``bound``: what the step waits for most. ``efficiency`` is the
    PE array's, useful MACs / (cycles * macs_per_cycle); ``losses`` the other cycles by cause
    (``estimator.efficiency.CAUSES``); ``use`` what both come from.
    """

    name: str
    op: str
    engine: str
    macs: int
    cycles: int | None
    ddr_bytes: int
    bound: str
    step: str
    efficiency: float | None = None
    losses: Mapping[str, int] | None = None
    use: ArrayUse | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {k: v for k, v in asdict(self).items() if k != "use"}


@dataclass(frozen=True, kw_only=True, repr=False)
class Estimate:
    """What a program takes on a board. ``resources`` and ``fits`` are of the configuration."""

    board: str
    clock_mhz: float
    config: dict[str, Any]
    layers: tuple[LayerEstimate, ...]
    cycles: int
    ddr_bytes: int
    fps_pl: float
    fps_ps: float
    resources: Resources
    board_design: Resources
    exceeded: tuple[str, ...]
    ps: PsEstimate
    competing_bytes_per_cycle: float = 0.0

    def __repr__(self) -> str:
        where = f"{self.board}, {self.clock_mhz:g} MHz"
        return f"<Estimate {self.cycles:,} cycles, {self.fps:,.1f} frames per second on {where}>"

    def _repr_html_(self) -> str:
        return html_table(repr(self).strip("<>"), step_rows(self))

    @property
    def fps(self) -> float:
        """Frames per second when the PS works on one frame while the PL computes the next."""
        return 1 / self.ps.period_seconds

    @property
    def useful_cycles(self) -> float:
        """What the array would take at its peak."""
        return sum(x.use.useful for x in self.layers if x.use)

    @property
    def efficiency(self) -> float:
        """Of the PE array over the PL's frame: useful MACs / (cycles * macs_per_cycle)."""
        return self.useful_cycles / self.cycles

    @property
    def losses(self) -> dict[str, int]:
        """Cycles of the frame that are not useful, by cause, the largest first."""
        steps = sum(x.cycles or 0 for x in self.layers)
        return total_losses([
            *(x.losses or {} for x in self.layers),
            {"ends": max(0, self.cycles - steps)},
        ])

    @property
    def fits(self) -> bool:
        """The configuration fits the board's part."""
        return not self.exceeded

    def to_dict(self, model: str) -> dict[str, Any]:
        """The JSON object of ``accelgen estimate --json``."""
        return {
            "model": model,
            "board": self.board,
            "config": self.config,
            "clock_mhz": self.clock_mhz,
            "layers": [layer.to_dict() for layer in self.layers],
            "cycles": self.cycles,
            "efficiency": self.efficiency,
            "losses": self.losses,
            "fps": self.fps,
            "fps_pl": self.fps_pl,
            "fps_ps": self.fps_ps,
            "ddr_bytes": self.ddr_bytes,
            "resources": self.resources.to_dict(),
            "board_design": self.board_design.to_dict(),
            "fits": self.fits,
            "ps": self.ps.to_dict(),
        }


def estimate(
    program: Program | Sequence[Program], board: Board, *, clock_mhz: float | None = None,
    memory: Memory | None = None, ps: PsModel | None = None, near: float = 0.0,
    undisturbed: bool = False,
) -> Estimate:  # fmt: skip
    """Estimate one frame of ``program`` on ``board``.

    Parameters
    ----------
    program : Program, or several
        Several run one after another, with PS work between them.
    clock_mhz : float
        Fabric clock; the board's by default.
    memory : Memory
        DDR in the clock's cycles; the board's by default.
    ps : PsModel
        The processor; the board's by default.
    near : float
        Bytes per cycle that the processor is thought to move beside the PL, to be sooner there.
    undisturbed : bool
        As if it moved nothing: no frame is shorter, and it is known sooner.
    """
    parts = (program,) if isinstance(program, Program) else tuple(program)
    clock_mhz = clock_mhz or board.clock.mhz
    memory = memory or board.memory(clock_mhz)
    ps, maps = ps or ps_model(board), moved_maps(parts)

    def look(competing: float) -> Beside[tuple[list[Timeline], PsEstimate]]:
        lines = [timeline(part, memory, competing) for part in parts]
        beside = estimate_ps(parts, _seconds(lines, clock_mhz), ps, maps)
        period = beside.period_seconds * clock_mhz * 1e6
        # What the PS moves while the PL works is taken from the PL's bandwidth. They take turns:
        # where both want more than there is, neither gets less than half.
        wanted = min(beside.overlapped_bytes / period, memory.bytes_per_cycle / 2)
        return Beside((lines, beside), competing, period, wanted)

    negligible = NEGLIGIBLE * memory.bytes_per_cycle
    point = look(0.0) if undisturbed else fixed_point(look, negligible, near)
    lines, beside = point.frame
    around = board_design(board)
    used = total_resources(parts[0].arch) + around
    return Estimate(
        board=board.name,
        clock_mhz=clock_mhz,
        config=parts[0].arch.to_dict(),
        layers=tuple(x for p, line in zip(parts, lines, strict=True) for x in _layers(p, line)),
        cycles=_cycles(lines),
        ddr_bytes=sum(line.read_bytes + line.written_bytes for line in lines),
        fps_pl=1 / beside.pl_seconds,
        fps_ps=1 / beside.ps_seconds,
        resources=used,
        board_design=around,
        exceeded=(
            *exceeded(used, asdict(board.budget)),
            *board.clock_faults(clock_mhz, parts[0].arch),
        ),
        ps=beside,
        competing_bytes_per_cycle=point.bytes_per_cycle,
    )


def ps_model(board: Board, threads: int = 1) -> PsModel:
    """The board's processor."""
    rate = 1000 * board.ddr.peak_gbs * board.ddr.efficiency
    return PsModel(core_mhz=board.ps.mhz, memory_rate=rate, threads=threads)


def _cycles(lines: Sequence[Timeline]) -> int:
    return sum(math.ceil(line.cycles) for line in lines)


def _seconds(lines: Sequence[Timeline], clock_mhz: float) -> float:
    return _cycles(lines) / (clock_mhz * 1e6)


def step_cycles(program: Program, ends: list[float]) -> list[int]:
    """Cycles of each step, from the cycle at which each EXEC completed.

    An EXEC's cycles are those since the EXEC before it, so that steps add up to the frame.
    """
    spent = [end - before for before, end in zip([0.0, *ends], ends, strict=False)]
    return [round(sum(spent[i] for i in step.execs)) for step in program.steps]


def engine_of(node: Node, graph: Graph, program: Program) -> str:
    """``array``, ``window``, ``table``, ``add``, ``squeeze``, ``ps`` or ``folded``."""
    if any(step.node == node.name for step in program.ps_steps):
        return "ps"
    step = _step_of(node, program)
    if step is None:
        return "folded"
    if node.op.__class__ is QAdd:
        return "add"
    if node.op.__class__ is QTable:
        return "table"
    if node.op.in_squeeze and node.output == step.squeezed:
        return "squeeze"
    if step.engine in ("array", "window"):
        return step.engine
    first = next((n for n in step.nodes if _is_convolution(graph, n)), "")
    return "array" if node.name == first else "window"


def _layers(program: Program, line: Timeline) -> Iterator[LayerEstimate]:
    graph = program.graph
    cycles = step_cycles(program, [span.end for span in line.spans])
    for node in graph.nodes:
        step = _step_of(node, program)
        first = step is not None and step.nodes[0] == node.name
        engine = engine_of(node, graph, program)
        use = None
        if step and first:
            use = _use(step, program, [line.spans[i] for i in step.execs])
        yield LayerEstimate(
            name=node.name,
            op=type(node.op).__name__.removeprefix("Q"),
            engine=engine,
            macs=count_macs(node, graph),
            cycles=(cycles[step.index] if first else None) if step else 0,
            ddr_bytes=_ddr_bytes(step, program) if step and first else 0,
            bound=_bound([line.spans[i] for i in step.execs]) if step else engine,
            step=step.nodes[0] if step else node.name,
            efficiency=use.efficiency(cycles[step.index]) if step and use else None,
            losses=use.losses(cycles[step.index]) if step and use else None,
            use=use,
        )


def _use(step: Step, program: Program, spans: Sequence[Span]) -> ArrayUse:
    graph = program.graph
    macs = sum(
        count_macs(n, graph)
        for n in graph.nodes
        if n.name in step.nodes and engine_of(n, graph, program) == "array"
    )
    return array_use(spans, macs, program.arch.macs_per_cycle)


def _step_of(node: Node, program: Program) -> Step | None:
    return next((step for step in program.steps if node.name in step.nodes), None)


def _is_convolution(graph: Graph, name: str) -> bool:
    return any(n.name == name and isinstance(n.op, QConv2d) for n in graph.nodes)


def _ddr_bytes(step: Step, program: Program) -> int:
    """Bytes that the step's commands move, and the commands themselves."""
    total = 0
    for index in step.commands:
        command = program.commands[index]
        total += command_bytes(command.opcode)
        if isinstance(command, Weights) and not command.parked:  # else moved by a LOAD
            total += command.beats * program.arch.BUS_BYTES
        elif moves_maps(command):
            total += command.groups * command.rows * program.arch.row_bytes
    return total


def _bound(spans: list[Span]) -> str:
    """The engine that keeps the step busy; else ``ddr`` or ``switch``, whichever takes more."""
    if not spans:
        return "folded"
    duration = sum(span.end - span.before for span in spans)
    work = sum(span.time.work for span in spans)
    switch = sum(span.overhead for span in spans)
    if work >= 0.6 * duration:
        return max(spans, key=lambda span: span.time.work).time.bound
    return "switch" if switch >= duration - work - switch else "ddr"
