"""A network, quantized and scheduled: what every verb but ``check`` and ``quantize`` works on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from accelgen.cost import Memory
from accelgen.display.cells import Rows
from accelgen.display.html import html_table
from accelgen.errors import ConfigError
from accelgen.estimator import Estimate
from accelgen.estimator import estimate as estimate_program
from accelgen.estimator.report import ps_model
from accelgen.estimator.timeline import timeline
from accelgen.flow.hardware import Target
from accelgen.flow.network import Loaded, kinds_of
from accelgen.inputs.several import Kinds
from accelgen.ir import Graph
from accelgen.ir.wide import wide_nodes
from accelgen.program.records import Program
from accelgen.ps.picture import Preprocess
from accelgen.quant import QuantizedModel
from accelgen.quant.dry_run import dry_int8
from accelgen.schedule import plan_parts, rounded_without_room
from accelgen.schedule.build import Planned
from accelgen.schedule.judged import Judge

__all__ = [
    "Compiled", "Offload", "estimated", "fastest", "judge", "judged", "keeping_all", "scheduled",
]  # fmt: skip

ROUNDED = (
    "this configuration has no room for the last layer's sums: they are rounded to int8, and "
    "outputs may tie (accelgen evaluate --logits int8 says how often)"
)
#: Numbers of a map from which on a network is judged before it is calibrated.
LARGE_MAP = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Offload:
    """What besides softmax the PS computes: the fully connected layers at the network's end (True),
    or so many of the last, and squeeze-and-excite blocks (each costs a crossing there and back)."""

    fc: int = False
    se: bool = False

    @classmethod
    def of(cls, fc_on: str = "pl", se_on: str = "pl") -> Offload:
        """From the options' words, "pl" or "ps". Raises ConfigError for others."""
        for option, where in (("--fc-on", fc_on), ("--se-on", se_on)):
            if where not in ("pl", "ps"):
                raise ConfigError(f"{option} is pl or ps, not {where!r}")
        return cls(fc=fc_on == "ps", se=se_on == "ps")


@dataclass(frozen=True, kw_only=True, repr=False)
class Compiled:
    """A network, quantized and scheduled for ``hardware``.

    ``parts`` run one after another, PS work between them; usually there is one, ``program``; they
    are the commands of what is ``planned``: for ``hardware``, or for ``planned_for`` if given.
    ``reason`` says why the last fully connected layers are where they are, if accelgen chose;
    ``numbers`` is the estimate by which it chose; ``judge`` chose among plans. ``warnings`` are
    sentences for the user, ``recorded`` is how pictures become its input, as the file says it.
    """

    name: str
    input_layout: str
    model: QuantizedModel
    hardware: Target
    parts: tuple[Program, ...]
    offload: Offload = Offload()
    warnings: tuple[str, ...] = field(default=())
    reason: str = ""
    numbers: Estimate | None = None
    planned: tuple[Planned, ...] = field(default=(), compare=False)
    planned_for: Target | None = None
    judge: Judge | None = field(default=None, compare=False)
    recorded: Preprocess | None = None
    more_layouts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        steps = sum(len(part.steps) for part in self.parts)
        where = f"FC on the {'PS' if self.offload.fc else 'PL'}"
        return f"<Compiled {self.name} for {self.hardware.board.name}: {steps} steps, {where}>"

    def _repr_html_(self) -> str:
        columns = ("step", "layers", "engine", "EXEC commands")
        rows = tuple(
            (step.index, ", ".join(step.nodes), step.engine, len(step.execs))
            for part in self.parts
            for step in part.steps
        )
        return html_table(repr(self).strip("<>"), Rows(columns, rows), self.warnings)

    @property
    def layouts(self) -> tuple[str, ...]:
        """In which order the model takes each input."""
        return (self.input_layout, *self.more_layouts)

    @property
    def kinds(self) -> Kinds:
        """What the model takes, input by input."""
        return kinds_of(self.model.graph, self.layouts)

    def warned(self, warnings: tuple[str, ...]) -> Compiled:
        """With more warnings."""
        return replace(self, warnings=self.warnings + warnings)

    def on(self, hardware: Target | None) -> Compiled:
        """The same program on other hardware of the same configuration (clock, memory, board).

        Raises ConfigError when the configuration differs: the program is for another one.
        """
        if hardware is None or hardware == self.hardware:
            return self
        if hardware.arch != self.hardware.arch:
            raise ConfigError(
                f"{self.name} is compiled for another configuration; compile it again"
            )
        first = self.planned_for or self.hardware
        planned_for = None if first == hardware else first
        return replace(self, hardware=hardware, numbers=None, planned_for=planned_for)

    @property
    def program(self) -> Program:
        """The only program. Raises ConfigError when the frame has several parts."""
        if len(self.parts) > 1:
            raise ConfigError(
                f"{self.name} is scheduled in {len(self.parts)} parts, with PS work between them "
                f"('{self.parts[0].ps_steps[0].node}' is the first): its steps are not run alone; "
                "simulate the whole frame"
            )
        return self.parts[0]


def judge(loaded: Loaded, hardware: Target, offload: Offload | None = None) -> None:
    """Before calibration, which takes minutes where maps are large: what shapes alone decide.

    Networks of small maps pass unseen: calibrating them is quicker than scheduling them twice.

    Raises
    ------
    ScheduleError
        The schedule would refuse the network on ``hardware``, whatever the data.
    """
    largest = max(math.prod(t.shape) for t in loaded.imported.graph.tensors.values())
    if largest >= LARGE_MAP:
        offload = offload or Offload()
        int8 = dry_int8(loaded.imported)
        for part in _planned(int8, hardware, offload):
            part.program()


def scheduled(
    loaded: Loaded,
    int8: QuantizedModel,
    hardware: Target,
    *,
    offload: Offload | None = None,
) -> Compiled:
    """One int8 network for one target, everything placed by ``offload``; wide logits that stay on
    the PL and that it has no room for are int8 from here on.

    Raises ScheduleError when it does not fit the configuration.
    """
    offload = offload or Offload()
    graph = rounded_without_room(
        int8.graph, hardware.arch, fc_on_ps=offload.fc, se_on_ps=offload.se
    )
    narrowed = bool(wide_nodes(int8.graph)) and not wide_nodes(graph)
    int8 = replace(int8, graph=graph)
    planned = _planned(int8.graph, hardware, offload)
    return Compiled(
        name=loaded.name,
        input_layout=loaded.imported.input_layout,
        model=int8,
        hardware=hardware,
        planned=planned,
        parts=tuple(part.program() for part in planned),
        offload=offload,
        warnings=loaded.warnings + ((ROUNDED,) if narrowed else ()),
        recorded=loaded.recorded,
        more_layouts=loaded.imported.more_layouts,
    )


class _Clock:
    """Cycles of programs on the estimator's time line, beside so much other traffic; every program
    is run once."""

    def __init__(self, memory: Memory, competing: float) -> None:
        self.memory = memory
        self.competing = competing
        self.known: dict[bytes, float] = {}

    def __call__(self, program: Program) -> float:
        if program.image not in self.known:
            self.known[program.image] = timeline(program, self.memory, self.competing).cycles
        return self.known[program.image]


def judged(compiled: Compiled) -> Compiled:
    """The same, or with another plan that takes fewer cycles on the estimator's time line, beside
    the processor's traffic. What goes layer by layer stays as it is."""
    if compiled.hardware.layerwise:
        return compiled
    hardware, numbers = compiled.hardware, estimated(compiled)
    beside = numbers.competing_bytes_per_cycle
    clock = _Clock(hardware.memory, beside)
    if len(compiled.parts) == 1:
        clock.known[compiled.program.image] = numbers.cycles
    parts = tuple(p.program(clock) for p in compiled.planned)
    if [p.image for p in parts] != [p.image for p in compiled.parts]:
        # The same traffic in a shorter frame.
        near = beside * numbers.cycles / sum(map(clock, parts))
        numbers = _estimated(parts, hardware, near=near)
    return replace(compiled, parts=parts, numbers=numbers, judge=clock)


def keeping_all(compiled: Compiled) -> Compiled:
    """The same plan, so that every tensor is stored: slower, for finding what is wrong."""
    planned = compiled.planned or _planned(
        compiled.model.graph, compiled.hardware, compiled.offload
    )
    parts = tuple(p.program(compiled.judge, keep_all=True) for p in planned)
    return replace(compiled, parts=parts, numbers=None)


def estimated(compiled: Compiled) -> Estimate:
    """Cycles, frames per second and resources, from the schedule alone."""
    return compiled.numbers or _estimated(compiled.parts, compiled.hardware)


def fastest(compiled: Compiled) -> float:
    """Frames per second that the estimate does not exceed, sooner known than it."""
    return _estimated(compiled.parts, compiled.hardware, undisturbed=True).fps


def _estimated(
    parts: tuple[Program, ...], hardware: Target, near: float = 0.0, *, undisturbed: bool = False
) -> Estimate:
    return estimate_program(
        parts, hardware.board, clock_mhz=hardware.clock_mhz, memory=hardware.memory,
        ps=ps_model(hardware.board, hardware.ps_threads), near=near, undisturbed=undisturbed,
    )  # fmt: skip


def _planned(graph: Graph, hardware: Target, offload: Offload) -> tuple[Planned, ...]:
    return plan_parts(
        graph, hardware.arch, hardware.memory, fc_on_ps=offload.fc, se_on_ps=offload.se,
        layerwise=hardware.layerwise,
    )  # fmt: skip
