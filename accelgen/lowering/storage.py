"""Where tensors lie inside each other: concats, and which lane holds which channel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams
from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import QConcat, QConv2d
from accelgen.ir.spec import check_quantized
from accelgen.lowering.prepare import Prepared, insert_before_readers
from accelgen.program.layout import dense_slots, rows_of

__all__ = ["Place", "Storages", "is_depthwise", "lay_out"]

Slots = tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """Channel groups ``first`` to ``first + groups`` of storage ``storage``."""

    storage: str
    first: int
    groups: int


@dataclass(frozen=True, kw_only=True)
class Storages:
    """Storages are named after their outermost tensor.

    ``slots[tensor][group * lanes + lane]`` is the channel in that lane, or -1. ``places`` says
    where each tensor lies; ``sizes`` (groups, feature rows per group) of each storage. Those
    ``in_phases`` are stored in phases (phases.py).
    """

    slots: dict[str, Slots]
    places: dict[str, Place]
    sizes: dict[str, tuple[int, int]]
    in_phases: frozenset[str] = frozenset()


def is_depthwise(node: Node, graph: Graph) -> bool:
    """One filter per channel: what the window engine convolves."""
    if not isinstance(node.op, QConv2d) or node.op.groups == 1:
        return False
    c_in, c_out = graph.tensors[node.inputs[0]].shape[3], graph.tensors[node.output].shape[3]
    return node.op.groups == c_in == c_out


def lay_out(prepared: Prepared, arch: ArchParams) -> tuple[Prepared, Storages]:
    """Give every tensor lanes and a storage; repack (1x1 convolution) where lanes cannot agree."""
    while True:
        slots, conflicts = _resolve_slots(prepared, arch.lanes)
        if not conflicts:
            break
        prepared = _repack(prepared, conflicts[0])
        check_quantized(prepared.graph)
    parents: dict[str, tuple[str, int]] = {}
    for node in prepared.nodes:
        if isinstance(node.op, QConcat):
            first = 0
            for member in node.inputs:
                parents[member] = (node.output, first)
                first += len(slots[member]) // arch.lanes
    places: dict[str, Place] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for tensor, its_slots in slots.items():
        root, first = tensor, 0
        while root in parents:
            root, offset = parents[root]
            first += offset
        places[tensor] = Place(root, first, len(its_slots) // arch.lanes)
        if root == tensor:
            h, w, _ = prepared.map_shape(tensor)
            sizes[tensor] = (len(its_slots) // arch.lanes, rows_of(h, w, arch.pixels))
    return prepared, Storages(slots=slots, places=places, sizes=sizes)


def _keeps_slots(node: Node, graph: Graph) -> bool:
    """The node works lane by lane: its output has the lanes of its inputs."""
    return node.op.lane_wise or is_depthwise(node, graph)


def _resolve_slots(prepared: Prepared, lanes: int) -> tuple[dict[str, Slots], list[str]]:
    """Slots of every PL tensor, and the tensors whose slots their lane-by-lane readers cannot take.

    Tensors joined by lane-by-lane nodes form a class of equal slots. Concats fix theirs, made of
    their members', which have fewer channels: so classes are resolved by rising channel count.
    """
    graph = prepared.graph
    tensors = [*prepared.inputs, *(n.output for n in prepared.nodes)]
    leader = {t: t for t in tensors}

    def find(tensor: str) -> str:
        while leader[tensor] != tensor:
            leader[tensor] = tensor = leader[leader[tensor]]
        return tensor

    for node in prepared.nodes:
        if _keeps_slots(node, graph):
            for name in node.inputs:
                if name in leader:
                    leader[find(name)] = find(node.output)
    classes: dict[str, list[str]] = {}
    for tensor in tensors:
        classes.setdefault(find(tensor), []).append(tensor)
    concats = {n.output: n for n in prepared.nodes if isinstance(n.op, QConcat)}
    slots: dict[str, Slots] = {}
    conflicts: list[str] = []
    for members in sorted(classes.values(), key=lambda m: graph.tensors[m[0]].shape[3]):
        dense = dense_slots(prepared.map_shape(members[0])[2], lanes)
        fixed = {t: dense for t in members if t in prepared.inputs}
        fixed |= {t: _concat_slots(concats[t], slots, graph) for t in members if t in concats}
        agreed = next(iter(fixed.values()), dense)
        conflicts += [t for t, its in fixed.items() if its != agreed]
        slots |= dict.fromkeys(members, agreed)
    return slots, conflicts


def _concat_slots(node: Node, slots: dict[str, Slots], graph: Graph) -> Slots:
    """Slots of a concat: its members' one after the other, channels renumbered."""
    joined: list[int] = []
    channels = 0
    for member in node.inputs:
        joined += [s + channels if s >= 0 else -1 for s in slots[member]]
        channels += graph.tensors[member].shape[3]
    return tuple(joined)


def _repack(prepared: Prepared, tensor: str) -> Prepared:
    """Insert an identity 1x1 convolution between ``tensor`` and its lane-by-lane readers."""
    graph = prepared.graph
    names = Names.of(graph)
    name = names.fresh(f"{tensor}.repacked")
    channels = graph.tensors[tensor].shape[3]
    arrays: dict[str, npt.NDArray[Any]] = {
        "weight": np.eye(channels, dtype=np.int8).reshape(channels, 1, 1, channels),
        "bias": np.zeros(channels, np.int32),
        "multiplier": np.full(channels, 1 << 16, np.int32),
        "shift": np.full(channels, 16, np.int32),
    }
    values = {names.fresh(f"{name}.{kind}"): array for kind, array in arrays.items()}
    op = QConv2d(kernel=(1, 1), input_zero=0, output_zero=0)
    node = Node(name=name, op=op, inputs=(tensor, *values), output=name)
    types = {k: TensorType(v.shape, str(v.dtype)) for k, v in values.items()}
    graph = insert_before_readers(graph, node, tensor, lambda n: _keeps_slots(n, graph))
    graph = replace(
        graph,
        tensors={**graph.tensors, **types, name: graph.tensors[tensor]},
        constants={**graph.constants, **values},
    )
    ps = {n.name for n in prepared.ps_nodes}
    nodes = tuple(n for n in graph.nodes if n.name not in ps)
    return replace(prepared, graph=graph, nodes=nodes)
