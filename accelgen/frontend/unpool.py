"""MaxPool with its indices, and the MaxUnpool that reads them."""

from __future__ import annotations

from collections.abc import Sequence

from accelgen.frontend.builder import GraphBuilder, Value
from accelgen.frontend.lines import on_lines
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.pooling import import_max_pool
from accelgen.frontend.values import NCHW, IndicesView, View
from accelgen.ir.ops import MaxPool
from accelgen.ir.ps_ops import Unpool

__all__ = ["import_max_unpool", "import_pool_and_indices"]

_MOST_TAPS = 255
_read_pool = on_lines(import_max_pool)


def import_pool_and_indices(graph: GraphBuilder, node: OnnxNode) -> Value | Sequence[Value]:
    """MaxPool; its indices, where kernels lie one beside the other."""
    pooled = _read_pool(graph, node)
    wanted = len(node.outputs) > 1 and node.outputs[1]
    op = graph.nodes[-1].op
    if not wanted or not isinstance(op, MaxPool) or node.get("storage_order", 0):
        return pooled
    beside = op.stride == op.kernel and op.dilation == (1, 1) and not any(op.pads)
    x = graph.view(node)
    if not beside or not x.is_nchw or op.kernel[0] * op.kernel[1] > _MOST_TAPS:
        return pooled
    return [pooled, IndicesView(x, op.kernel)]


def import_max_unpool(graph: GraphBuilder, node: OnnxNode) -> View:
    """MaxUnpool by the indices of a MaxPool of the same kernel."""
    x, indices = graph.map(node), graph.value(node, 1)
    if not isinstance(indices, IndicesView):
        raise node.rejected(
            f"reads indices '{node.inputs[1]}' that no MaxPool makes", "give it those of a MaxPool"
        )
    kernel, like = node.pair("kernel_shape", (1, 1)), indices.view
    stride = node.pair("strides", (1, 1))
    if (kernel, stride) != (indices.kernel, indices.kernel):
        raise node.unsupported(
            "kernel_shape", kernel,
            f"with strides={stride}: the MaxPool of its indices has {indices.kernel} for both",
        )  # fmt: skip
    pads = tuple(node.get("pads", (0, 0, 0, 0)))
    if any(pads):
        raise node.unsupported("pads", pads, "use a MaxPool and a MaxUnpool without pads")
    sizes = (*(n * k for n, k in zip(x.sizes[:2], kernel, strict=True)), x.sizes[2])
    if node.has_input(2):
        shape = graph.numbers(node, 2)
        sizes = (*shape[2:], *shape[1:2])
    pooled = (*(n // k for n, k in zip(like.sizes[:2], kernel, strict=True)), like.sizes[2])
    if sizes != like.sizes or x.sizes != pooled:
        raise node.rejected(
            f"makes {sizes[0]} x {sizes[1]} pixels of {sizes[2]} channels by the indices of a map"
            f" of {like.sizes[0]} x {like.sizes[1]} with {like.sizes[2]}",
            "make them equal: by output_shape, or by a map that the pool divides",
        )
    return graph.emit(node, Unpool(kernel=kernel), x, like, dims=NCHW)
