"""Attention: products of activations with one another, which nothing here computes. It is found
before the nodes are read, so that a block is refused in one sentence and not piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from accelgen.errors import UnsupportedOpError
from accelgen.frontend.builder import UnknownInputError
from accelgen.frontend.onnx_node import OnnxNode

__all__ = ["Attention", "find_attention"]

#: What stands between a projection and the product, and behind it: no weights, no windows.
_BETWEEN = frozenset((
    "Add", "Cast", "Clip", "Concat", "Div", "Expand", "Flatten", "Gather", "Identity",
    "LpNormalization", "Max", "Mul", "Pow", "ReduceL2", "ReduceSum", "Reshape", "Slice", "Softmax",
    "Split", "Sqrt", "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze", "Where",
))  # fmt: skip
_PRODUCTS = ("Einsum", "MatMul")
_WHOLE = ("Attention", "GroupQueryAttention", "MultiHeadAttention")


@dataclass(frozen=True)
class Attention:
    """Names of the nodes of all blocks, the first of them, and what it reads."""

    nodes: frozenset[str]
    first: OnnxNode
    blocks: int
    cut: str

    def refuse(self, node: OnnxNode) -> NoReturn:
        """Raise UnsupportedOpError, one sentence for all, at the first node; at others
        UnknownInputError, as at what reads from what is not built."""
        if node.name != self.first.name:
            raise UnknownInputError(
                f"{node.label} is part of attention, as '{self.first.name}' is", node=node.name
            )
        more = f", as one of {self.blocks} such blocks" if self.blocks > 1 else ""
        found = (
            "is part of attention (activations times activations), which accelgen does not build"
            f"{more}"
        )
        way_out = f"cut the model off at '{self.cut}', and run the rest outside the accelerator"
        raise UnsupportedOpError(
            f"{self.first.label} {found}; {way_out}",
            node=self.first.name, reason=found, way_out=way_out,
        )  # fmt: skip


def find_attention(nodes: Sequence[OnnxNode], constants: Iterable[str]) -> Attention | None:
    """The attention of a model whose initializers are ``constants``; None when there is none.

    A block is a MatMul or Einsum of two activations with what no weights separate from it, back
    to the projections and on to the next layer.
    """
    fixed = set(constants)
    for node in nodes:
        if node.op_type == "Shape" or all(name in fixed for name in node.inputs if name):
            fixed.update(node.outputs)
    live = [node for node in nodes if any(name not in fixed for name in node.inputs if name)]
    products = [node for node in live if _is_product(node, fixed)]
    if not products:
        return None
    makers = {name: node for node in live for name in node.outputs if name}
    readers: dict[str, list[OnnxNode]] = {}
    for node in live:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    found: dict[str, OnnxNode] = {}
    blocks = 0
    for product in products:
        blocks += product.name not in found
        _gather(product, makers, readers, found)
    first = next(node for node in live if node.name in found)
    return Attention(frozenset(found), first, blocks, _cut(first, makers, found, fixed))


def _is_product(node: OnnxNode, fixed: set[str]) -> bool:
    given = [name for name in node.inputs if name and name not in fixed]
    return node.op_type in _WHOLE or (node.op_type in _PRODUCTS and len(given) > 1)


def _gather(
    product: OnnxNode,
    makers: Mapping[str, OnnxNode],
    readers: Mapping[str, Sequence[OnnxNode]],
    found: dict[str, OnnxNode],
) -> None:
    """Add the block of ``product``: before it, and behind it, as far as no weights are."""
    found[product.name] = product
    before, behind = [product], [product]
    while before:
        for maker in (makers.get(name) for name in before.pop().inputs):
            if maker is not None and maker.name not in found and maker.op_type in _BETWEEN:
                found[maker.name] = maker
                before.append(maker)
    while behind:
        for reader in (r for name in behind.pop().outputs for r in readers.get(name, ())):
            # Two maps added are the shortcut around the block: the network goes on there.
            maps = [name for name in reader.inputs if name in makers]
            shortcut = reader.op_type == "Add" and any(makers[n].name not in found for n in maps)
            inside = reader.op_type in (*_BETWEEN, *_PRODUCTS) and len(maps) > 0
            weighs = reader.op_type in _PRODUCTS and len(maps) < 2
            if reader.name not in found and inside and not weighs and not shortcut:
                found[reader.name] = reader
                behind.append(reader)


def _cut(
    first: OnnxNode,
    makers: Mapping[str, OnnxNode],
    found: Mapping[str, OnnxNode],
    fixed: set[str],
) -> str:
    """What goes into the block's projections: the last tensor before it."""
    for name in first.inputs:
        maker = makers.get(name)
        if maker is not None and maker.name not in found:
            return next((n for n in maker.inputs if n in makers), name)
    return next((name for name in first.inputs if name not in fixed), first.inputs[0])
