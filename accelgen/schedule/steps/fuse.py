"""Nodes to steps: what passes through the engines in one go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from accelgen.arch import ArchParams
from accelgen.errors import ScheduleError
from accelgen.ir import Node
from accelgen.ir.ops import (
    QAvgPool,
    QConcat,
    QConv2d,
    QMaxPool,
    QScale,
    QStretch,
    QTable,
)
from accelgen.lowering.prepare import Prepared
from accelgen.lowering.storage import is_depthwise
from accelgen.lowering.strands import is_woven
from accelgen.lowering.stream_words import is_streamed

__all__ = ["Chain", "fuse"]


@dataclass(kw_only=True)
class Chain:
    """One fused step: array convolution, table, window, table, add, squeeze; each may be absent.

    ``source`` is the map read; ``output`` the tensor after the last of array, window and add.
    ``window`` without ``array`` reads the map by the copy path. A chain with neither passes the map
    through the window engine unchanged. ``write``: somebody besides the squeeze reads ``output``.
    """

    source: str
    output: str
    array: Node | None = None
    table1: Node | None = None
    window: Node | None = None
    table2: Node | None = None
    add: Node | None = None
    squeeze: Node | None = None
    write: bool = True

    @property
    def uses_window(self) -> bool:
        """The window engine takes part (it alone follows the copy path)."""
        return self.array is None or self.window is not None

    @property
    def woven(self) -> bool:
        """The array's strands go straight to the memory, one after the other."""
        return self.array is not None and is_woven(self.array)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """In data order."""
        every = (self.array, self.table1, self.window, self.table2, self.add, self.squeeze)
        return tuple(n for n in every if n is not None)

    @property
    def name(self) -> str:
        """Of the first node."""
        return self.nodes[0].name

    @property
    def residual(self) -> str:
        """The add's other operand; "" without an add."""
        if self.add is None:
            return ""
        a, b = self.add.inputs
        return b if self.add_takes_a else a

    @property
    def add_takes_a(self) -> bool:
        """The chain's pixels are the add's first operand."""
        assert self.add is not None
        before = [n for n in self.nodes if n not in (self.add, self.squeeze)]
        return self.add.inputs[0] == (before[-1].output if before else self.source)

    @property
    def chained(self) -> bool:
        """Pixels of the array, or of SCALE, go through adder and squeeze."""
        straight = bool(self.vector) or not self.uses_window
        return straight and (self.add is not None or self.squeeze is not None)

    @property
    def vector(self) -> str:
        """SCALE's vector; "" without one."""
        scale = self.window is not None and isinstance(self.window.op, QScale)
        return self.window.inputs[1] if scale and self.window else ""

    @property
    def reads(self) -> tuple[str, ...]:
        """Tensors the step reads from memory."""
        return tuple(t for t in (self.source, self.residual or self.vector) if t)

    @property
    def writes(self) -> tuple[str, ...]:
        """Tensors the step leaves in memory."""
        squeezed = (self.squeeze.output,) if self.squeeze else ()
        return (*((self.output,) if self.write else ()), *squeezed)


def fuse(
    prepared: Prepared, apart: frozenset[str] = frozenset(), arch: ArchParams | None = None,
    *, layerwise: bool = False,
) -> list[Chain]:  # fmt: skip
    """Steps in execution order. GlobalAvgPools named in ``apart`` become steps of their own.

    Greedy, in the graph's order: a node joins the step that makes its input when it is the only
    reader and the stage after the step's last one can do it. What the window engine does stays
    apart from a convolution whose words ``arch`` streams: its bands are single rows. ``layerwise``:
    only tables join, as every layer has its activation.
    """
    graph = prepared.graph
    reads = Counter(i for n in graph.nodes for i in n.inputs)
    reads.update(prepared.outputs)
    streamed = {
        n.output for n in prepared.nodes if arch is not None and is_streamed(n, graph, arch)
    }
    chains: list[Chain] = []
    made: dict[str, int] = dict.fromkeys(prepared.inputs, -1)  # tensor: step

    for node in prepared.nodes:
        if isinstance(node.op, QConcat):
            made[node.output] = max(made[i] for i in node.inputs)
            continue
        joins = not layerwise or isinstance(node.op, QTable)
        for name in _candidates(node, made) if joins else ():
            index = made[name]
            alone = reads[name] == 1
            others = [made[i] for i in node.inputs if i in made and i != name]
            if index < 0 or chains[index].output != name or any(o >= index for o in others):
                continue
            if name in streamed and isinstance(node.op, QMaxPool | QAvgPool | QConv2d | QStretch):
                continue
            if node.op.in_squeeze:
                busy = chains[index].squeeze is not None or chains[index].woven
                joined = node.name not in apart and not busy
                if joined:
                    chains[index].squeeze = node
                    chains[index].write = not alone
            else:
                joined = alone and _extend(chains[index], node, is_depthwise(node, graph))
            if joined:
                made[node.output] = index
                break
        else:
            made[node.output] = len(chains)
            chains.append(_start(node, is_depthwise(node, graph)))
    return chains


def _candidates(node: Node, made: dict[str, int]) -> list[str]:
    """The node's inputs whose step it may join, the latest first."""
    names = [i for i in node.inputs if i in made]
    if node.op.in_adder:
        return sorted(dict.fromkeys(names), key=lambda i: -made[i])
    return names[:1]


def _extend(chain: Chain, node: Node, depthwise: bool) -> bool:
    """Let ``node``, the only reader of ``chain.output``, join; False when it cannot."""
    if chain.squeeze is not None or chain.add is not None:
        return False
    if chain.woven and not isinstance(node.op, QTable):
        return False  # strands go straight to the memory
    if isinstance(node.op, QTable):
        if not chain.uses_window and chain.table1 is None:
            chain.table1 = node
        elif chain.window is not None and chain.table2 is None:
            chain.table2 = node
        else:
            return False
    elif depthwise or node.op.in_window:
        if chain.array is not None and _inserts_rows(chain.array):
            return False  # the array's rows are several of the map's: no window knows them
        # What SCALE makes takes the array's way to the memory.
        if chain.uses_window or (chain.array is not None and isinstance(node.op, QScale)):
            return False
        chain.window = node
    elif node.op.in_adder:
        if chain.vector or node.inputs[0] == node.inputs[1]:
            return False
        chain.add = node
    else:
        return False
    chain.output = node.output
    return True


def _inserts_rows(node: Node) -> bool:
    return isinstance(node.op, QConv2d) and node.op.insert[0] > 1


def _start(node: Node, depthwise: bool) -> Chain:
    """A step that begins with ``node``."""
    chain = Chain(source=node.inputs[0], output=node.output)
    if isinstance(node.op, QConv2d) and not depthwise:
        chain.array = node
    elif depthwise or node.op.in_window:
        chain.window = node
    elif isinstance(node.op, QTable):
        chain.table2 = node
    elif node.op.in_adder:
        chain.add = node
    elif node.op.in_squeeze:
        # The map passes unchanged; only its squeeze is kept.
        chain.squeeze, chain.output, chain.write = node, node.inputs[0], False
    else:
        raise ScheduleError(
            f"node '{node.name}' is {type(node.op).__name__}; the accelerator runs int8 operations"
            " only: quantize the graph first",
            node=node.name,
        )
    return chain
