"""Layers that techniques leave alone, by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from accelgen.errors import QuantizationError
from accelgen.ir import Graph, ops

__all__ = ["Excluded", "excluded", "rounded_by"]

#: Of each technique, the nodes that it leaves as they are.
Excluded = Mapping[str, Collection[str]]


def excluded(text: str, graph: Graph, techniques: Collection[str]) -> dict[str, set[str]]:
    """What ``text`` says: names of nodes joined by commas, each for all of ``techniques`` or, as
    "TECHNIQUE:NAME", for one. A name is that of a node of ``graph``, or of the model's node that
    became part of it.

    Raises
    ------
    QuantizationError
        No node has such a name; names those that are near.
    """
    found: dict[str, set[str]] = {technique: set() for technique in techniques}
    nodes: dict[str, set[str]] = {}
    for node in graph.nodes:
        for name in (node.name, *node.sources):
            nodes.setdefault(name, set()).add(node.name)
    for part in filter(None, (part.strip() for part in text.split(","))):
        technique, colon, name = part.partition(":")
        whole = part in nodes or not colon or technique not in found
        name = part if whole else name
        if name not in nodes:
            near = get_close_matches(name, nodes, n=3, cutoff=0.4)
            raise QuantizationError(
                f"--exclude: no node is called {name!r}; "
                + (f"near it: {', '.join(near)}" if near else "names are those of accelgen check")
            )
        for one in techniques if whole else (technique,):
            found[one] |= nodes[name]
    return found


def rounded_by(graph: Graph, nodes: Collection[str]) -> set[str]:
    """Tensors whose scales are those of ``nodes``: what they make, and a clip makes of that."""
    made = {node.output for node in graph.nodes if node.name in nodes}
    clips = (node for name in made for node in graph.readers(name))
    return made | {
        clip.output for clip in clips
        if isinstance(clip.op, ops.Activation) and clip.op.kind == "clip"
    }  # fmt: skip
