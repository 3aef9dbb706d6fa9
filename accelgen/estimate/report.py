"""estimate(): a program and a board in; cycles, frames per second and resources out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from accelgen.arch.isa import COMMAND_BYTES, Opcode
from accelgen.boards import Board
from accelgen.estimate.ps import ps_seconds
from accelgen.estimate.resources import Resources, exceeded, total_resources
from accelgen.estimate.timeline import Memory, Span, Timeline, timeline
from accelgen.ir import Graph, Node
from accelgen.ir.macs import count_macs
from accelgen.ir.ops import QAdd, QConv2d, QGlobalAvgPool, QTable
from accelgen.schedule.program import Program, Step

__all__ = ["Estimate", "LayerEstimate", "engine_of", "estimate", "step_cycles"]


@dataclass(frozen=True, kw_only=True)
class LayerEstimate:
    """One node of the graph.

    ``cycles`` are the whole step's, on its first layer; None on the others, whose ``step`` names
    it. ``bound``: what the step waits for most.
    """

    name: str
    op: str
    engine: str
    macs: int
    cycles: int | None
    ddr_bytes: int
    bound: str
    step: str


@dataclass(frozen=True, kw_only=True)
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
    exceeded: tuple[str, ...]

    @property
    def fps(self) -> float:
        """Frames per second when the PS works on one frame while the PL computes the next."""
        return min(self.fps_pl, self.fps_ps)

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
            "layers": [asdict(layer) for layer in self.layers],
            "cycles": self.cycles,
            "fps": self.fps,
            "fps_pl": self.fps_pl,
            "fps_ps": self.fps_ps,
            "ddr_bytes": self.ddr_bytes,
            "resources": self.resources.to_dict(),
            "fits": self.fits,
        }


def estimate(
    program: Program, board: Board, *, clock_mhz: float | None = None, memory: Memory | None = None
) -> Estimate:
    """Estimate one frame of ``program`` on ``board``.

    Parameters
    ----------
    clock_mhz : float
        Fabric clock; the board's by default.
    memory : Memory
        DDR in the clock's cycles; the board's by default.
    """
    clock_mhz = clock_mhz or board.clock.mhz
    memory = memory or Memory(
        bytes_per_cycle=board.ddr.bytes_per_cycle(clock_mhz),
        latency_cycles=board.ddr.latency_cycles(clock_mhz),
    )
    line = timeline(program, memory)
    cycles = math.ceil(line.cycles)
    used = total_resources(program.arch)
    budget = asdict(board.budget)
    return Estimate(
        board=board.name,
        clock_mhz=clock_mhz,
        config=program.arch.to_dict(),
        layers=tuple(_layers(program, line)),
        cycles=cycles,
        ddr_bytes=line.read_bytes + line.written_bytes,
        fps_pl=clock_mhz * 1e6 / cycles,
        fps_ps=1 / ps_seconds(program),
        resources=used,
        exceeded=tuple(exceeded(used, budget)),
    )


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
    if isinstance(node.op, QGlobalAvgPool) and node.output == step.squeezed:
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
        yield LayerEstimate(
            name=node.name,
            op=type(node.op).__name__.removeprefix("Q"),
            engine=engine,
            macs=count_macs(node, graph),
            cycles=(cycles[step.index] if first else None) if step else 0,
            ddr_bytes=_ddr_bytes(step, program) if step and first else 0,
            bound=_bound([line.spans[i] for i in step.execs]) if step else engine,
            step=step.nodes[0] if step else node.name,
        )


def _step_of(node: Node, program: Program) -> Step | None:
    return next((step for step in program.steps if node.name in step.nodes), None)


def _is_convolution(graph: Graph, name: str) -> bool:
    return any(n.name == name and isinstance(n.op, QConv2d) for n in graph.nodes)


def _ddr_bytes(step: Step, program: Program) -> int:
    """Bytes that the step's commands move, and the commands themselves."""
    total = 0
    for index in step.commands:
        command = program.commands[index]
        total += COMMAND_BYTES
        if command.opcode == Opcode.WEIGHTS:
            total += command.fields.get("beats", 0) * program.arch.BUS_BYTES
        elif command.opcode in (Opcode.LOAD, Opcode.STORE):
            rows = command.fields.get("groups", 0) * command.fields.get("rows", 0)
            total += rows * program.arch.row_bytes
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
