"""The processor's part of a frame: kernels, crossings, and how they meet the PL's part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from accelgen.ir import Graph, Node
from accelgen.ir.ops import QGlobalAvgPool
from accelgen.ir.ps_ops import PS_NAMES
from accelgen.ir.views import OutputView
from accelgen.program.places import Turned, turned_maps, two_places
from accelgen.program.records import Placement, Program
from accelgen.ps.model import (
    PsModel,
    Work,
    choose,
    from_feature_memory,
    hand_over,
    model_input,
    model_output,
    node_work,
    sensitivity,
    sums_output,
    to_feature_memory,
)

__all__ = ["Crossing", "MovedMaps", "PsEstimate", "PsKernel", "estimate_ps", "moved_maps"]

#: Parameters without a published figure, shown with what they would change.
UNCERTAIN = ("interrupt_us", "driver_us", "turn_us", "part_us", "core_rate", "overlap")


@dataclass(frozen=True, kw_only=True)
class PsKernel:
    """A kernel call. ``node`` is the graph's; ``op`` the operation, or "layout" for a change of
    order on the way in or out; ``part`` the program it follows."""

    node: str
    op: str
    part: int
    seconds: float
    ddr_bytes: int


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A hand-over through DDR. ``to`` is "ps" (after program ``part``: interrupt, invalidate) or
    "pl" (before it: clean, start; between parts the driver's own work, too)."""

    part: int
    to: str
    bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class PsEstimate:
    """What the processor takes per frame, beside the PL's ``pl_seconds``.

    PS work after the last program, and the input's way in, overlap the next frame's PL; what lies
    between programs does not: the PL waits for it. ``input_kernels`` make the input ready in a
    thread of their own, as the driver's ``run_many`` does, everything else is one thread's work.
    ``sensitivity``: seconds per frame if a parameter of ``model`` had another value.
    """

    pl_seconds: float
    kernels: tuple[PsKernel, ...]
    crossings: tuple[Crossing, ...]
    input_kernels: tuple[PsKernel, ...]
    blocks: tuple[tuple[str, int], ...]  # squeeze-and-excite blocks on the PS: name, part
    named: tuple[tuple[str, str, int], ...]  # what only the PS computes: node, what, part
    model: PsModel
    sensitivity: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """Index of the last program."""
        return max((c.part for c in self.crossings), default=0)

    @property
    def kernel_seconds(self) -> float:
        """All kernels."""
        return sum(k.seconds for k in self.kernels)

    @property
    def crossing_seconds(self) -> float:
        """All crossings."""
        return sum(c.seconds for c in self.crossings)

    @property
    def input_seconds(self) -> float:
        """The thread that makes inputs ready."""
        return sum(k.seconds for k in self.input_kernels)

    @property
    def driver_seconds(self) -> float:
        """The driver itself, its part between frames included."""
        return self.model.driver_us * 1e-6

    @property
    def ps_seconds(self) -> float:
        """All the processor does in a frame: its busier thread."""
        rest = self.kernel_seconds + self.crossing_seconds + self.driver_seconds
        return max(self.input_seconds, rest)

    @property
    def waits(self) -> tuple[float, float]:
        """Seconds in which the PL stands still for kernels, and for crossings."""
        kernels = sum(k.seconds for k in self.kernels if k.part < self.last)
        between = sum(
            c.seconds for c in self.crossings if (c.part < self.last if c.to == "ps" else c.part)
        )
        # Between frames: the interrupt is taken and the next frame started.
        model = self.model
        turn = (model.interrupt_us + model.launch_us + model.turn_us) * 1e-6
        return kernels, between + turn

    @property
    def hidden(self) -> bool:
        """The processor is done with a frame before the PL wants the next: the PL's rate holds."""
        return self.ps_seconds < self.pl_seconds + sum(self.waits)

    @property
    def period_seconds(self) -> float:
        """From frame to frame: the PL's time and what it waits for, or the processor's time."""
        return max(self.pl_seconds + sum(self.waits), self.ps_seconds)

    @property
    def bound(self) -> str:
        """What binds: "pl", "ps" or "crossing"; of the PL's own path its longest part."""
        kernels, crossings = self.waits
        if not self.hidden:
            computing = max(self.input_seconds, self.kernel_seconds + self.driver_seconds)
            return "ps" if computing >= self.crossing_seconds else "crossing"
        parts = {"pl": self.pl_seconds, "ps": kernels, "crossing": crossings}
        return max(parts, key=lambda name: parts[name])

    @property
    def overlapped_bytes(self) -> int:
        """DDR bytes per frame that the processor moves while the PL works."""
        behind = (k for k in self.kernels if k.part == self.last)
        return sum(k.ddr_bytes for k in (*behind, *self.input_kernels))

    def block_costs(self) -> list[dict[str, Any]]:
        """Each squeeze-and-excite block on the PS: microseconds of kernels and of each crossing.
        Blocks after one program share its crossings; they are written to the first."""
        rows, seen = [], set[int]()
        for name, part in self.blocks:
            if part in seen:
                continue
            seen.add(part)
            kernels = [k for k in self.kernels if k.part == part]
            there = sum(c.seconds for c in self.crossings if (c.part, c.to) == (part, "ps"))
            back = sum(c.seconds for c in self.crossings if (c.part, c.to) == (part + 1, "pl"))
            layout = sum(k.seconds for k in kernels if k.op == "layout")
            rows.append({
                "block": name,
                "kernels_us": 1e6 * (sum(k.seconds for k in kernels) - layout),
                "layout_us": 1e6 * layout,
                "to_ps_us": 1e6 * there,
                "to_pl_us": 1e6 * back,
            })
        return rows

    def named_costs(self) -> list[dict[str, Any]]:
        """What only the PS computes, but softmax: microseconds of each kernel, of the changes of
        order around it, and of the crossings there and back. What follows the same program shares
        both; they are written to the first."""
        rows, seen = [], set[int]()
        for node, what, part in self.named:
            kernels = (k for k in self.kernels if k.part == part)
            shared = part in seen
            seen.add(part)
            ends = ((part, "ps"), (part + 1, "pl"))
            own, layout = 0.0, 0.0
            for k in kernels:
                own += k.seconds if k.node == node and k.op != "layout" else 0
                layout += k.seconds if k.op == "layout" and not shared else 0
            crossings = sum(
                c.seconds for c in self.crossings if (c.part, c.to) in ends and not shared
            )
            rows.append({
                "node": node, "what": what, "kernel_us": 1e6 * own, "layout_us": 1e6 * layout,
                "crossing_us": 1e6 * crossings,
            })  # fmt: skip
        return rows

    def to_dict(self) -> dict[str, Any]:
        """For the JSON of ``accelgen estimate``."""
        kernels, crossings = self.waits
        return {
            "pl_ms": 1e3 * self.pl_seconds,
            "ps_ms": 1e3 * self.kernel_seconds,
            "input_ms": 1e3 * self.input_seconds,
            "driver_ms": 1e3 * self.driver_seconds,
            "crossing_ms": 1e3 * self.crossing_seconds,
            "pl_waits_ms": 1e3 * (kernels + crossings),
            "frame_ms": 1e3 * self.period_seconds,
            "bound": self.bound,
            "crossings": len(self.crossings),
            "ddr_bytes": sum(k.ddr_bytes for k in (*self.kernels, *self.input_kernels)),
            "kernels": [
                {"node": k.node, "op": k.op, "us": 1e6 * k.seconds}
                for k in (*self.input_kernels, *self.kernels)
            ],
            "se_blocks": self.block_costs(),
            "only_on_ps": self.named_costs(),
            "sensitivity_ms": {
                name: {end: 1e3 * seconds for end, seconds in ends.items()}
                for name, ends in self.sensitivity.items()
            },
        }


def estimate_ps(
    parts: Sequence[Program], pl_seconds: float, model: PsModel | None = None,
    maps: Sequence[MovedMaps] = (),
) -> PsEstimate:  # fmt: skip
    """The processor's part of a frame that runs ``parts`` one after another.

    Parameters
    ----------
    pl_seconds : float
        What the PL takes for all of them.
    maps : sequence of MovedMaps
        :func:`moved_maps` of ``parts``, for whoever asks several times.
    """
    model, turned = model or PsModel(), maps or moved_maps(parts)

    def period(other: PsModel) -> float:
        return _estimate(parts, turned, pl_seconds, other).period_seconds

    return replace(
        _estimate(parts, turned, pl_seconds, model),
        sensitivity=sensitivity(model, period, UNCERTAIN),
    )


@dataclass(frozen=True, kw_only=True)
class MovedMaps:
    """Maps that the processor turns into another order after a part, each at one place."""

    read: tuple[Placement, ...]
    written: tuple[Placement, ...] = ()


def moved_maps(parts: Sequence[Program]) -> tuple[MovedMaps, ...]:
    """As the driver does it: of every part."""
    if len(parts) == 1:  # all its maps lie where the program says: places would say the same
        return (MovedMaps(read=tuple(_read(parts[0]))),)
    found: tuple[Turned, ...] = turned_maps(two_places(parts, _views(parts)))
    return tuple(
        MovedMaps(read=tuple(b[0] for b in t.read), written=tuple(b[0] for b in t.written))
        for t in found
    )


def _read(program: Program) -> Iterator[Placement]:
    """What PS steps and the host read of a frame's only program, in this order."""
    wanted = {i for step in program.ps_steps for i in step.inputs}
    yield from (p for p in program.outputs if p.tensor in wanted)
    host = {piece.tensor for view in program.graph.model_outputs() for piece in view.pieces}
    yield from (p for p in program.outputs if p.tensor in host - wanted)


def _views(parts: Sequence[Program]) -> tuple[OutputView, ...]:
    """The model's outputs, as far as one part has all of one."""
    if len(parts) == 1:
        return parts[0].graph.model_outputs()
    return tuple(v for part in parts for v in part.graph.views) or parts[-1].graph.model_outputs()


def _estimate(
    parts: Sequence[Program], turned: Sequence[MovedMaps], pl_seconds: float, model: PsModel
) -> PsEstimate:
    kernels = [k for i in range(len(parts)) for k in _kernels(parts, turned, i, model)]
    crossings = [c for i in range(len(parts)) for c in _crossings(parts, turned, i, model)]
    blocks = [
        (step.node, i)
        for i, program in enumerate(parts)
        for step in program.ps_steps
        if isinstance(_node(program.graph, step.node).op, QGlobalAvgPool)
    ]
    named = [
        (step.node, PS_NAMES[kind], i)
        for i, program in enumerate(parts)
        for step in program.ps_steps
        if (kind := type(_node(program.graph, step.node).op)) in PS_NAMES
    ]
    return PsEstimate(
        pl_seconds=pl_seconds, kernels=tuple(kernels), crossings=tuple(crossings),
        input_kernels=_input_kernels(parts[0], model), blocks=tuple(blocks), named=tuple(named),
        model=model,
    )  # fmt: skip


def _node(graph: Graph, name: str) -> Node:
    return next(n for n in graph.nodes if n.name == name)


def _works(program: Program) -> Iterator[tuple[str, Work]]:
    for step in program.ps_steps:
        yield step.node, node_work(_node(program.graph, step.node), program.graph)


def _kernels(
    parts: Sequence[Program], turned: Sequence[MovedMaps], index: int, model: PsModel
) -> Iterator[PsKernel]:
    """What the PS just made is in its second-level cache if it fits. Constants never are: between
    two uses lie a frame's pictures, maps and whatever else runs, which go through the same cache.
    """

    def kernel(node: str, op: str, work: Work, in_cache: bool) -> PsKernel:
        return _kernel(node, op, index, work, model, in_cache=in_cache)

    program, last = parts[index], index + 1 == len(parts)
    if last:
        for place in _taken(parts[0]):
            yield kernel(place.tensor, "hand over", hand_over(place.size_bytes), True)
    for place in turned[index].read:
        yield kernel(place.tensor, "layout", from_feature_memory(place.size_bytes), False)
    for name, work in _works(program):
        op = type(_node(program.graph, name).op).__name__.removeprefix("Q")
        yield kernel(name, op, work, True)
    for place in turned[index].written:
        yield kernel(place.tensor, "layout", to_feature_memory(place.size_bytes), True)
    if last:
        yield from (kernel(name, op, work, True) for name, op, work in _output_works(parts))


def _output_works(parts: Sequence[Program]) -> Iterator[tuple[str, str, Work]]:
    """Real numbers, or indices of the largest, of what all parts leave."""
    tensors = {name: kind for part in parts for name, kind in part.graph.tensors.items()}
    views = _views(parts)
    # Of one map's integers the largest is found without making real numbers of them.
    whole = {
        v.name for v in views
        if v.choice and len(v.pieces) == 1 and tensors[v.pieces[0].tensor].dtype != "int32"
    }  # fmt: skip
    real = [p.tensor for v in views if v.name not in whole for p in v.pieces]
    for name in dict.fromkeys(real):
        if tensors[name].dtype == "int8":
            yield name, "output", model_output(math.prod(tensors[name].shape))
        elif tensors[name].dtype == "int32":
            yield name, "output", sums_output(math.prod(tensors[name].shape))
    for view in views:
        if view.choice is not None:
            integers = view.name in whole and tensors[view.pieces[0].tensor].dtype == "int8"
            work = choose(*view.choice_sizes(), integers=integers)
            yield view.name, "ArgMin" if view.choice.least else "ArgMax", work


def _input_kernels(program: Program, model: PsModel) -> tuple[PsKernel, ...]:
    """Floats that the application just made become the inputs' maps."""
    kernels = []
    for place in _taken(program):
        count = math.prod(program.graph.tensors[place.tensor].shape)
        steps = (("quantize", model_input(count)), ("layout", to_feature_memory(place.size_bytes)))
        kernels += [_kernel(place.tensor, op, 0, w, model, in_cache=True) for op, w in steps]
    return tuple(kernels)


def _taken(program: Program) -> tuple[Placement, ...]:
    """The model's inputs, of a frame's first program."""
    return program.inputs or (program.input,)


def _kernel(
    node: str, op: str, part: int, work: Work, model: PsModel, *, in_cache: bool
) -> PsKernel:  # fmt: skip
    held = in_cache and work.map_bytes <= model.l2_bytes
    moved = replace(work, map_bytes=0) if held else work
    return PsKernel(
        node=node, op=op, part=part, ddr_bytes=moved.map_bytes + moved.constant_bytes,
        seconds=model.seconds(moved),
    )  # fmt: skip


def _crossings(
    parts: Sequence[Program], turned: Sequence[MovedMaps], index: int, model: PsModel
) -> Iterator[Crossing]:
    places = turned[index - 1].written if index else _taken(parts[0])
    size = sum(p.size_bytes for p in places)
    own = model.part_us * 1e-6 if index else 0.0
    yield Crossing(part=index, to="pl", bytes=size, seconds=model.to_pl_seconds(size) + own)
    size = sum(p.size_bytes for p in turned[index].read)
    yield Crossing(part=index, to="ps", bytes=size, seconds=model.to_ps_seconds(size))
