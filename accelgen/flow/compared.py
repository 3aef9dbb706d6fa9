"""compare(): from one estimate to another, a difference at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from accelgen.display.cells import Rows
from accelgen.display.html import html_table
from accelgen.errors import AccelgenError
from accelgen.estimator import Estimate
from accelgen.flow.compiled import Compiled, estimated
from accelgen.flow.compiler import placed
from accelgen.flow.network import Loaded, dry, load, quantized
from accelgen.flow.sides import Side, side
from accelgen.ir import Graph
from accelgen.ir.offload import se_blocks, tail_nodes
from accelgen.quant import QuantizedModel

__all__ = ["Comparison", "Group", "State", "Step", "compare"]


@dataclass(frozen=True, kw_only=True)
class State:
    """An estimate in few numbers. ``frame_ns`` is the time from frame to frame, of which the PL
    computes ``pl_ns``; it waits ``waits_ns`` for the processor and crossings."""

    cycles: int
    frame_ns: int
    pl_ns: int
    waits_ns: int
    ddr_bytes: int
    bound: str

    @classmethod
    def of(cls, numbers: Estimate) -> State:
        """Of an estimate; whole nanoseconds, so that differences add up exactly."""
        ps = numbers.ps
        return cls(
            cycles=numbers.cycles,
            frame_ns=round(1e9 * ps.period_seconds),
            pl_ns=round(1e9 * ps.pl_seconds),
            waits_ns=round(1e9 * sum(ps.waits)),
            ddr_bytes=numbers.ddr_bytes,
            bound=ps.bound,
        )

    @property
    def fps(self) -> float:
        """Frames per second."""
        return 1e9 / self.frame_ns

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "fps": self.fps}


@dataclass(frozen=True, kw_only=True)
class Step:
    """``change`` from ``old`` to ``new``: field of a side, joined by " + " where the one alone
    cannot be scheduled. ``before`` and ``after``: with all earlier changes made."""

    change: str
    old: str
    new: str
    before: State
    after: State

    @property
    def saves_ns(self) -> int:
        """Nanoseconds of a frame that the change saves; negative where it costs."""
        return self.before.frame_ns - self.after.frame_ns

    @property
    def saves_cycles(self) -> int:
        """Cycles of the PL, of another length where the clock differs."""
        return self.before.cycles - self.after.cycles

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "change": self.change, "from": self.old, "to": self.new,
            "before": self.before.to_dict(), "after": self.after.to_dict(),
            "saves_ns": self.saves_ns, "saves_cycles": self.saves_cycles,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Group:
    """Layers whose maps are 1/``stride`` of the input high; 0: vectors; -1: the frame's two ends.
    ``cycles`` are of steps that begin there."""

    stride: int
    layers: int = 0
    macs: int = 0
    cycles: int = 0
    ddr_bytes: int = 0

    @property
    def name(self) -> str:
        """In words."""
        return {-1: "start and end", 0: "vectors", 1: "full size"}.get(
            self.stride, f"1/{self.stride}"
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """Two sides, the steps from ``a`` to ``b``, and where both spend their cycles.

    ``saves_ns`` of ``steps`` add up to the whole exactly, ``saves_cycles`` likewise. What a step
    saves depends on what was changed before it. ``groups``: by size of map, of ``a`` and of ``b``;
    ``losses``: cycles by cause, "array" those of useful work.
    """

    a: Side
    b: Side
    numbers: tuple[Estimate, Estimate]
    steps: tuple[Step, ...]
    groups: tuple[tuple[Group, Group], ...]
    losses: Mapping[str, tuple[int, int]]
    warnings: tuple[str, ...] = ()

    @property
    def before(self) -> State:
        """Of ``a``."""
        return State.of(self.numbers[0])

    @property
    def after(self) -> State:
        """Of ``b``."""
        return State.of(self.numbers[1])

    @property
    def saves_ns(self) -> int:
        """Nanoseconds of a frame that ``b`` saves."""
        return self.before.frame_ns - self.after.frame_ns

    @property
    def causes(self) -> tuple[Step, ...]:
        """Steps, the largest change of the frame's time first."""
        return tuple(sorted(self.steps, key=lambda s: -abs(s.saves_ns)))

    @property
    def fits(self) -> bool:
        """Both configurations fit their boards."""
        return all(n.fits for n in self.numbers)

    def __repr__(self) -> str:
        rates = f"{self.before.fps:,.1f} to {self.after.fps:,.1f} frames per second"
        return f"<Comparison {self.a.model} with {self.b.model}: {rates}>"

    def _repr_html_(self) -> str:
        return html_table(repr(self).strip("<>"), self.rows(), self.warnings)

    def rows(self, *, words: bool = True) -> Rows:
        """The waterfall: a frame's milliseconds after each change; with ``words``, from what to
        what."""
        total = self.before.frame_ns
        columns: tuple[str, ...]
        rows: list[tuple[Any, ...]] = [("A", "", *_shown(self.before), None, None)]
        for step in self.steps:
            share = f"{100 * step.saves_ns / total:+.1f} %"
            saved = f"{step.saves_ns / 1e6:+,.3f}"
            what = f"{step.old} -> {step.new}"
            rows.append((step.change, what, *_shown(step.after), saved, share))
        share = f"{100 * self.saves_ns / total:+.1f} %"
        whole = (f"{self.saves_ns / 1e6:+,.3f}", share)
        rows.append(("B", "", *_shown(self.after), *whole))
        columns = ("change", "from -> to", "cycles", "ms", "FPS", "binds", "saves ms", "of A")
        if not words:
            columns, rows = columns[:1] + columns[2:], [row[:1] + row[2:] for row in rows]
        return Rows(columns, tuple(rows))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of ``accelgen compare --json``."""
        ends = ((self.a, self.numbers[0], self.before), (self.b, self.numbers[1], self.after))
        return {
            **{
                name: {
                    "model": s.model, "board": n.board, "clock_mhz": n.clock_mhz,
                    "config": n.config, "fits": n.fits, **state.to_dict(),
                }
                for name, (s, n, state) in zip("ab", ends, strict=True)
            },
            "saves_ns": self.saves_ns,
            "speedup": self.before.frame_ns / self.after.frame_ns,
            "steps": [s.to_dict() for s in self.steps],
            "causes": [s.change for s in self.causes],
            "groups": [
                {"maps": x.name, "a": asdict(x), "b": asdict(y)} for x, y in self.groups
            ],
            "losses": {cause: {"a": x, "b": y} for cause, (x, y) in self.losses.items()},
        }  # fmt: skip


def _shown(state: State) -> tuple[int, str, str, str]:
    return (state.cycles, f"{state.frame_ns / 1e6:,.3f}", f"{state.fps:,.1f}", state.bound)


def compare(a: str, b: str = "") -> Comparison:
    """Estimate both sides, and what each of their differences brings.

    From ``a`` to ``b`` one field after the other changes (:data:`~accelgen.flow.sides.ORDER`), and
    each time the network is scheduled and estimated anew.

    Parameters
    ----------
    a, b : str
        ``MODEL[,key=value...]``; keys are ``estimate``'s options: board, preset, config, clock-mhz,
        ddr-bytes-per-cycle, ddr-latency, stalls, ps-threads, fc-on, se-on. ``b`` may begin with a
        key: it is then about the same model and board. Left out, it is the board's default.

    Raises
    ------
    AccelgenError
        One sentence on a side that cannot be read, is not supported, or does not fit.
    """
    first = side(a)
    second = side(b, first) if b else side(f"board={first.board}", first)
    made = _Estimates()
    first, second = made.settled(first), made.settled(second)
    first = made.alike(first, second)
    second = made.alike(second, first)
    start = made(first)
    steps: list[Step] = []
    now, was, joined = first, start, list[str]()
    changes = first.differences(second)
    for name in changes:
        now = replace(now, **{name: getattr(second, name)})
        joined.append(name)
        try:
            then = made(now)
        except AccelgenError:
            if name == changes[-1]:
                raise
            continue  # not without what comes next
        ends = ((first, second), (second, first))
        olds, news = (", ".join(s.said(n, o) for n in joined) for s, o in ends)
        steps.append(Step(
            change=" + ".join(map(NAMES.__getitem__, joined)), old=olds, new=news,
            before=State.of(was[1]), after=State.of(then[1]),
        ))  # fmt: skip
        was, joined = then, []
    return Comparison(
        a=first, b=second, numbers=(start[1], was[1]), steps=tuple(steps),
        groups=_groups(start, was), losses=_losses(start[1], was[1]), warnings=made.warnings,
    )  # fmt: skip


#: What a change is called.
NAMES = {
    "model": "model", "board": "board", "se_on": "SE on", "fc_on": "FC on", "layerwise": "fusion",
    "arch": "configuration", "clock_mhz": "clock", "bandwidth": "DDR bandwidth",
    "latency": "DDR latency", "stalls": "stalls", "ps_threads": "PS threads",
}  # fmt: skip


class _Estimates:
    """Of sides; a model is read once, and nothing estimated twice."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[Loaded, QuantizedModel]] = {}
        self.made: dict[Side, tuple[Compiled, Estimate]] = {}
        self.warnings: tuple[str, ...] = ()

    def settled(self, of: Side) -> Side:
        """The same, and in place of "auto" where layers are."""
        compiled, numbers = self(of)
        taken = compiled.offload.fc
        if isinstance(taken, bool):
            of = replace(of, fc_on="ps" if taken else "pl")
        else:
            of = replace(of, fc_on=taken)
        self.made[of] = compiled, numbers
        return of

    def alike(self, of: Side, other: Side) -> Side:
        """The same, and for what its network has not, the ``other`` side's place: no change is of
        that alone."""
        made, (_, int8) = self(of), self.network(of)
        if not se_blocks(int8.graph):
            of = replace(of, se_on=other.se_on)
        if tail_nodes(int8.graph, fc=True) == tail_nodes(int8.graph, fc=False):
            of = replace(of, fc_on=other.fc_on)
        self.made[of] = made
        return of

    def network(self, of: Side) -> tuple[Loaded, QuantizedModel]:
        """Read, and int8."""
        if of.model not in self.known:
            loaded = load(of.model)
            # As estimate does it.
            if loaded.is_quantized:
                int8, warnings = quantized(loaded, technique="none")
            else:
                int8, warnings = dry(loaded)
            self.known[of.model] = loaded, int8
            self.warnings += loaded.warnings + warnings
        return self.known[of.model]

    def __call__(self, of: Side) -> tuple[Compiled, Estimate]:
        if of not in self.made:
            loaded, int8 = self.network(of)
            compiled = placed(loaded, int8, of.hardware, fc_on=of.fc_on, se_on=of.se_on)
            self.made[of] = compiled, estimated(compiled)
        return self.made[of]


# Where the cycles go.


def _groups(*ends: tuple[Compiled, Estimate]) -> tuple[tuple[Group, Group], ...]:
    a, b = (_by_size(*end) for end in ends)
    strides = sorted({*a, *b}, key=lambda s: (s < 0, s == 0, s))
    return tuple((a.get(s, Group(stride=s)), b.get(s, Group(stride=s))) for s in strides)


def _by_size(compiled: Compiled, numbers: Estimate) -> dict[int, Group]:
    """Layers, MACs, cycles and bytes by size of map; what is left of the cycles as -1, so that
    they add up."""
    graph = compiled.model.graph
    height = graph.tensors[graph.input].shape[1]
    strides = {
        node.name: _stride(part.graph, node.output, height)
        for part in compiled.parts
        for node in part.graph.nodes
    }
    found: dict[int, Group] = {}
    for layer in numbers.layers:
        stride = strides[layer.name]
        old = found.get(stride, Group(stride=stride))
        found[stride] = replace(
            old, layers=old.layers + 1, macs=old.macs + layer.macs,
            cycles=old.cycles + (layer.cycles or 0), ddr_bytes=old.ddr_bytes + layer.ddr_bytes,
        )  # fmt: skip
    rest = numbers.cycles - sum(g.cycles for g in found.values())
    bytes_left = numbers.ddr_bytes - sum(g.ddr_bytes for g in found.values())
    return {**found, -1: Group(stride=-1, cycles=rest, ddr_bytes=bytes_left)}


def _stride(graph: Graph, tensor: str, height: int) -> int:
    """Of a map, to the next power of two."""
    _, high, wide, _ = graph.tensors[tensor].shape
    if high == wide == 1:
        return 0
    ratio = max(1, round(height / high))
    return 1 << (ratio - 1).bit_length() if ratio > 1 else 1


def _losses(a: Estimate, b: Estimate) -> dict[str, tuple[int, int]]:
    """Cycles by cause, useful ones as "array": they add up to the frame's."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for index, numbers in enumerate((a, b)):
        for cause, cycles in numbers.losses.items():
            found[cause][index] = cycles
        found["array"][index] = numbers.cycles - sum(numbers.losses.values())
    order = sorted(found.items(), key=lambda item: -max(item[1]))
    return {cause: (x, y) for cause, (x, y) in order}
