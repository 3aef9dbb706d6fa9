"""Max pools of more taps than the tap memory holds, or wider than a command can say, as smaller
ones one after the other.

The largest of 13x13 pixels is the largest of 7x7 of the largest of 7x7: SPP's pools of YOLOv3,
YOLOv4 and YOLOX. Per axis, kernels k1 ... kn with the same dilation do what one of
k1 + ... + kn - n + 1 does. The pads are shared out: a window of an inner map that lies outside it
holds no pixel that its neighbour inside does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, product

from accelgen.arch import ArchParams
from accelgen.arch.isa import RASTER
from accelgen.ir import Graph, Names, Node, TensorType
from accelgen.ir.ops import Pads, Pair, QMaxPool
from accelgen.ir.shapes import infer_shape
from accelgen.lowering.windows import folds

__all__ = ["split_pools"]

_SIDE = RASTER.largest("kernel_h")
#: Side of the blocks that a whole map is pooled by.
_BLOCK = 4
#: The least kernel that reaches further both ways: no split is of smaller ones.
_LEAST = 2, 2

Fits = Callable[[Pair], bool]


def split_pools(graph: Graph, arch: ArchParams) -> Graph:
    """``graph`` with max pools whose taps (``arch.stored_taps``) are at most half the tap memory,
    which holds the kernel in use and the next. A pool that cuts the map (negative pads) stays."""
    tensors = dict(graph.tensors)
    names = Names.of(graph)
    nodes: list[Node] = []

    def fits(kernel: Pair) -> bool:
        return arch.stored_taps(kernel) <= arch.tap_words // 2 and max(kernel) <= _SIDE

    for node in graph.nodes:
        op, source = node.op, node.inputs[0]
        _, height, width, _ = tensors[source].shape
        parts = [op]
        if isinstance(op, QMaxPool) and _splits(op, (height, width), fits):
            whole = op.kernel == (height, width) and not any(op.pads)
            parts = list((_blocks if whole else _parts)(op, fits))
        for part in parts[:-1]:
            name = names.fresh(f"{node.name}.part")
            inner = replace(node, name=name, op=part, inputs=(source,), output=name)
            shape, kind = infer_shape(inner, tensors), tensors[source]
            tensors[name] = TensorType(shape, "int8", kind.quantization)
            nodes.append(inner)
            source = name
        nodes.append(replace(node, op=parts[-1], inputs=(source, *node.inputs[1:])))
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


def _splits(op: QMaxPool, size: Pair, fits: Fits) -> bool:
    """Not what no split makes small enough, and no kernel over the whole map that another rectangle
    stands for."""
    whole = op.kernel == size and not any(op.pads)
    folded = whole and max(op.kernel) > _SIDE and folds(size[0] * size[1], _SIDE)
    return fits(_LEAST) and not folded


def _blocks(op: QMaxPool, fits: Fits) -> Iterator[QMaxPool]:
    """Pools that do what ``op`` over a whole map does: blocks of it, until it is small. The last
    blocks may hang over the map: nothing there is the largest."""
    rows, columns = op.kernel
    while not fits((rows, columns)):
        sides = product(range(min(_BLOCK, rows), 0, -1), range(min(_BLOCK, columns), 0, -1))
        block = next(block for block in sides if fits(block))
        pads = 0, 0, -rows % block[0], -columns % block[1]
        yield QMaxPool(kernel=block, stride=block, pads=pads)
        rows, columns = -(-rows // block[0]), -(-columns // block[1])
    yield replace(op, kernel=(rows, columns), stride=(1, 1), dilation=(1, 1))


def _parts(op: QMaxPool, fits: Fits) -> Iterator[QMaxPool]:
    """Pools that do what ``op`` does, in order; the last one has its stride."""
    rows, columns = op.kernel
    if fits(op.kernel) or min(op.pads) < 0:
        yield op
        return
    number = next(n for n in count(2) if fits((_share(rows - 1, n), _share(columns - 1, n))))
    kernels = [
        (1 + (rows - 1 + i) // number, 1 + (columns - 1 + i) // number) for i in range(number)
    ]
    rest = (rows - 1) * op.dilation[0], (columns - 1) * op.dilation[1]
    left = op.pads
    for kernel in kernels[:-1]:
        reach = (kernel[0] - 1) * op.dilation[0], (kernel[1] - 1) * op.dilation[1]
        pads = _pads(left, reach, rest)
        yield QMaxPool(kernel=kernel, dilation=op.dilation, pads=pads)
        left = _minus(left, pads)
        rest = rest[0] - reach[0], rest[1] - reach[1]
    yield replace(op, kernel=kernels[-1], pads=left)


def _share(reach: int, parts: int) -> int:
    """Side of the largest of so many kernels that together reach so many pixels further."""
    return 1 + -(-reach // parts)


def _pads(left: Pads, reach: Pair, rest: Pair) -> Pads:
    """Of the pads that are left, a kernel's share of what it and those after it reach.

    Those before the map are rounded up, those after it down: a "same" pool's inner maps keep its
    size. No kernel is left with more pads than it reaches, so every window holds a pixel.
    """
    before = [-(-p * r // max(all_, 1)) for p, r, all_ in zip(left[:2], reach, rest, strict=True)]
    after = [
        max(p * r // max(all_, 1), p - all_ + r)
        for p, r, all_ in zip(left[2:], reach, rest, strict=True)
    ]
    return (before[0], before[1], after[0], after[1])


def _minus(pads: Pads, taken: Pads) -> Pads:
    a, b, c, d = (p - q for p, q in zip(pads, taken, strict=True))
    return (a, b, c, d)
