"""What only the PS computes: its int8 operations, and how a QDQ file says them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from accelgen.golden.arith import MAX_MULTIPLIER
from accelgen.golden.norms import place_of
from accelgen.golden.ps_ops import STEP, positions
from accelgen.ir import Node
from accelgen.ir.ps_ops import (
    Bilinear,
    ChannelMax,
    Deform,
    InnerAvgPool,
    LocalNorm,
    Normalize,
    PsOp,
    QBilinear,
    QChannelMax,
    QInnerAvgPool,
    QLocalNorm,
    QNormalize,
    QResponse,
    QSoftmax,
    QUnpool,
    Response,
    Unpool,
    split_along,
)
from accelgen.quant.deform import int8_deform, write_deform
from accelgen.quant.draft import Draft
from accelgen.quant.scales import LARGEST_FACTOR, fixed_point, sum_factors
from accelgen.quant.writer import Writer

__all__ = ["PS_RULES", "PS_WRITERS", "int8_softmax"]


def _inner_pool(draft: Draft, node: Node) -> QInnerAvgPool:
    """:class:`InnerAvgPool` in integers: a factor for each count of pixels."""
    op = node.op
    assert isinstance(op, InnerAvgPool)
    x, y = draft.scale(node.inputs[0]), draft.scale(node.output)
    counts = range(1, op.kernel[0] * op.kernel[1] + 1)
    where = f"node {node.name!r}"
    factors = [sum_factors(x.scale / (y.scale * count), where) for count in counts]
    return QInnerAvgPool(
        kernel=op.kernel, stride=op.stride, pads=op.pads, counted=op.counted,
        input_zero=x.zero_point,
        output_zero=y.zero_point, multipliers=tuple(int(m) for m, _ in factors),
        shifts=tuple(int(n) for _, n in factors),
    )  # fmt: skip


#: Of QNormalize.
_MOST_EPSILON = 1 << 58


def _normalize(draft: Draft, node: Node) -> QNormalize:
    op = node.op
    assert isinstance(op, Normalize)
    x, y = draft.scale(node.inputs[0]), draft.scale(node.output)
    _, count, _ = split_along(op, draft.graph.tensors[node.output].shape)
    epsilon = op.epsilon * (16 * count / x.scale) ** 2
    length = count**0.5 if op.unit else 1.0
    factor = min(1 / (y.scale * length), LARGEST_FACTOR)  # as sum_factors
    multiplier, shift = fixed_point(factor, f"node {node.name!r}")
    return QNormalize(
        along=op.along, epsilon=int(np.clip(np.rint(epsilon), 1, _MOST_EPSILON)),
        multiplier=int(multiplier), shift=int(shift), output_zero=y.zero_point, share=op.share,
        input_zero=None if op.centred else x.zero_point,
    )  # fmt: skip


_MOST_RESPONSE_EPSILON = 1 << 40


def _response(draft: Draft, node: Node) -> QResponse:
    op = node.op
    assert isinstance(op, Response)
    x, y = draft.scale(node.inputs[0]), draft.scale(node.output)
    channels = draft.graph.tensors[node.output].shape[3]
    factor = min(1 / y.scale, LARGEST_FACTOR)  # as sum_factors
    multiplier, shift = fixed_point(factor, f"node {node.name!r}")
    epsilon = np.rint(op.epsilon * channels * (1 << 13) / x.scale)
    return QResponse(
        input_zero=x.zero_point, epsilon=int(np.clip(epsilon, 1, _MOST_RESPONSE_EPSILON)),
        multiplier=int(multiplier), shift=int(shift), output_zero=y.zero_point,
    )  # fmt: skip


#: Bits of QLocalNorm's factors beyond those of others: the smallest are as exact as the largest.
_FINER = 13


def _local_norm(draft: Draft, node: Node) -> QLocalNorm:
    """Factors of sums that begin each segment: 64 of them double the sum."""
    op = node.op
    assert isinstance(op, LocalNorm)
    x, y = draft.scale(node.inputs[0]), draft.scale(node.output)
    _, last = place_of(np.array(op.size * 255 * 255))
    at = np.arange(int(last) + 2)
    e = np.maximum(at // 64 - 1, 0)
    sums = (at - 64 * e).astype(np.float64) * np.exp2(e)
    real = x.scale / y.scale * (op.bias + op.alpha / op.size * x.scale**2 * sums) ** -op.beta
    shift = int(sum_factors(real.max(), f"node {node.name!r}")[1]) + _FINER
    factors = np.minimum(np.rint(np.ldexp(real, shift)), ((MAX_MULTIPLIER + 1) << _FINER) - 1)
    return QLocalNorm(
        size=op.size, input_zero=x.zero_point, output_zero=y.zero_point, shift=shift,
        factors=tuple(factors.astype(int).tolist()),
    )  # fmt: skip


#: Of QSoftmax: what an exponential of 0 is, and the largest shift.
_ONE, _MOST_SOFTMAX_SHIFT = 1 << 20, 22


def int8_softmax(draft: Draft, node: Node) -> QSoftmax:
    """A Softmax that other nodes read."""
    x, y = draft.scale(node.inputs[0]), draft.scale(node.output)
    powers = np.rint(_ONE * np.exp(-x.scale * np.arange(256)))
    factor = min(1 / y.scale, LARGEST_FACTOR)
    shift = min(int(fixed_point(factor, f"node {node.name!r}")[1]), _MOST_SOFTMAX_SHIFT)
    return QSoftmax(
        powers=tuple(powers.astype(int).tolist()), multiplier=round(factor * 2**shift),
        shift=shift, output_zero=y.zero_point,
    )  # fmt: skip


def _bilinear(draft: Draft, node: Node) -> QBilinear:
    """What lies between numbers is rounded once: a table after it would be of what is rounded."""
    assert isinstance(node.op, Bilinear)
    x, y = draft.scale(node.inputs[0]), draft.scale(node.output)
    _, height, width, _ = draft.graph.tensors[node.inputs[0]].shape
    rows, columns = (
        tuple(np.rint(at * STEP).astype(int).tolist()) for at in positions(node.op, (height, width))
    )
    if x == y:
        return QBilinear(rows=rows, columns=columns)
    multiplier, shift = sum_factors(x.scale / (y.scale * STEP * STEP), f"node {node.name!r}")
    return QBilinear(
        rows=rows, columns=columns, input_zero=x.zero_point, multiplier=int(multiplier),
        shift=int(shift), output_zero=y.zero_point,
    )  # fmt: skip


def _unpool(draft: Draft, node: Node) -> QUnpool:
    assert isinstance(node.op, Unpool)
    return QUnpool(kernel=node.op.kernel, value=draft.scale(node.inputs[0]).zero_point)


#: Operation type: its int8 form.
PS_RULES: dict[type, Callable[[Draft, Node], PsOp]] = {
    InnerAvgPool: _inner_pool,
    Normalize: _normalize,
    Response: _response,
    LocalNorm: _local_norm,
    ChannelMax: lambda draft, node: QChannelMax(),
    Unpool: _unpool,
    Bilinear: _bilinear,
    Deform: int8_deform,
}


def _write_bilinear(writer: Writer, node: Node, x: str, out: str) -> None:
    """By sizes where those alone say the scales."""
    op = node.op
    assert isinstance(op, Bilinear)
    _, height, width, channels = writer.graph.tensors[node.inputs[0]].shape
    if op.scales == (op.size[0] / height, op.size[1] / width):
        sizes = np.array([1, channels, *op.size], np.int64)
        given = ["", "", writer.constant(node.name, "/sizes", sizes)]
    else:
        scales = np.array([1, 1, *op.scales], np.float32)
        given = ["", writer.constant(node.name, "/scales", scales)]
    writer.node(
        "Resize", node.name, [x, *given], out, mode="linear",
        coordinate_transformation_mode=op.coordinates,
    )  # fmt: skip


def _write_inner_pool(writer: Writer, node: Node, x: str, out: str) -> None:
    op = node.op
    assert isinstance(op, InnerAvgPool)
    how: dict[str, Any] = {"kernel_shape": op.kernel, "strides": op.stride, "pads": op.pads}
    if any(op.counted):
        how |= {"pads": op.counted, "count_include_pad": 1, "ceil_mode": 1}
    writer.node("AveragePool", node.name, [x], out, **how)


def _write_normalize(writer: Writer, node: Node, x: str, out: str) -> None:
    """As LayerNormalization or InstanceNormalization, with a scale of one; lengths as PyTorch
    spells them."""
    op, shape = node.op, writer.graph.tensors[node.output].shape
    assert isinstance(op, Normalize)
    if op.unit:
        _write_length(writer, node, x, out)
        return
    if op.share > 1:
        _write_groups(writer, node, x, out)
        return
    kind = "InstanceNormalization" if op.along == "pixels" else "LayerNormalization"
    ones = np.ones((shape[3], *shape[1:3]) if op.along == "map" else shape[3], np.float32)
    given = [writer.constant(node.name, "/ones", ones)]
    if op.along == "pixels":
        given.append(writer.constant(node.name, "/bias", np.zeros_like(ones)))
    if op.along != "channels":
        axis = {} if op.along == "pixels" else {"axis": 1}
        writer.node(kind, node.name, [x, *given], out, epsilon=op.epsilon, **axis)
        return
    first, last = (writer.names.of_part(out, part) for part in ("/channels_last", "/normalized"))
    writer.node("Transpose", f"{node.name}/before", [x], first, perm=(0, 2, 3, 1))
    writer.node(kind, node.name, [first, *given], last, epsilon=op.epsilon)
    writer.node("Transpose", f"{node.name}/after", [last], out, perm=(0, 3, 1, 2))


def _write_groups(writer: Writer, node: Node, x: str, out: str) -> None:
    """Groups of channels as the channels of an InstanceNormalization."""
    op, (_, height, width, channels) = node.op, writer.graph.tensors[node.output].shape
    assert isinstance(op, Normalize)
    groups = channels // op.share
    first, last = (writer.names.of_part(out, part) for part in ("/groups", "/normalized"))
    shapes = [
        writer.constant(node.name, f"/shape{len(shape)}", np.array(shape, np.int64))
        for shape in ((1, groups, -1), (1, channels, height, width))
    ]
    one = writer.constant(node.name, "/ones", np.ones(groups, np.float32))
    zero = writer.constant(node.name, "/bias", np.zeros(groups, np.float32))
    writer.node("Reshape", f"{node.name}/before", [x, shapes[0]], first)
    given = [first, one, zero]
    writer.node("InstanceNormalization", node.name, given, last, epsilon=op.epsilon)
    writer.node("Reshape", f"{node.name}/after", [last, shapes[1]], out)


#: What is divided by at least, as PyTorch has it.
_LEAST_LENGTH = 1e-12


def _write_length(writer: Writer, node: Node, x: str, out: str) -> None:
    op, name = node.op, node.name
    assert isinstance(op, Normalize)
    axes = {"channels": (1,), "pixels": (2, 3), "map": (1, 2, 3)}[op.along]
    length, limited = (writer.names.of_part(out, part) for part in ("/length", "/limited"))
    _reduce(writer, "ReduceL2", f"{name}/length", x, length, *axes)
    least = writer.constant(name, "/least", np.array(_LEAST_LENGTH, np.float32))
    writer.node("Clip", f"{name}/limited", [length, least], limited)
    writer.node("Div", name, [x, limited], out)


def _reduce(writer: Writer, kind: str, name: str, x: str, out: str, *axes: int) -> None:
    """From opset 18 on axes are an input."""
    if writer.opset < 18:
        writer.node(kind, name, [x], out, axes=axes)
    else:
        given = writer.constant(name, "/axes", np.array(axes, np.int64))
        writer.node(kind, name, [x, given], out)


def _write_response(writer: Writer, node: Node, x: str, out: str) -> None:
    op, name = node.op, node.name
    assert isinstance(op, Response)
    size, mean, above = (writer.names.of_part(out, part) for part in ("/size", "/mean", "/above"))
    _reduce(writer, "ReduceL2", f"{name}/size", x, size, 2, 3)
    _reduce(writer, "ReduceMean", f"{name}/mean", size, mean, 1)
    epsilon = writer.constant(name, "/epsilon", np.array(op.epsilon, np.float32))
    writer.node("Add", f"{name}/above", [mean, epsilon], above)
    writer.node("Div", name, [size, above], out)


def _write_local_norm(writer: Writer, node: Node, x: str, out: str) -> None:
    op = node.op
    assert isinstance(op, LocalNorm)
    numbers = {"size": op.size, "alpha": op.alpha, "beta": op.beta, "bias": op.bias}
    writer.node("LRN", node.name, [x], out, **numbers)


def _write_channel_max(writer: Writer, node: Node, x: str, out: str) -> None:
    _reduce(writer, "ReduceMax", node.name, x, out, 1)


def _write_unpool(writer: Writer, node: Node, x: str, out: str) -> None:
    """The pool once more, for its indices."""
    op = node.op
    assert isinstance(op, Unpool)
    _, height, width, channels = writer.graph.tensors[node.output].shape
    window = {"kernel_shape": op.kernel, "strides": op.kernel}
    pooled, indices = (writer.names.of_part(out, part) for part in ("/pool", "/indices"))
    writer.node("MaxPool", f"{node.name}/pool", [writer.real(node.inputs[1])], pooled, **window)
    writer.nodes[-1].output.append(indices)
    shape = np.array([1, channels, height, width], np.int64)
    given = [x, indices, writer.constant(node.name, "/shape", shape)]
    writer.node("MaxUnpool", node.name, given, out, **window)


#: Operation type: appends the ONNX nodes of one (writer, node, its input, its output).
PS_WRITERS: dict[type, Callable[[Writer, Node, str, str], None]] = {
    Bilinear: _write_bilinear,
    InnerAvgPool: _write_inner_pool,
    Normalize: _write_normalize,
    Response: _write_response,
    LocalNorm: _write_local_norm,
    ChannelMax: _write_channel_max,
    Unpool: _write_unpool,
    Deform: write_deform,
}
