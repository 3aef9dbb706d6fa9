"""MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool, ReduceMean."""

from __future__ import annotations

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.padding import ceil_pads, read_pads
from accelgen.frontend.values import NCHW, View
from accelgen.ir.ops import AvgPool, GlobalAvgPool, MaxPool, Pads, Pair
from accelgen.ir.shapes import window_sizes, windows_touch_map

__all__ = [
    "import_average_pool",
    "import_global_average_pool",
    "import_global_max_pool",
    "import_max_pool",
    "import_reduce",
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
    """AveragePool whose every window divides by the kernel's size."""
    x = graph.map(node)
    kernel, stride, dilation, pads = _geometry(node, x)
    if dilation != (1, 1):
        raise node.unsupported("dilations", dilation, "use a depthwise Conv with equal weights")
    node.require("count_include_pad", (0, 1), 0, "it must be 0 or 1")
    if any(pads) and not node.get("count_include_pad", 0):
        raise node.unsupported(
            "count_include_pad", 0, f"with pads={pads} set count_include_pad=1, or use pads=0"
        )
    if node.get("ceil_mode", 0) and ceil_pads(pads, kernel, stride, dilation, x.sizes[:2]) != pads:
        raise node.unsupported(
            "ceil_mode", 1, "its last window leaves the map and divides by less: use ceil_mode=0"
        )
    return graph.emit(node, AvgPool(kernel=kernel, stride=stride, pads=pads), x, dims=NCHW)


def import_global_average_pool(graph: GraphBuilder, node: OnnxNode) -> View:
    """GlobalAveragePool."""
    return graph.emit(node, GlobalAvgPool(), graph.map(node), dims=NCHW)


def import_global_max_pool(graph: GraphBuilder, node: OnnxNode) -> View:
    """GlobalMaxPool: a MaxPool as large as its map."""
    x = graph.map(node)
    return graph.emit(node, MaxPool(kernel=(x.sizes[0], x.sizes[1])), x, dims=NCHW)


def import_reduce(graph: GraphBuilder, node: OnnxNode) -> View:
    """ReduceMean, ReduceMax, ReduceSum over height and width (or one of them)."""
    x = graph.view(node)
    rank = len(x.dims)
    axes = _axes(graph, node)
    if axes is None:
        return x
    reduced = [axis % rank for axis in axes if -rank <= axis < rank] if axes else list(range(rank))
    if len(reduced) != len(axes or reduced):
        raise ModelError(
            f"{node.label}: axes={axes} are not all within rank {rank}", node=node.name
        )
    gone = {axis for d in reduced for axis in x.dims[d]}
    if "c" in gone:
        raise node.unsupported("axes", axes, "only height and width are reduced")
    if node.get("keepdims", 1):
        dims = tuple(() if d in reduced else dim for d, dim in enumerate(x.dims))
    else:
        dims = tuple(dim for d, dim in enumerate(x.dims) if d not in reduced)
    height, width, _ = x.sizes
    kernel = (height if "h" in gone else 1, width if "w" in gone else 1)
    if kernel == (1, 1):
        return View(x.tensor, x.sizes, dims)
    if node.op_type == "ReduceMax":
        return graph.emit(node, MaxPool(kernel=kernel), x, dims=dims)
    pool = GlobalAvgPool() if kernel == (height, width) else AvgPool(kernel=kernel)
    mean = graph.emit(node, pool, x, dims=dims)
    if node.op_type == "ReduceMean":
        return mean
    return graph.emit_affine(node, mean, kernel[0] * kernel[1], 0)


def _axes(graph: GraphBuilder, node: OnnxNode) -> tuple[int, ...] | None:
    """Axes to reduce; () for all, None for none."""
    if graph.opset < (13 if node.op_type == "ReduceSum" else 18):
        return tuple(node.get("axes", ()))
    axes = graph.numbers(node, 1) if node.has_input(1) else ()
    node.require("noop_with_empty_axes", (0, 1), 0, "it must be 0 or 1")
    if not axes and node.get("noop_with_empty_axes", 0):
        return None
    return axes
