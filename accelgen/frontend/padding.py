"""Pads: explicit, by auto_pad, by ceil_mode, and the Pad operator."""

from __future__ import annotations

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import LARGEST, OnnxNode
from accelgen.frontend.values import View
from accelgen.ir.ops import Pads, Pair
from accelgen.ir.shapes import window_sizes

__all__ = ["ceil_pads", "import_pad", "read_pads"]


def read_pads(node: OnnxNode, x: View, kernel: Pair, stride: Pair, dilation: Pair) -> Pads:
    """Pads of a Conv or pool (top, left, bottom, right), auto_pad resolved."""
    auto = node.get("auto_pad", "NOTSET") or "NOTSET"
    given = tuple(int(v) for v in node.get("pads", ()))
    if "pads" in node.attributes and len(given) != 4:
        raise node.unsupported("pads", given, "only 2-D kernels over NCHW maps are built")
    if min(given, default=0) < 0:
        raise node.unsupported("pads", given, "pads must not be negative: crop the input instead")
    if max(given, default=0) > LARGEST:
        raise node.unsupported("pads", given, f"no more than {LARGEST} is read")
    if auto == "NOTSET":
        return given or (0, 0, 0, 0)  # type: ignore[return-value]
    if any(given):
        raise node.unsupported("auto_pad", auto, f"pads={given} is given as well: keep one of them")
    if auto == "VALID":
        return (0, 0, 0, 0)
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise node.unsupported("auto_pad", auto, "use NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    before, after = [], []
    for axis in (0, 1):
        out = -(-x.sizes[axis] // stride[axis])
        reach = (out - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1
        total = max(reach - x.sizes[axis], 0)
        less, more = total // 2, total - total // 2
        before.append(less if auto == "SAME_UPPER" else more)
        after.append(more if auto == "SAME_UPPER" else less)
    return (before[0], before[1], after[0], after[1])


def ceil_pads(pads: Pads, kernel: Pair, stride: Pair, dilation: Pair, size: Pair) -> Pads:
    """Pads with which a floor-mode pool has the windows ceil_mode=1 would have.

    As ONNX says: sizes are rounded up, and a last window that would begin in the padding after
    the map is dropped.
    """
    end = list(pads[2:])
    floor = window_sizes(kernel, stride, dilation, pads, size)
    for axis, n in enumerate(size):
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        out = -(-(n + pads[axis] + pads[axis + 2] - reach) // stride[axis]) + 1
        if (out - 1) * stride[axis] >= n + pads[axis]:
            out -= 1
        if out != floor[axis]:
            end[axis] = (out - 1) * stride[axis] + reach - n - pads[axis]
    return (pads[0], pads[1], end[0], end[1])


def import_pad(graph: GraphBuilder, node: OnnxNode) -> View:
    """Pad with zeros around a map: a 1x1 convolution by 1 with pads, which the passes fold away."""
    mode = node.get("mode", "constant")
    if mode != "constant":
        raise node.unsupported("mode", mode, "only constant zero padding is built")
    x = graph.view(node)
    value: float
    if graph.opset < 11:
        pads, value = tuple(node.get("pads", ())), float(node.get("value", 0.0))
    else:
        pads = graph.numbers(node, 1)
        value = graph.number(node, 2) if node.has_input(2) else 0.0
    rank = len(x.dims)
    axes = graph.numbers(node, 3) if node.has_input(3) else tuple(range(rank))
    if len(pads) != 2 * len(axes):
        raise ModelError(
            f"{node.label}: {len(pads)} pads for {len(axes)} axes; two each are needed",
            node=node.name,
        )
    if min(pads, default=0) < 0:
        raise node.unsupported("pads", pads, "pads must not be negative: crop the input instead")
    if not any(pads):
        return x
    if max(pads) > LARGEST:
        raise node.unsupported("pads", pads, f"no more than {LARGEST} is read")
    if value != 0:
        raise node.unsupported("value", value, "only padding with zeros is built")
    before = {axis % rank: pads[i] for i, axis in enumerate(axes)}
    after = {axis % rank: pads[len(axes) + i] for i, axis in enumerate(axes)}
    if not x.is_nchw or any(before.get(d, 0) or after.get(d, 0) for d in (0, 1)):
        raise node.unsupported(
            "pads", pads, "only height and width of an NCHW map are padded, not batch or channels"
        )
    spatial = (before.get(2, 0), before.get(3, 0), after.get(2, 0), after.get(3, 0))
    return graph.emit_affine(node, x, 1, 0, pads=spatial)
