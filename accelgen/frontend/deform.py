"""DeformConv: taps gathered where the offsets say, then a pointwise convolution of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.frontend.bias import add_bias
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.convolution import read_groups
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.padding import read_pads
from accelgen.frontend.values import NCHW, Constant, View
from accelgen.ir.ops import Conv2d
from accelgen.ir.ps_ops import Deform
from accelgen.ir.shapes import window_sizes

__all__ = ["import_deform_conv"]

Array = npt.NDArray[Any]


def import_deform_conv(graph: GraphBuilder, node: OnnxNode) -> View:
    """DeformConv with constant weights, its offsets and its mask being maps.

    Inputs X, W (o, i / group, kh, kw), offset, B, mask. Where its weights only take each tap as it
    is (one group per channel), nothing but the gather is left.
    """
    x, weight, offset = graph.map(node), graph.constant(node, 1), graph.map(node, 2)
    mask = [graph.map(node, 4)] if node.has_input(4) else []
    op = _read(node, x, weight)
    _check_map(node, x, op, offset, "offsets", 2)
    for view in mask:
        _check_map(node, x, op, view, "masks", 1)
    groups, outputs = read_groups(node, x, weight), len(weight.array)
    if _only_gathers(node, weight.array, groups):
        return graph.emit(node, op, x, offset, *mask, dims=NCHW)
    taps = graph.emit(node, op, x, offset, *mask, dims=NCHW)

    def arrange(array: Array) -> Array:
        return array.reshape(outputs, 1, 1, -1)

    name = graph.add_weight(node, weight, arrange, out_axis=0)
    bias = add_bias(graph, node, outputs, index=3)
    return graph.emit(node, Conv2d(kernel=(1, 1), groups=groups), taps, name, bias, dims=NCHW)


def _read(node: OnnxNode, x: View, weight: Constant) -> Deform:
    shape = weight.array.shape
    if len(shape) != 4:
        raise node.rejected(
            f"has a weight '{weight.name}' of shape {shape}", "only 2-D kernels are built"
        )
    kernel = (int(shape[2]), int(shape[3]))
    node.check_kernel_shape(kernel, weight.name, shape)
    stride, dilation = node.pair("strides", (1, 1)), node.pair("dilations", (1, 1))
    groups = int(node.get("offset_group", 1))
    if groups < 1 or x.sizes[2] % groups:
        raise ModelError(
            f"{node.label}: offset_group={groups} does not divide the {x.sizes[2]} channels of"
            f" '{node.inputs[0]}'; export the model again",
            node=node.name, attribute="offset_group",
        )  # fmt: skip
    pads = read_pads(node, x, kernel, stride, dilation)
    return Deform(kernel=kernel, stride=stride, dilation=dilation, pads=pads, groups=groups)


def _check_map(node: OnnxNode, x: View, op: Deform, view: View, what: str, each: int) -> None:
    """Raise ModelError unless ``view`` has ``each`` channels per tap and offset group, and the
    output's pixels."""
    size = window_sizes(op.kernel, op.stride, op.dilation, op.pads, (x.sizes[0], x.sizes[1]))
    wanted = (*size, each * op.groups * op.kernel[0] * op.kernel[1])
    if view.sizes != wanted:
        raise ModelError(
            f"{node.label}: its {what} are a map of {view.sizes[0]} x {view.sizes[1]} with"
            f" {view.sizes[2]} channels; its kernel, strides, pads, dilations and offset_group need"
            f" {wanted[0]} x {wanted[1]} with {wanted[2]}: export the model again",
            node=node.name,
        )


def _only_gathers(node: OnnxNode, weight: Array, groups: int) -> bool:
    """One weight of one for each tap of each channel, in order."""
    taps = weight.shape[2] * weight.shape[3]
    if node.has_input(3) or weight.shape[:2] != (groups * taps, 1):
        return False
    return bool((weight.reshape(groups, taps, taps) == np.eye(taps)).all())
