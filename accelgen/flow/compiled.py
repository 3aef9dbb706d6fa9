"""A network, quantized and scheduled: what every verb but ``check`` and ``quantize`` works on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from accelgen.display.cells import Rows
from accelgen.display.html import html_table
from accelgen.errors import ConfigError
from accelgen.estimator import Estimate
from accelgen.estimator import estimate as estimate_program
from accelgen.estimator.report import ps_model
from accelgen.flow.hardware import Target
from accelgen.flow.network import Loaded
from accelgen.ir import Graph
from accelgen.program.records import Program
from accelgen.quant import QuantizedModel
from accelgen.quant.dry_run import dry_int8
from accelgen.schedule import schedule_parts

__all__ = ["Compiled", "Offload", "estimated", "judge", "keeping_all", "scheduled"]

#: Numbers of a map from which on a network is judged before it is calibrated.
LARGE_MAP = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Offload:
    """What besides softmax the PS computes: the fully connected layers at the network's end, and
    squeeze-and-excite blocks (each costs a crossing there and back)."""

    fc: bool = False
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

    ``parts`` run one after another, PS work between them; usually there is one, ``program``.
    ``reason`` says why the last fully connected layers are where they are, if accelgen chose;
    ``numbers`` is the estimate by which it chose. ``warnings`` are sentences for the user.
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
        return replace(self, hardware=hardware, numbers=None)

    @property
    def program(self) -> Program:
        """The only program. Raises ConfigError when the frame has several parts."""
        if len(self.parts) > 1:
            raise ConfigError(
                f"{self.name} is scheduled in {len(self.parts)} parts, with PS work between them: "
                "that can be estimated, and simulated as whole frames; leave --se-on at pl"
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
        _parts(int8, hardware, offload)


def scheduled(
    loaded: Loaded,
    int8: QuantizedModel,
    hardware: Target,
    *,
    offload: Offload | None = None,
) -> Compiled:
    """One int8 network for one target, everything placed by ``offload``.

    Raises ScheduleError when it does not fit the configuration.
    """
    offload = offload or Offload()
    return Compiled(
        name=loaded.name,
        input_layout=loaded.imported.input_layout,
        model=int8,
        hardware=hardware,
        parts=_parts(int8.graph, hardware, offload),
        offload=offload,
        warnings=loaded.warnings,
    )


def keeping_all(compiled: Compiled) -> Compiled:
    """The same, scheduled so that every tensor is stored: slower, for finding what is wrong."""
    parts = _parts(compiled.model.graph, compiled.hardware, compiled.offload, keep_all=True)
    return replace(compiled, parts=parts, numbers=None)


def estimated(compiled: Compiled) -> Estimate:
    """Cycles, frames per second and resources, from the schedule alone."""
    hardware = compiled.hardware
    return compiled.numbers or estimate_program(
        compiled.parts, hardware.board, clock_mhz=hardware.clock_mhz, memory=hardware.memory,
        ps=ps_model(hardware.board, hardware.ps_threads),
    )  # fmt: skip


def _parts(
    graph: Graph, hardware: Target, offload: Offload, *, keep_all: bool = False,
) -> tuple[Program, ...]:  # fmt: skip
    return schedule_parts(
        graph,
        hardware.arch,
        hardware.memory,
        keep_all=keep_all,
        fc_on_ps=offload.fc,
        se_on_ps=offload.se,
    )
