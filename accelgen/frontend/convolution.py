"""Conv, Gemm, MatMul and BatchNormalization."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.frontend.bias import add_bias
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.lines import along_channels
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.padding import read_pads
from accelgen.frontend.quantized import within
from accelgen.frontend.values import NCHW, Constant, View
from accelgen.ir.ops import Conv2d
from accelgen.ir.types import SMALLEST_STEP

__all__ = [
    "import_batch_normalization",
    "import_conv",
    "import_gemm",
    "import_matmul",
    "read_groups",
]

Array = npt.NDArray[Any]


def import_conv(graph: GraphBuilder, node: OnnxNode) -> View:
    """Conv: weight OIHW to OHWI; pads, stride, dilation, groups as they are."""
    found = along_channels(graph, node)
    if found is not None:
        return found
    x = graph.map(node)
    weight = graph.constant(node, 1)
    if weight.array.ndim != 4:
        raise node.rejected(
            f"has a weight '{weight.name}' of shape {weight.array.shape}",
            "only 2-D kernels are built",
        )
    o, _, *kernel = weight.array.shape
    node.check_kernel_shape(tuple(kernel), weight.name, weight.array.shape)
    groups = read_groups(node, x, weight)
    size = (kernel[0], kernel[1])
    stride = node.pair("strides", (1, 1))
    dilation = node.pair("dilations", (1, 1))
    op = Conv2d(
        kernel=size,
        stride=stride,
        dilation=dilation,
        pads=read_pads(node, x, size, stride, dilation),
        groups=groups,
    )
    name = graph.add_weight(node, weight, lambda a: a.transpose(0, 2, 3, 1), out_axis=0)
    return graph.emit(node, op, x, name, add_bias(graph, node, o), dims=NCHW)


def read_groups(node: OnnxNode, x: View, weight: Constant) -> int:
    """Attribute ``group`` of a convolution of ``x`` by ``weight`` (O, I, ...).

    Raises ModelError unless x has ``I * group`` channels and group divides O.
    """
    groups = int(node.get("group", 1))
    outputs, inputs = weight.array.shape[:2]
    if groups < 1 or inputs * groups != x.sizes[2] or outputs % groups:
        raise ModelError(
            f"{node.label}: weight '{weight.name}' has shape {weight.array.shape} with"
            f" group={groups}, so it needs {inputs * groups} input channels, and output channels"
            f" that divide by group, but '{node.inputs[0]}' has {x.sizes[2]}",
            node=node.name,
        )
    return groups


def import_gemm(graph: GraphBuilder, node: OnnxNode) -> View:
    """Gemm with constant B and C: a convolution as large as its map."""
    node.require("transA", (0,), 0, "export it with the activation not transposed")
    alpha, beta = float(node.get("alpha", 1.0)), float(node.get("beta", 1.0))
    if alpha <= 0:
        raise node.unsupported("alpha", alpha, "fold it into the weights")
    x = graph.view(node)
    if len(x.dims) != 2:
        raise ModelError(
            f"{node.label}: input '{node.inputs[0]}' has shape {x.shape}, not (1, k)",
            node=node.name,
        )
    return _fully_connected(
        graph, node, x, transposed=bool(node.get("transB", 0)), alpha=alpha, beta=beta
    )


def import_matmul(graph: GraphBuilder, node: OnnxNode) -> View:
    """MatMul by a constant matrix on the right: contracts the last dimension."""
    return _fully_connected(graph, node, graph.view(node), transposed=False)


def _fully_connected(
    graph: GraphBuilder,
    node: OnnxNode,
    x: View,
    *,
    transposed: bool,
    alpha: float = 1.0,
    beta: float = 1.0,
) -> View:
    matrix = graph.constant(node, 1)
    if matrix.array.ndim != 2:
        raise node.rejected(
            f"has a weight '{matrix.name}' of shape {matrix.array.shape}", "it must be a matrix"
        )
    if not x.shape:
        raise node.rejected("multiplies a scalar", "a product over channels has dimensions")
    outputs, inputs = matrix.array.shape if transposed else matrix.array.shape[::-1]
    if inputs != x.shape[-1]:
        raise ModelError(
            f"{node.label}: weight '{matrix.name}' of shape {matrix.array.shape} needs {inputs}"
            f" inputs, but '{node.inputs[0]}' has shape {x.shape}",
            node=node.name,
        )
    axes = x.dims[-1]
    others = [axis for dim in x.dims[:-1] for axis in dim]
    if others and ("c" in others or len(axes) > 1):
        raise node.rejected(
            f"multiplies along {axes} of a map of shape {x.shape}",
            "only products over channels, or over a whole flattened map, are built",
        )
    # Axes of size 1 are nowhere in dims: append them, the order does not matter.
    order = (*axes, *(axis for axis in "hwc" if axis not in axes))
    kernel = {axis: x.size_of(axis) if axis in axes else 1 for axis in "hwc"}

    def arrange(array: Array) -> Array:
        array = array if transposed else array.T
        spread = array.reshape(outputs, *(kernel[axis] for axis in order))
        return spread.transpose(0, *(1 + order.index(axis) for axis in "hwc"))

    with np.errstate(over="ignore", invalid="ignore"):
        name = graph.add_weight(
            node, matrix, arrange, out_axis=0 if transposed else 1, factor=alpha
        )  # fmt: skip
        bias = add_bias(graph, node, outputs, beta)
    for of, constant, factor in (("alpha", name, alpha), ("beta", bias, beta)):
        if not np.isfinite(graph.constants[constant]).all():
            raise node.unsupported(of, factor, "float32 does not hold what it makes; export anew")
    if name in graph.weight_scales:
        within(node, f"a scale times alpha={alpha:g}", graph.weight_scales[name], SMALLEST_STEP)
    dims = (*x.dims[:-1], ("c",))
    return graph.emit(node, Conv2d(kernel=(kernel["h"], kernel["w"])), x, name, bias, dims=dims)


def import_batch_normalization(graph: GraphBuilder, node: OnnxNode) -> View:
    """BatchNormalization in inference: ``(x - mean) * scale / sqrt(var + epsilon) + b``."""
    node.require("training_mode", (0,), 0, "export the model in inference mode (model.eval())")
    node.require("spatial", (1,), 1, "per channel is built; export with opset_version=17")
    x = graph.view(node)
    if len(x.dims) < 2 or any("c" in dim for i, dim in enumerate(x.dims) if i != 1):
        raise node.rejected(
            f"normalises dimension 1 of {x.shape}, which is not the channels", "use NCHW order"
        )
    gamma, beta, mean, var = (graph.floats(node, i).astype(np.float64) for i in range(1, 5))
    if gamma.shape == (x.shape[1],) != (x.sizes[2],):
        raise node.rejected(
            f"scales each of {x.shape[1]} features of a flattened map",
            "put it before the Flatten, per channel, or after the fully connected layer",
        )
    for index, array in enumerate((gamma, beta, mean, var), start=1):
        # Of a flattened map dimension 1 is more than the channels.
        if array.shape != (x.shape[1],):
            raise ModelError(
                f"{node.label}: '{node.inputs[index]}' has shape {array.shape}, but"
                f" '{node.inputs[0]}' has {x.shape[1]} channels",
                node=node.name,
            )
    epsilon = float(node.get("epsilon", 1e-5))
    if prod(var.shape) and var.min() + epsilon <= 0:
        raise ModelError(
            f"{node.label}: variance '{node.inputs[4]}' plus epsilon is not positive",
            node=node.name,
        )
    scale = gamma / np.sqrt(var + epsilon)
    return graph.emit_affine(node, x, scale, beta - mean * scale)
