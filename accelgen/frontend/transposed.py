"""ConvTranspose: zeros between the pixels, then a convolution with its kernel turned around."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.frontend.bias import add_bias
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import LARGEST, OnnxNode
from accelgen.frontend.values import NCHW, Constant, View
from accelgen.ir.ops import Conv2d, Insert, Pads, Pair

__all__ = ["import_conv_transpose"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class _Shape:
    """A transposed convolution: ``pads`` cut its output, ``more`` grows it at the end."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    pads: Pads
    more: Pair


def import_conv_transpose(graph: GraphBuilder, node: OnnxNode) -> View:
    """ConvTranspose with constant weights.

    Output pixel y sums ``x[i] * w[t]`` over all ``i * stride + t * dilation - pad == y``: over x
    with ``stride - 1`` zeros after each pixel, that is a convolution of stride 1 with the kernel
    turned around and ``dilation * (kernel - 1) - pad`` pixels of padding before. Where that, or
    what is left for the end, is negative, the kernel grows by zeros. lowering/weave.py takes the
    zeros between pixels out again.
    """
    x, weight = graph.map(node), graph.constant(node, 1)
    groups = int(node.get("group", 1))
    shape = _read(node, x, weight, groups)
    outputs = weight.array.shape[1] * groups
    if shape.stride != (1, 1):
        x = graph.emit(node, Insert(factor=shape.stride), x, dims=NCHW)
    if _only_inserts(node, shape, weight.array, groups):
        return x
    before, after, grown = _padding(shape)

    def arrange(array: Array) -> Array:
        i, o, h, w = array.shape
        parts = array.reshape(groups, i // groups, o, h, w)[..., ::-1, ::-1]
        turned = parts.transpose(0, 2, 3, 4, 1).reshape(outputs, h, w, i // groups)
        return np.pad(turned, ((0, 0), *grown, (0, 0)))

    scale = weight.integers.scale if weight.integers is not None else np.zeros(())
    if groups > 1 and scale.size > 1:
        graph.warnings.append(
            f"{node.label}: weight '{weight.name}' has a scale per channel of each group; it is"
            " quantized again"
        )
        weight = replace(weight, integers=None)
    name = graph.add_weight(node, weight, arrange, out_axis=1)
    op = Conv2d(
        kernel=(shape.kernel[0] + sum(grown[0]), shape.kernel[1] + sum(grown[1])),
        dilation=shape.dilation,
        pads=(before[0], before[1], after[0], after[1]),
        groups=groups,
    )
    return graph.emit(node, op, x, name, add_bias(graph, node, outputs), dims=NCHW)


def _only_inserts(node: OnnxNode, shape: _Shape, weight: Array, groups: int) -> bool:
    """A kernel of one weight of one per channel, and the zeros after the last pixel, too."""
    return (
        weight.shape == (groups, 1, 1, 1)
        and not any(shape.pads)
        and shape.more == (shape.stride[0] - 1, shape.stride[1] - 1)
        and not node.has_input(2)
        and bool((weight == 1).all())
    )


def _padding(shape: _Shape) -> tuple[list[int], list[int], tuple[Pair, Pair]]:
    """Padding before and after the map with its zeros (which end it, too), and by how many zeros
    the turned kernel grows (before, after) along each axis."""
    before, after, grown = [], [], []
    for a in (0, 1):
        step = shape.dilation[a]
        reach = step * (shape.kernel[a] - 1)
        first = reach - shape.pads[a]
        last = reach - shape.pads[a + 2] + shape.more[a] + 1 - shape.stride[a]
        front, back = max(0, -(first // step)), max(0, -(last // step))
        before.append(first + front * step)
        after.append(last + back * step)
        grown.append((front, back))
    return before, after, (grown[0], grown[1])


def _read(node: OnnxNode, x: View, weight: Constant, groups: int) -> _Shape:
    """Attributes, with auto_pad and output_shape resolved into pads."""
    sizes = weight.array.shape
    if len(sizes) != 4:
        raise node.rejected(
            f"has a weight '{weight.name}' of shape {sizes}", "only 2-D kernels are built"
        )
    if groups < 1 or sizes[0] != x.sizes[2] or sizes[0] % groups:
        raise ModelError(
            f"{node.label}: weight '{weight.name}' has shape {sizes} with group={groups}, so it"
            f" needs {sizes[0]} input channels that divide by group, but '{node.inputs[0]}' has"
            f" {x.sizes[2]}",
            node=node.name,
        )
    kernel = (sizes[2], sizes[3])
    node.check_kernel_shape(kernel, weight.name, sizes)
    stride, dilation = node.pair("strides", (1, 1)), node.pair("dilations", (1, 1))
    more = tuple(node.get("output_padding", (0, 0)))
    if len(more) != 2 or min(more) < 0:
        raise node.unsupported("output_padding", more, "give two numbers of 0 or more")
    if any(m >= step for m, step in zip(more, stride, strict=True)):
        raise node.unsupported("output_padding", more, "it must be smaller than the stride")
    shape = _Shape(kernel, stride, dilation, (0, 0, 0, 0), (more[0], more[1]))
    shape = _resolved(node, x, shape)
    if min(_outputs(x, shape)) < 1:
        raise ModelError(f"{node.label}: pads={shape.pads} leave nothing", node=node.name)
    return shape


def _outputs(x: View, shape: _Shape) -> Pair:
    height, width = (
        (x.sizes[a] - 1) * shape.stride[a] + shape.dilation[a] * (shape.kernel[a] - 1) + 1
        + shape.more[a] - shape.pads[a] - shape.pads[a + 2]
        for a in (0, 1)
    )  # fmt: skip
    return height, width


def _resolved(node: OnnxNode, x: View, shape: _Shape) -> _Shape:
    """``shape`` with the pads it is given, or those that make the output wanted. One that is
    larger than what comes out grows at the end."""
    auto = node.get("auto_pad", "NOTSET") or "NOTSET"
    given = tuple(int(v) for v in node.get("pads", (0, 0, 0, 0)))
    same = tuple(size * s for size, s in zip(x.sizes, shape.stride, strict=False))
    wanted = tuple(node.get("output_shape", same))
    fixed = "output_shape" in node.attributes
    if len(given) != 4:
        raise node.unsupported("pads", given, "only 2-D kernels over NCHW maps are built")
    if not 0 <= min(given) <= max(given) <= LARGEST:
        raise node.unsupported("pads", given, f"pads of 0 to {LARGEST} are read")
    if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise node.unsupported("auto_pad", auto, "use NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    if any(given) and (fixed or auto != "NOTSET"):
        what = "output_shape" if fixed else "auto_pad"
        raise node.unsupported(
            what, node.get(what, ""), f"pads={given} is given as well: keep one of them"
        )
    if not fixed and auto in ("NOTSET", "VALID"):
        return replace(shape, pads=(given[0], given[1], given[2], given[3]))
    if len(wanted) != 2 or min(wanted) < 1:
        raise node.unsupported("output_shape", wanted, "give height and width")
    total = [out - size for out, size in zip(_outputs(x, shape), wanted, strict=True)]
    grown = [more + max(0, -t) for more, t in zip(shape.more, total, strict=True)]
    total = [max(0, t) for t in total]
    less = [t // 2 for t in total]
    more = [t - half for t, half in zip(total, less, strict=True)]
    first, last = (less, more) if auto == "SAME_UPPER" else (more, less)
    return replace(shape, pads=(first[0], first[1], last[0], last[1]), more=(grown[0], grown[1]))
