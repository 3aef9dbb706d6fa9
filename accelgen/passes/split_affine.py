"""Scale and shift after a concat go to its members, where the convolutions before take them in."""

from __future__ import annotations

from dataclasses import replace

from accelgen.ir.graph import Graph, Node
from accelgen.ir.names import Names
from accelgen.ir.ops import Concat, Conv2d
from accelgen.passes.rewrite import Lookup, join_sources

__all__ = ["split_affine"]


def split_affine(graph: Graph) -> Graph:
    """``Conv2d, Conv2d, ... -> Concat -> affine`` becomes ``Conv2d -> affine, ... -> Concat``, when
    nobody else reads what lies between (MixNet's BatchNormalization)."""
    lookup = Lookup(graph)
    names = Names.of(graph)
    tensors, constants = dict(graph.tensors), dict(graph.constants)
    moved: dict[str, list[Node]] = {}  # by the name of the node they stand for
    for node in graph.nodes:
        concat = _joined_convolutions(lookup, node)
        if concat is None:
            continue
        moved[concat.name] = []
        members, first = [], 0
        for i, member in enumerate(concat.inputs):
            shape = tensors[member].shape
            share = slice(first, first + shape[3])
            first += shape[3]
            inputs = [member]
            for constant in node.inputs[1:]:
                part = names.fresh(f"{constant}.member{i}")
                constants[part] = graph.constants[constant][share]
                tensors[part] = replace(tensors[constant], shape=constants[part].shape)
                inputs.append(part)
            name = names.fresh(f"{node.name}.member{i}")
            tensors[name] = replace(tensors[node.output], shape=shape)
            assert isinstance(node.op, Conv2d)
            moved[concat.name].append(Node(
                name=name, op=replace(node.op, groups=shape[3]), inputs=tuple(inputs), output=name,
                sources=node.sources,
            ))  # fmt: skip
            members.append(name)
        joined = replace(
            concat, inputs=tuple(members), output=node.output, sources=join_sources(concat, node)
        )
        moved[node.name] = [joined]
    if not moved:
        return graph
    nodes = tuple(new for node in graph.nodes for new in moved.get(node.name, [node]))
    return graph.with_nodes(nodes, tensors=tensors, constants=constants)


def _joined_convolutions(lookup: Lookup, node: Node) -> Node | None:
    """The concat that ``node``, an affine, alone reads, of convolutions that it alone reads."""
    affine = lookup.affine(node)
    concat = lookup.producer(node.inputs[0]) if affine and not any(affine.pads) else None
    if concat is None or not isinstance(concat.op, Concat):
        return None
    if lookup.sole_reader(concat.output) is not node:
        return None
    for member in concat.inputs:
        maker = lookup.producer(member)
        if maker is None or not isinstance(maker.op, Conv2d):
            return None
        if lookup.sole_reader(member) is not concat:
            return None
    return concat
