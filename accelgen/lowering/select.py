"""QSelects (split, slice, channel shuffle) to orders of channels: nothing moves.

A map that a QSelect takes from is made in *parts*, one for each set of readers its channels have;
what is read is a QConcat of parts, whose order the reader's weights follow. Where a part has its
own storage or lies in a concat's, it is written in place (storage.py). Only where somebody reads
the whole map too, or needs channels in their very order (adds, group convolutions, the host), does
a convolution with weights of 0 and 1 copy them.

In ShuffleNetV2 half of a unit's channels are read by the next unit, a quarter by the one after
that, and so on: each unit's convolution writes into the places of all units to come.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from accelgen.ir import Graph, Node
from accelgen.ir.ops import QConcat, QConv2d, QSelect
from accelgen.lowering.storage import is_depthwise

__all__ = ["Parts", "Source", "find_parts", "is_lane_by_lane", "takes_any_order"]

#: Channel of a tensor that is no QSelect's and no QConcat's.
Source = tuple[str, int]
Channels = tuple[int, ...]


def takes_any_order(node: Node) -> bool:
    """A convolution that reads every channel: its weights can follow any order."""
    return isinstance(node.op, QConv2d) and node.op.groups == 1


def is_lane_by_lane(node: Node, graph: Graph) -> bool:
    """Output channel c is made of input channel c alone."""
    maps = sum(name not in graph.constants for name in node.inputs)
    return (node.op.lane_wise and maps == 1) or is_depthwise(node, graph)


@dataclass(kw_only=True)
class Parts:
    """What is known of a graph with QSelects before it is rewritten.

    ``sources[t]``: where each channel of QSelect, QConcat or a node of ``reordered`` comes from.
    ``loose``: tensors whose order of channels only their readers care about: QSelects, what is
    joined of them, and what is made of those lane by lane (``reordered``). ``read``: those of them
    that nodes or the host read. ``parts[t]``: channels of each part of a tensor that loose ones
    come from; ``divided``: those that are made in parts, and never whole.
    """

    sources: dict[str, tuple[Source, ...]] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)
    reordered: set[str] = field(default_factory=set)
    read: dict[str, None] = field(default_factory=dict)
    parts: dict[str, tuple[Channels, ...]] = field(default_factory=dict)
    divided: set[str] = field(default_factory=set)

    def origin(self, tensor: str, graph: Graph) -> tuple[Source, ...]:
        """Where each channel of ``tensor`` comes from."""
        own = tuple((tensor, i) for i in range(graph.tensors[tensor].shape[3]))
        return self.sources.get(tensor, own)


def find_parts(graph: Graph) -> Parts:
    """Follow channels from the tensors they are made in to their readers, and cut there."""
    found = Parts()
    for node in graph.nodes:
        _follow(found, node, graph)
    found.read |= dict.fromkeys(t for t in graph.outputs if t in found.loose)
    readers: dict[str, dict[int, list[str]]] = {}
    for tensor in found.read:
        for source, channel in dict.fromkeys(found.sources[tensor]):
            readers.setdefault(source, {}).setdefault(channel, []).append(tensor)
    whole = _read_whole(found, graph)
    makers = {n.output: n for n in graph.nodes}
    for source, by_channel in readers.items():
        classes: dict[tuple[str, ...], list[int]] = {}
        for channel in sorted(by_channel):
            classes.setdefault(tuple(by_channel[channel]), []).append(channel)
        parts = tuple(tuple(c) for c in classes.values())
        found.parts[source] = parts
        everything = parts == (tuple(range(graph.tensors[source].shape[3])),)
        if not everything and source not in whole | found.reordered:
            found.divided |= _divide(source, parts, found, makers, graph)
    return found


def _follow(found: Parts, node: Node, graph: Graph) -> None:
    inputs = [i for i in node.inputs if i not in graph.constants]
    if isinstance(node.op, QSelect):
        origin = found.origin(inputs[0], graph)
        found.sources[node.output] = tuple(origin[c] for c in node.op.channels)
        found.loose.add(node.output)
    elif isinstance(node.op, QConcat):
        found.sources[node.output] = tuple(s for i in inputs for s in found.origin(i, graph))
        if found.loose & set(inputs):
            found.loose.add(node.output)
    elif found.loose & set(inputs):
        found.read |= dict.fromkeys(i for i in inputs if i in found.loose)
        origin = found.sources[inputs[0]] if inputs[0] in found.loose else ()
        if is_lane_by_lane(node, graph) and len(set(origin)) == len(origin):
            found.reordered.add(node.output)
            found.loose.add(node.output)
            found.sources[node.output] = tuple((node.output, i) for i in range(len(origin)))


def _read_whole(found: Parts, graph: Graph) -> set[str]:
    """Tensors that must exist in their own order: of nodes, the host, and concats that are kept."""
    wanted = {*graph.inputs, *(t for t in graph.outputs if t not in found.loose)}
    for node in reversed(graph.nodes):
        if isinstance(node.op, QSelect):
            continue
        if not isinstance(node.op, QConcat) or node.output in wanted:
            wanted |= {i for i in node.inputs if i not in found.loose}
    made = {n.output for n in graph.nodes}
    return wanted | {i for n in graph.nodes for i in n.inputs if i not in made}


def _divide(
    tensor: str, parts: tuple[Channels, ...], found: Parts, makers: dict[str, Node], graph: Graph
) -> set[str]:
    """``tensor``, and what it is made of lane by lane, if all of that can be made in parts."""
    chain = [tensor]
    while not takes_any_order(node := makers[chain[-1]]):
        source = node.inputs[0]
        if not is_lane_by_lane(node, graph) or source not in makers or source in found.loose:
            return set()
        if graph.reads(source) > 1 or isinstance(makers[source].op, QConcat):
            return set()
        chain.append(source)
    found.parts |= dict.fromkeys(chain, parts)
    return set(chain)
