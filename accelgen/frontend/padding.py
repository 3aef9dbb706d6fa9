"""Pads: explicit, by auto_pad, by ceil_mode, and the Pad operator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import LARGEST, OnnxNode
from accelgen.frontend.rearrange import cropped
from accelgen.frontend.values import NCHW, NHWC, View, fits
from accelgen.ir.ops import Border, Conv2d, Pads, Pair, Select
from accelgen.ir.shapes import window_sizes

__all__ = ["ceil_pads", "import_pad", "read_pads"]

#: Modes of Pad that repeat pixels.
_REPEATING = ("reflect", "edge", "wrap")
#: Beyond it a map of int8 could not tell its own numbers apart.
_LARGEST_VALUE = 1e6
#: Of a convolution that adds channels.
_MOST_WEIGHTS = 1 << 24


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
    """Pad. Zeros around a map are a 1x1 convolution by 1 with pads, which the passes fold away;
    other numbers are shifted there and back. Channels are added by a convolution."""
    mode = node.get("mode", "constant")
    if mode not in ("constant", *_REPEATING):
        raise node.unsupported("mode", mode, "use constant, reflect, edge or wrap")
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
    if not any(pads):
        return x
    if max(map(abs, pads)) > LARGEST:
        raise node.unsupported("pads", pads, f"no more than {LARGEST} is read")
    before = {axis % rank: pads[i] for i, axis in enumerate(axes)}
    after = {axis % rank: pads[len(axes) + i] for i, axis in enumerate(axes)}
    layout = NCHW if x.is_nchw else NHWC
    if not fits(x, layout) or before.get(0, 0) or after.get(0, 0):
        raise node.unsupported(
            "pads", pads, "height, width and channels of an NCHW map are padded, not the batch"
        )
    h, w, c = (layout.index((axis,)) for axis in "hwc")
    spatial = (before.get(h, 0), before.get(w, 0), after.get(h, 0), after.get(w, 0))
    channels = before.get(c, 0), after.get(c, 0)
    if mode in _REPEATING:
        if min(pads) < 0 or any(channels):
            raise node.unsupported(
                "pads", pads, f"in mode '{mode}' only height and width grow: crop before"
            )
        return graph.emit(node, Border(pads=spatial, mode=mode), x, dims=layout)
    if not abs(value) <= _LARGEST_VALUE:
        raise node.unsupported("value", value, "pad with a number that the map could hold")
    x = replace(x, dims=NCHW)
    y = _constant_pads(graph, node, x, spatial, channels, value)
    return replace(y, dims=layout)


def _constant_pads(
    graph: GraphBuilder, node: OnnxNode, x: View, spatial: Pads, channels: Pair, value: float
) -> View:
    height, width, inputs = x.sizes
    if min(inputs + sum(channels), *(inputs + c for c in channels)) < 1 or min(
        height + spatial[0] + spatial[2], width + spatial[1] + spatial[3],
        *(height + p for p in spatial[::2]), *(width + p for p in spatial[1::2]),
    ) < 1:  # fmt: skip
        raise ModelError(f"{node.label}: its pads leave nothing of {x.shape}", node=node.name)
    if min(spatial) < 0:
        rows = range(max(0, -spatial[0]), height + min(0, spatial[2]))
        columns = range(max(0, -spatial[1]), width + min(0, spatial[3]))
        x = cropped(graph, node, x, {"h": rows, "w": columns})
        spatial = (
            max(0, spatial[0]), max(0, spatial[1]), max(0, spatial[2]), max(0, spatial[3])
        )  # fmt: skip
    if min(channels) < 0:
        kept = range(max(0, -channels[0]), inputs + min(0, channels[1]))
        x = graph.emit(node, Select(channels=tuple(kept)), x)
        channels = max(0, channels[0]), max(0, channels[1])
    if any(spatial) and value:
        shifted = graph.emit_affine(node, x, 1, -value)
        x = graph.emit_affine(node, graph.emit_affine(node, shifted, 1, 0, pads=spatial), 1, value)
    elif any(spatial):
        x = graph.emit_affine(node, x, 1, 0, pads=spatial)
    return _with_channels(graph, node, x, channels, value) if any(channels) else x


def _with_channels(graph: GraphBuilder, node: OnnxNode, x: View, added: Pair, value: float) -> View:
    """Channels before and after those of ``x``, all of them ``value``."""
    inputs = x.sizes[2]
    outputs = inputs + sum(added)
    if outputs > LARGEST or outputs * inputs > _MOST_WEIGHTS:
        raise node.unsupported("pads", added, f"no more than {_MOST_WEIGHTS:,} weights are built")
    weight, bias = np.zeros((outputs, 1, 1, inputs), np.float32), np.full(outputs, value)
    own = slice(added[0], added[0] + inputs)
    weight[own, 0, 0] = np.eye(inputs)
    bias[own] = 0
    return graph.emit(
        node,
        Conv2d(kernel=(1, 1)),
        x,
        graph.add_made_constant(f"{node.name}.weight", weight),
        graph.add_made_constant(f"{node.name}.bias", bias.astype(np.float32)),
        dims=NCHW,
    )
