"""What a deformable convolution gathers: its int8 operation, and how a QDQ file says it."""

from __future__ import annotations

import math

import numpy as np

from accelgen.ir import Node
from accelgen.ir.ps_ops import Deform, QDeform
from accelgen.quant.draft import Draft
from accelgen.quant.writer import Writer

__all__ = ["int8_deform", "write_deform"]

#: Of QDeform.
_STEP, _LARGEST_OFFSET, _LARGEST_FACTOR, _MOST_SHIFT = 1 << 11, 1 << 29, 1 << 14, 30


def int8_deform(draft: Draft, node: Node) -> QDeform:
    """Offsets in steps of the operation, and factors as large as 14 bits let them be."""
    op = node.op
    assert isinstance(op, Deform)
    x, offset, *mask = (draft.scale(name) for name in node.inputs)
    y = draft.scale(node.output)
    numbers = np.arange(-128, 128)
    moved = np.rint(_STEP * float(offset.scale) * (numbers - float(offset.zero_point)))
    ratio = float(x.scale) / float(y.scale)
    real = np.full(1, ratio)
    for m in mask:
        real = ratio * float(m.scale) * (numbers - float(m.zero_point))
    # The largest becomes 2 ** 14 at most: its logarithm, rounded up, is an exact integer.
    part, exponent = math.frexp(float(np.abs(real).max()))
    shift = min(max(14 - exponent + (part == 0.5), 1), _MOST_SHIFT)
    factors = np.clip(np.rint(np.ldexp(real, shift)), -_LARGEST_FACTOR, _LARGEST_FACTOR)
    return QDeform(
        kernel=op.kernel, stride=op.stride, dilation=op.dilation, pads=op.pads, groups=op.groups,
        input_zero=x.zero_point, output_zero=y.zero_point, shift=shift,
        offsets=tuple(
            np.clip(moved, -_LARGEST_OFFSET, _LARGEST_OFFSET).astype(int).tolist()
        ),
        factors=tuple(factors.astype(int).tolist()),
    )  # fmt: skip


def write_deform(writer: Writer, node: Node, x: str, out: str) -> None:
    """A DeformConv in as many groups as channels: each of its outputs takes one tap."""
    op = node.op
    assert isinstance(op, Deform)
    channels, taps = writer.graph.tensors[node.inputs[0]].shape[3], op.kernel[0] * op.kernel[1]
    each = np.tile(np.eye(taps, dtype=np.float32), (channels, 1))
    weight = writer.constant(node.name, "/taps", each.reshape(-1, 1, *op.kernel))
    offset, *mask = (writer.real(name) for name in node.inputs[1:])
    given = [x, weight, offset, *(("", *mask) if mask else ())]
    writer.node(
        "DeformConv", node.name, given, out, kernel_shape=op.kernel, strides=op.stride,
        dilations=op.dilation, pads=op.pads, group=channels, offset_group=op.groups,
    )  # fmt: skip
