"""Output shapes: one rule per operation, float and int8 alike."""

from __future__ import annotations

from collections.abc import Mapping

from accelgen.errors import ModelError
from accelgen.ir import ops
from accelgen.ir.graph import Node
from accelgen.ir.ops import Pads, Pair
from accelgen.ir.ps_ops import Deform, QDeform, QUnpool, Unpool
from accelgen.ir.traits import ByteJoining
from accelgen.ir.types import TensorType

__all__ = ["BYTES", "infer_shape", "window_sizes", "windows_touch_map"]

Shape = tuple[int, ...]

#: Of a sum that the PL leaves.
BYTES = 4


def infer_shape(node: Node, tensors: Mapping[str, TensorType]) -> Shape:
    """Shape of ``node``'s output, from the shapes of its inputs.

    Raises
    ------
    ModelError
        When the inputs do not fit the operation or each other; names the node.
    """
    shapes = [tensors[name].shape for name in node.inputs]
    op, x = node.op, shapes[0]
    if len(x) != 4 or x[0] != 1:
        raise ModelError(
            f"node '{node.name}': input '{node.inputs[0]}' has shape {x}, not (1, h, w, c)",
            node=node.name,
        )
    if isinstance(op, ops.SameShape):
        return x
    if isinstance(op, ops.OnePixel):
        return (1, 1, 1, x[3])
    if isinstance(op, ops.ByteSums):
        return (1, 1, BYTES, x[3])
    if isinstance(op, ByteJoining):
        return (1, 1, 1, x[1] * x[2] * x[3] // BYTES)
    if isinstance(op, Unpool | QUnpool):
        return _unpooled(node, op.kernel, shapes)
    if isinstance(op, Deform | QDeform):
        return _sampled(node, op, shapes)
    if isinstance(op, ops.OneChannel):
        return (*x[:3], 1)
    if isinstance(op, ops.Convolution):
        _check_weights(node, op, shapes)
        if isinstance(op, ops.QConv2d):
            x = _inserted(x, op.insert)
        return (1, *_windows(node, op.kernel, op.stride, op.dilation, op.pads, x), shapes[1][0])
    if isinstance(op, ops.Pooling):
        dilation = getattr(op, "dilation", (1, 1))
        return (1, *_windows(node, op.kernel, op.stride, dilation, op.pads, x), x[3])
    if isinstance(op, ops.Selection):
        if not op.channels or min(op.channels) < 0 or max(op.channels) >= x[3]:
            raise ModelError(
                f"node '{node.name}': it selects channels that {x} has not", node=node.name
            )
        return (*x[:3], len(op.channels))
    if isinstance(op, ops.Upsample | ops.QUpsample | ops.Insert | ops.QInsert):
        return _inserted(x, op.factor)
    if isinstance(op, ops.Border | ops.QBorder):
        return _bordered(node, op, x)
    if isinstance(op, ops.QStretch):
        height = (x[1] - 1) * (2 if op.axis == 1 else 1)
        return (1, height, x[2] * (2 if op.axis == 2 else 1), x[3])
    if isinstance(op, ops.Bilinear):
        return (1, *op.size, x[3])
    if isinstance(op, ops.QBilinear):
        return (1, len(op.rows), len(op.columns), x[3])
    if isinstance(op, ops.Joining):
        if any(s[:3] != x[:3] for s in shapes):
            raise ModelError(
                f"node '{node.name}': maps of different sizes are joined: {shapes}", node=node.name
            )
        return (*x[:3], sum(s[3] for s in shapes))
    if isinstance(op, ops.Elementwise) and shapes[1] != x:
        raise ModelError(f"node '{node.name}': {x} and {shapes[1]} are added", node=node.name)
    if isinstance(op, ops.Scaling) and shapes[1] not in (x, (1, 1, 1, x[3])):
        raise ModelError(f"node '{node.name}': {x} is multiplied by {shapes[1]}", node=node.name)
    return x


def _bordered(node: Node, op: ops.Border | ops.QBorder, x: Shape) -> Shape:
    for axis in (0, 1):
        most = x[1 + axis] - (op.mode == "reflect")
        if op.mode != "edge" and max(op.pads[axis], op.pads[axis + 2]) > most:
            raise ModelError(
                f"node '{node.name}': pads {op.pads} in mode '{op.mode}' are larger than their"
                f" {x[1]} x {x[2]} map",
                node=node.name,
            )
    return (1, x[1] + op.pads[0] + op.pads[2], x[2] + op.pads[1] + op.pads[3], x[3])


def _unpooled(node: Node, kernel: Pair, shapes: list[Shape]) -> Shape:
    x, like = shapes
    if x != (1, like[1] // kernel[0], like[2] // kernel[1], like[3]):
        raise ModelError(
            f"node '{node.name}': {x} is not what a pool of {kernel} makes of {like}",
            node=node.name,
        )
    return like


def _sampled(node: Node, op: Deform | QDeform, shapes: list[Shape]) -> Shape:
    x, taps = shapes[0], op.kernel[0] * op.kernel[1]
    if op.groups < 1 or x[3] % op.groups:
        raise ModelError(
            f"node '{node.name}': {x[3]} channels do not divide into {op.groups} offset groups",
            node=node.name,
        )
    size = _windows(node, op.kernel, op.stride, op.dilation, op.pads, x)
    wanted = [(1, *size, each * op.groups * taps) for each in (2, 1)]
    if shapes[1:] not in (wanted[:1], wanted):
        raise ModelError(
            f"node '{node.name}': offsets {wanted[0]}, and a mask {wanted[1]} or none, are needed,"
            f" not {shapes[1:]}",
            node=node.name,
        )
    return (1, *size, x[3] * taps)


def _inserted(x: Shape, factor: Pair) -> Shape:
    return (x[0], x[1] * factor[0], x[2] * factor[1], x[3])


def _check_weights(node: Node, op: ops.Conv2d | ops.QConv2d, shapes: list[Shape]) -> None:
    x, weight, bias = shapes[:3]
    c_in = x[3]
    if c_in % op.groups or weight[0] % op.groups:
        raise ModelError(
            f"node '{node.name}': {c_in} input and {weight[0]} output channels"
            f" do not divide into {op.groups} groups",
            node=node.name,
        )
    if weight[1:] != (*op.kernel, c_in // op.groups) or bias != weight[:1]:
        raise ModelError(
            f"node '{node.name}': weight '{node.inputs[1]}' (o, kh, kw, i) is {weight} with bias"
            f" {bias}; kernel {op.kernel} and {c_in} input channels in {op.groups} groups need"
            f" (o, {op.kernel[0]}, {op.kernel[1]}, {c_in // op.groups})",
            node=node.name,
        )


def window_sizes(kernel: Pair, stride: Pair, dilation: Pair, pads: Pads, size: Pair) -> Pair:
    """Output height and width: ``(size + pads - dilation * (kernel - 1) - 1) // stride + 1``."""
    height, width = (
        (n + pads[a] + pads[a + 2] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1
        for a, n in enumerate(size)
    )
    return height, width


def windows_touch_map(kernel: Pair, stride: Pair, dilation: Pair, pads: Pads, size: Pair) -> bool:
    """Whether every window has at least one tap on the map (a maximum needs one)."""
    out = window_sizes(kernel, stride, dilation, pads, size)
    for a in (0, 1):
        # Those that begin on the map touch it; before it the first tap that is not before counts.
        before = min(-(-pads[a] // stride[a]), out[a])
        for first in (o * stride[a] - pads[a] for o in (*range(before), out[a] - 1)):
            tap = max(-(first // dilation[a]), 0)
            if tap >= kernel[a] or first + tap * dilation[a] >= size[a]:
                return False
    return True


def _windows(node: Node, kernel: Pair, stride: Pair, dilation: Pair, pads: Pads, x: Shape) -> Pair:
    out = window_sizes(kernel, stride, dilation, pads, (x[1], x[2]))
    if min(out) < 1:
        raise ModelError(
            f"node '{node.name}': kernel {kernel} with dilation {dilation} is larger than its"
            f" {x[1]} x {x[2]} map with pads {pads}",
            node=node.name,
        )
    return out
