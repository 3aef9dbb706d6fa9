"""MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool, ReduceMean."""

from __future__ import annotations

import numpy as np

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.padding import ceil_pads, read_pads
from accelgen.frontend.stacks import sum_of_branches
from accelgen.frontend.values import NCHW, View
from accelgen.ir.ops import AvgPool, Conv2d, GlobalAvgPool, InnerAvgPool, MaxPool, Pads, Pair
from accelgen.ir.ps_ops import ChannelMax
from accelgen.ir.shapes import window_sizes, windows_touch_map

__all__ = [
    "import_average_pool",
    "import_global_average_pool",
    "import_global_max_pool",
    "import_max_pool",
    "import_reduce",
    "reduced_axes",
]


def _geometry(node: OnnxNode, x: View) -> tuple[Pair, Pair, Pair, Pads]:
    """kernel, stride, dilation, pads as given."""
    if "kernel_shape" not in node.attributes:
        raise ModelError(f"{node.label} lacks its attribute kernel_shape", node=node.name)
    kernel = node.pair("kernel_shape", (1, 1))
    stride = node.pair("strides", (1, 1))
    dilation = node.pair("dilations", (1, 1))
    pads = read_pads(node, x, kernel, stride, dilation)
    size = x.sizes[:2]
    if min(window_sizes(kernel, (1, 1), dilation, pads, size)) < 1:
        raise ModelError(
            f"{node.label}: kernel_shape={kernel} is larger than its {size[0]} x {size[1]} map"
            f" with pads={pads}",
            node=node.name,
        )
    node.require("ceil_mode", (0, 1), 0, "it must be 0 or 1")
    return kernel, stride, dilation, pads


def import_max_pool(graph: GraphBuilder, node: OnnxNode) -> View:
    """MaxPool. storage_order only concerns the indices, which nothing may read."""
    x = graph.map(node)
    node.require("storage_order", (0, 1), 0, "it must be 0 or 1")
    kernel, stride, dilation, pads = _geometry(node, x)
    size = x.sizes[:2]
    if node.get("ceil_mode", 0):
        pads = ceil_pads(pads, kernel, stride, dilation, size)
    if not windows_touch_map(kernel, stride, dilation, pads, size):
        raise node.unsupported("pads", pads, "a window lies wholly in the padding: use less of it")
    op = MaxPool(kernel=kernel, stride=stride, dilation=dilation, pads=pads)
    return graph.emit(node, op, x, dims=NCHW)


def import_average_pool(graph: GraphBuilder, node: OnnxNode) -> View:
    """AveragePool: every window divides by the kernel's size, or by its pixels that count."""
    x = graph.map(node)
    kernel, stride, dilation, pads = _geometry(node, x)
    node.require("count_include_pad", (0, 1), 0, "it must be 0 or 1")
    whole = pads
    if node.get("ceil_mode", 0):
        whole = ceil_pads(pads, kernel, stride, dilation, x.sizes[:2])
    counted = pads if node.get("count_include_pad", 0) else (0, 0, 0, 0)
    if whole != counted:
        if dilation != (1, 1):
            # onnxruntime's optimizer makes of such a node in a QDQ file one that it cannot load.
            raise node.unsupported(
                "dilations", dilation,
                "a dilated pool is built where it has no padding, or count_include_pad=1",
            )  # fmt: skip
        op = InnerAvgPool(kernel=kernel, stride=stride, pads=whole, counted=counted)
        return _inner_pool(graph, node, x, op)
    if kernel == x.sizes[:2] and not any(pads):
        return graph.emit(node, GlobalAvgPool(), x, dims=NCHW)
    if dilation != (1, 1):
        return _dilated_pool(graph, node, x, kernel, stride, dilation, pads)
    return graph.emit(node, AvgPool(kernel=kernel, stride=stride, pads=pads), x, dims=NCHW)


def _dilated_pool(
    graph: GraphBuilder, node: OnnxNode, x: View, kernel: Pair, stride: Pair, dilation: Pair,
    pads: Pads,
) -> View:  # fmt: skip
    """A depthwise convolution with equal weights."""
    channels, taps = x.sizes[2], kernel[0] * kernel[1]
    weight = np.full((channels, *kernel, 1), 1 / taps, np.float32)
    op = Conv2d(kernel=kernel, stride=stride, dilation=dilation, pads=pads, groups=channels)
    return graph.emit(
        node, op, x, graph.add_made_constant(f"{node.name}.weight", weight),
        graph.add_made_constant(f"{node.name}.bias", np.zeros(channels, np.float32)), dims=NCHW,
    )  # fmt: skip


def _inner_pool(graph: GraphBuilder, node: OnnxNode, x: View, op: InnerAvgPool) -> View:
    """Padding is not counted, or not all of it: on the PS."""
    beyond = tuple(pad - inner for pad, inner in zip(op.pads, op.counted, strict=True))
    size = (x.sizes[0] + op.counted[0] + op.counted[2], x.sizes[1] + op.counted[1] + op.counted[3])
    pads = (beyond[0], beyond[1], beyond[2], beyond[3])
    if not windows_touch_map(op.kernel, op.stride, (1, 1), pads, size):
        raise node.unsupported("pads", op.pads, "a window lies wholly in the padding")
    if any(pad >= k for pad, k in zip(op.pads, op.kernel * 2, strict=True)):
        raise node.unsupported("pads", op.pads, "use pads smaller than the kernel")
    return graph.emit(node, op, x, dims=NCHW)


def import_global_average_pool(graph: GraphBuilder, node: OnnxNode) -> View:
    """GlobalAveragePool."""
    return graph.emit(node, GlobalAvgPool(), graph.map(node), dims=NCHW)


def import_global_max_pool(graph: GraphBuilder, node: OnnxNode) -> View:
    """GlobalMaxPool: a MaxPool as large as its map."""
    x = graph.map(node)
    return graph.emit(node, MaxPool(kernel=(x.sizes[0], x.sizes[1])), x, dims=NCHW)


def import_reduce(graph: GraphBuilder, node: OnnxNode) -> View:
    """ReduceMean, ReduceSum and ReduceMax over any of height, width and channels."""
    axes = _axes(graph, node)
    found = sum_of_branches(graph, node, axes or ())
    if found is not None:
        return found
    x = graph.view(node)
    reduced = reduced_axes(graph, node, x)
    if reduced is None:
        return x
    gone = {axis for d in reduced for axis in x.dims[d]}
    if node.get("keepdims", 1):
        dims = tuple(() if d in reduced else dim for d, dim in enumerate(x.dims))
    else:
        dims = tuple(dim for d, dim in enumerate(x.dims) if d not in reduced)
    height, width, _ = x.sizes
    kernel = (height if "h" in gone else 1, width if "w" in gone else 1)
    if "c" in gone and node.op_type == "ReduceMax":
        x = graph.emit(node, ChannelMax(), x)
    elif "c" in gone:
        x = _over_channels(graph, node, x)
    if kernel == (1, 1):
        return View(x.tensor, x.sizes, dims)
    if node.op_type == "ReduceMax":
        return graph.emit(node, MaxPool(kernel=kernel), x, dims=dims)
    if kernel == (height, width):
        mean = graph.emit(node, GlobalAvgPool(), x, dims=dims)
    else:
        for part in _in_parts(max(kernel)):
            side = (min(kernel[0], part), min(kernel[1], part))
            x = graph.emit(node, AvgPool(kernel=side, stride=side), x, dims=dims)
        mean = x
    if node.op_type == "ReduceMean":
        return mean
    return graph.emit_affine(node, mean, kernel[0] * kernel[1], 0)


#: Rows or columns that one pool takes.
_MOST_AT_ONCE = 15


def _in_parts(length: int) -> list[int]:
    """Kernels of pools, one after the other, that together are a mean of ``length``: one, where
    no factors are small enough."""
    parts, rest = list[int](), length
    while rest > _MOST_AT_ONCE:
        part = next((p for p in range(_MOST_AT_ONCE, 1, -1) if rest % p == 0), 0)
        if not part:
            return [length]
        parts.append(part)
        rest //= part
    return [*parts, rest]


def _over_channels(graph: GraphBuilder, node: OnnxNode, x: View) -> View:
    """Sum or mean of all channels: a 1x1 convolution with equal weights."""
    channels = x.sizes[2]
    equal = 1.0 if node.op_type == "ReduceSum" else 1 / channels
    weight = np.full((1, 1, 1, channels), equal, np.float32)
    name = graph.add_made_constant(f"{node.name}.weight", weight)
    bias = graph.add_made_constant(f"{node.name}.bias", np.zeros(1, np.float32))
    return graph.emit(node, Conv2d(kernel=(1, 1)), x, name, bias)


def reduced_axes(graph: GraphBuilder, node: OnnxNode, x: View) -> list[int] | None:
    """Dimensions of ``x`` that a reduction is over; None for none. Raises ModelError when it has
    not as many."""
    axes, rank = _axes(graph, node), len(x.dims)
    if axes is None:
        return None
    reduced = [axis % rank for axis in axes if -rank <= axis < rank] if axes else list(range(rank))
    if len(reduced) != len(axes or reduced):
        raise ModelError(
            f"{node.label}: axes={axes} are not all within rank {rank}", node=node.name
        )
    return reduced


def _axes(graph: GraphBuilder, node: OnnxNode) -> tuple[int, ...] | None:
    """Axes to reduce; () for all, None for none."""
    if graph.opset < (13 if node.op_type == "ReduceSum" else 18):
        return tuple(node.get("axes", ()))
    axes = graph.numbers(node, 1) if node.has_input(1) else ()
    node.require("noop_with_empty_axes", (0, 1), 0, "it must be 0 or 1")
    if not axes and node.get("noop_with_empty_axes", 0):
        return None
    return axes
