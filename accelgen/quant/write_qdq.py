"""A quantized model as ONNX in QDQ format, so that other tools can run what we run.

The only file outside the front end and the zoo that imports ``onnx``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from accelgen.errors import OutputError
from accelgen.ir import SMALLEST_STEP, Graph, Names, Node, Quantization, ops
from accelgen.ir.activations import KINDS
from accelgen.ir.logits_note import NOTE, PICTURES, written_note
from accelgen.ir.ps_ops import Deform
from accelgen.ir.views import OutputView, Piece, plain_view
from accelgen.ir.wide import wide_nodes
from accelgen.quant.ps_ops import PS_WRITERS
from accelgen.quant.quantize import QuantizedModel
from accelgen.quant.write_activation import write_activation

__all__ = ["to_qdq", "write_qdq"]

_OPSET = 17
_IR_VERSION = 8
#: Opset whose Pad has the mode "wrap".
_WRAP_SINCE = 19
#: And the first with DeformConv.
_DEFORM_SINCE = 19

#: A tensor (h, w, c) in the order of ONNX.
_NCHW = (2, 0, 1)


def write_qdq(model: QuantizedModel, path: str | Path, pictures: str = "") -> None:
    """Write ``model`` to ``path`` as :func:`to_qdq` makes it; ``pictures`` is the note on how they
    become the input, if there is one.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    try:
        proto = to_qdq(model)
        if pictures:
            proto.metadata_props.add(key=PICTURES, value=pictures)
        onnx.save(proto, str(path))
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def to_qdq(model: QuantizedModel) -> onnx.ModelProto:
    """Float operators between QuantizeLinear and DequantizeLinear, of opset 17, or of the first
    that has all activations.

    NCHW, batch 1, whatever the order of the original's input; outputs as the original has them.
    Activations int8 per tensor, weights int8 per output channel, biases int32. Node names and the
    names of input and outputs are kept. Wide logits are not rounded: the float product leaves.
    Reading the file back gives the same int8 graph.
    """
    graph = model.float_graph
    used = [n.op.kind for n in graph.nodes if isinstance(n.op, ops.Activation)]
    opset = max([_OPSET, *(KINDS[kind].opset for kind in used)])
    if any(isinstance(n.op, ops.Border) and n.op.mode == "wrap" for n in graph.nodes):
        opset = max(opset, _WRAP_SINCE)
    if any(isinstance(n.op, Deform) for n in graph.nodes):
        opset = max(opset, _DEFORM_SINCE)
    writer = _Writer(model, opset)
    writer.enter()
    for node in graph.nodes:
        _write_node(writer, node)
        writer.leave(node.output)
    for view in graph.model_outputs():
        writer.show(view)
    proto = helper.make_model(
        helper.make_graph(
            writer.nodes,
            graph.name,
            [_input(graph, name) for name in graph.inputs],
            [_output(view) for view in graph.model_outputs()],
            writer.initializers,
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=_IR_VERSION,
        producer_name="accelgen",
    )
    if writer.wide:
        helper.set_model_props(proto, {NOTE: written_note(writer.wide)})
    onnx.checker.check_model(proto)
    return proto


def _input(graph: Graph, name: str) -> onnx.ValueInfoProto:
    _, h, w, c = graph.tensors[name].shape
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, c, h, w])


def _output(view: OutputView) -> onnx.ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(view.dtype))
    return helper.make_tensor_value_info(view.name, kind, view.shape)


class _Writer:
    """Nodes and initializers as they accumulate."""

    def __init__(self, model: QuantizedModel, opset: int) -> None:
        self.model = model
        self.opset = opset
        self.graph = model.float_graph
        int32 = {n.output for n in wide_nodes(model.graph)}
        self.wide = {t: q for t, q in model.quantization.items() if t in int32}
        self._scales = {t: q for t, q in model.quantization.items() if t not in int32}
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.names = Names.of(self.graph, constants=False)
        self._shown = {view.name for view in self.graph.model_outputs()}
        self._written: set[str] = set()

    def raw(self, tensor: str) -> str:
        """The name under which an operator's result is written, before its scale."""
        return self.names.of_part(tensor, "/float") if tensor in self._shown else tensor

    def real(self, tensor: str) -> str:
        """The name under which operators read ``tensor``, rounded to its scale."""
        if tensor not in self._scales:
            return self.raw(tensor)
        return self.names.of_part(tensor, "/real")

    def node(self, kind: str, name: str, inputs: list[str], output: str, **fields: Any) -> None:
        """Append one ONNX node; of ``inputs`` that are left out the name is empty."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **fields))

    def constant(self, base: str, suffix: str, array: npt.NDArray[Any]) -> str:
        """Add an initializer for ``base`` once; returns its name."""
        name = self.names.of_part(base, suffix)
        if name not in self._written:
            self._written.add(name)
            self.initializers.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def enter(self) -> None:
        """Quantize the inputs."""
        for name in self.graph.inputs:
            self._round(name, name)

    def leave(self, tensor: str) -> None:
        """Quantize an operator's result."""
        self._round(tensor, self.raw(tensor))

    def show(self, view: OutputView) -> None:
        """Make one of the model's outputs."""
        parts = [self._piece(view, i, piece) for i, piece in enumerate(view.pieces)]
        joined = parts[0]
        if len(parts) > 1:
            joined = self.names.of_part(view.name, "/joined")
            self.node("Concat", joined, parts, joined, axis=view.axis)
        if view.choice is not None:
            self.node(
                "ArgMin" if view.choice.least else "ArgMax",
                self.names.of_part(view.name, "/output"), [joined], view.name,
                axis=view.choice.axis, keepdims=int(view.choice.keepdims),
                select_last_index=int(view.choice.last),
            )  # fmt: skip
            return
        if view.dtype == "float32":
            self.node("Identity", self.names.of_part(view.name, "/output"), [joined], view.name)
            return
        # One scale for all pieces: the model rounded the joined output.
        of = self.model.quantization[view.pieces[0].tensor]
        scale = self.scale(self.names.of_part(view.name, "/integers"), of, view.dtype)
        name = self.names.of_part(view.name, "/output")
        self.node("QuantizeLinear", name, [joined, *scale], view.name)

    def _piece(self, view: OutputView, index: int, piece: Piece) -> str:
        """One tensor (1, c, h, w) as the model sees it; returns the name of that."""
        _, h, w, c = self.graph.tensors[piece.tensor].shape
        seen, base = self.real(piece.tensor), f"{view.name}/{index}"
        if piece == plain_view("", piece.tensor, (1, h, w, c)).pieces[0] and (h, w) != (1, 1):
            return seen
        flat = piece.shape == (1, c * h * w) and piece.order == _NCHW and len(piece.split) == 3
        if flat:
            name = self.names.of_part(base, "/flat")
            self.node("Flatten", name, [seen], name, axis=1)
            return name
        steps: list[tuple[str, tuple[int, ...]]] = [("Transpose", (0, 2, 3, 1))]
        steps += [("Reshape", piece.split), ("Transpose", piece.order), ("Reshape", piece.shape)]
        for number, (kind, numbers) in enumerate(steps):
            name = self.names.of_part(base, f"/{number}")
            if kind == "Transpose":
                self.node(kind, name, [seen], name, perm=numbers)
            else:
                shape = self.constant(base, f"/{number}.shape", np.array(numbers, np.int64))
                self.node(kind, name, [seen, shape], name)
            seen = name
        return seen

    def _round(self, tensor: str, source: str) -> None:
        if tensor not in self._scales:
            return
        scale = self.scale(tensor, self._scales[tensor])
        q, quantize, dequantize = (
            self.names.of_part(tensor, s) for s in ("/int8", "/quantize", "/dequantize")
        )
        self.node("QuantizeLinear", quantize, [source, *scale], q)
        self.node("DequantizeLinear", dequantize, [q, *scale], self.real(tensor))

    def scale(self, tensor: str, of: Quantization, dtype: str = "int8") -> list[str]:
        """Constants for the two inputs of Q and DQ."""
        zero = of.zero_point + (128 if dtype == "uint8" else 0)
        return [
            self.constant(tensor, "/scale", np.array(of.scale, np.float32)),
            self.constant(tensor, "/zero_point", np.array(zero, dtype)),
        ]

    def dequantized(
        self, base: str, suffix: str, array: npt.NDArray[Any], scale: npt.NDArray[Any]
    ) -> str:
        """A constant as integers with a scale along axis 0; returns the name of its floats."""
        parts = [
            self.constant(base, suffix, array),
            self.constant(base, f"{suffix}/scale", scale.astype(np.float32)),
            self.constant(base, f"{suffix}/zero_point", np.zeros(scale.shape, array.dtype)),
        ]
        name, real = (self.names.of_part(base, suffix + s) for s in ("/dequantize", "/real"))
        self.node("DequantizeLinear", name, parts, real, axis=0)
        return real


def _write_node(writer: _Writer, node: Node) -> None:
    """Append the ONNX nodes of one float node."""
    op, out = node.op, writer.raw(node.output)
    if isinstance(op, ops.Conv2d):
        _write_conv(writer, node, op, out)
        return
    inputs = [writer.real(name) for name in node.inputs]
    if isinstance(op, ops.AvgPool) and _pads_exceed(op):
        inputs, op = [_write_pad(writer, node, op, inputs[0])], replace(op, pads=(0, 0, 0, 0))
    if isinstance(op, ops.Select):
        channels = writer.constant(node.name, "/channels", np.array(op.channels, np.int64))
        writer.node("Gather", node.name, [*inputs, channels], out, axis=1)
        return
    if isinstance(op, ops.Upsample):
        scales = writer.constant(node.name, "/scales", np.array([1, 1, *op.factor], np.float32))
        writer.node(
            "Resize", node.name, [*inputs, "", scales], out, mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip
        return
    if isinstance(op, ops.Border):
        pads = np.array([0, 0, *op.pads[:2], 0, 0, *op.pads[2:]], np.int64)
        given = [*inputs, writer.constant(node.name, "/pads", pads)]
        writer.node("Pad", node.name, given, out, mode=op.mode)
        return
    if isinstance(op, ops.Insert):
        _write_insert(writer, node, op, inputs[0], out)
        return
    if type(op) in PS_WRITERS:
        PS_WRITERS[type(op)](writer, node, inputs[0], out)
        return
    if isinstance(op, ops.Activation):
        write_activation(writer, node.name, op, inputs[0], out)
        return
    if isinstance(op, ops.MaxPool) and min(op.pads) < 0:
        _write_slice(writer, node, op, inputs[0], out)
        return
    kind, fields = _plain(op)
    if isinstance(op, ops.MaxPool):
        fields |= _ceil_mode(op, writer.graph.tensors[node.inputs[0]].shape)
    writer.node(kind, node.name, inputs, out, **fields)


def _write_insert(writer: _Writer, node: Node, op: ops.Insert, x: str, out: str) -> None:
    """A transposed convolution by one: its stride inserts zeros, its output padding the last."""
    channels = writer.graph.tensors[node.output].shape[3]
    one = writer.constant(node.name, "/one", np.ones((channels, 1, 1, 1), np.float32))
    writer.node(
        "ConvTranspose", node.name, [x, one], out, kernel_shape=(1, 1), group=channels,
        strides=op.factor, output_padding=[factor - 1 for factor in op.factor],
    )  # fmt: skip


def _write_slice(writer: _Writer, node: Node, op: ops.MaxPool, x: str, out: str) -> None:
    """A window of one pixel that cuts the map."""
    size = writer.graph.tensors[node.inputs[0]].shape[1:3]
    numbers = {
        "starts": [-pad for pad in op.pads[:2]],
        "ends": [n + pad for n, pad in zip(size, op.pads[2:], strict=True)],
        "axes": [2, 3],
        "steps": op.stride,
    }
    given = [
        writer.constant(node.name, f"/{name}", np.array(value, np.int64))
        for name, value in numbers.items()
    ]
    writer.node("Slice", node.name, [x, *given], out)


def _ceil_mode(op: ops.MaxPool, shape: tuple[int, ...]) -> dict[str, Any]:
    """Attributes of a MaxPool whose last pads are as large as its kernel: fewer, and ceil_mode.

    Reading a ceil_mode makes pads of it, which a dilated kernel lets grow beyond what
    onnxruntime takes. As many outputs come of the fewest pads p that still begin the last
    window: ceil((size + first + p - reach) / stride) + 1 = outputs, reach = dilation (kernel - 1)
    + 1. Pads that came of a ceil_mode leave no rest on either axis, so there always are such.
    """
    first, last = op.pads[:2], op.pads[2:]
    if all(pad < k for pad, k in zip(last, op.kernel, strict=True)):
        return {}
    fewest = []
    for axis in (0, 1):
        room = shape[1 + axis] + first[axis] - op.dilation[axis] * (op.kernel[axis] - 1) - 1
        steps = (room + last[axis]) // op.stride[axis]
        fewest.append(max(0, (steps - 1) * op.stride[axis] + 1 - room))
    return {"pads": (*first, *fewest), "ceil_mode": 1}


def _pads_exceed(op: ops.AvgPool) -> bool:
    """A Pad has become part of a pooling; onnxruntime takes no pads as large as the kernel."""
    return any(pad >= k for pad, k in zip(op.pads, op.kernel * 2, strict=True))


def _write_pad(writer: _Writer, node: Node, op: ops.AvgPool, x: str) -> str:
    """A Pad of zeros before a pooling, in its input's scale; the result."""
    top, left, bottom, right = op.pads
    pads = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
    name, raw, q, to_int, to_real = (
        writer.names.of_part(node.name, f"/pad{part}")
        for part in ("", "/raw", "/int8", "/quantize", "/dequantize")
    )
    writer.node("Pad", name, [x, writer.constant(node.name, "/pads", pads)], raw, mode="constant")
    scale = writer.scale(name, writer.model.quantization[node.inputs[0]])
    writer.node("QuantizeLinear", to_int, [raw, *scale], q)
    writer.node("DequantizeLinear", to_real, [q, *scale], name)
    return name


def _plain(op: ops.Op) -> tuple[str, dict[str, Any]]:
    """ONNX operator and attributes of the operations that are one."""
    if isinstance(op, ops.MaxPool):
        fields = {"kernel_shape": op.kernel, "strides": op.stride, "pads": op.pads}
        return "MaxPool", {**fields, "dilations": op.dilation}
    if isinstance(op, ops.AvgPool):
        fields = {"kernel_shape": op.kernel, "strides": op.stride, "pads": op.pads}
        return "AveragePool", {**fields, "count_include_pad": 1}
    if isinstance(op, ops.Concat | ops.Softmax):
        return type(op).__name__, {"axis": 1}
    if isinstance(op, ops.Add):
        return ("Sub" if op.minus else "Add"), {}
    return {ops.GlobalAvgPool: "GlobalAveragePool", ops.Mul: "Mul"}[type(op)], {}


def _write_conv(writer: _Writer, node: Node, op: ops.Conv2d, out: str) -> None:
    integers = writer.model.integers.get(node.name)
    weight_of, bias_of = (node.name, "/weight"), (node.name, "/bias")
    if integers is None:  # part of an elementwise function between two scales
        w, b = (writer.graph.constants[name] for name in node.inputs[1:])
        weight = writer.constant(*weight_of, w.transpose(0, 3, 1, 2))
        bias = writer.constant(*bias_of, b)
    else:
        weight = writer.dequantized(
            *weight_of, integers.weight.transpose(0, 3, 1, 2), integers.scale
        )
        # Where float32 has no such scale, the bias is zero.
        scale = np.maximum(integers.bias_scale, SMALLEST_STEP)
        bias = writer.dequantized(*bias_of, integers.bias, scale)
    writer.node(
        "Conv", node.name, [writer.real(node.inputs[0]), weight, bias], out,
        kernel_shape=op.kernel, strides=op.stride, dilations=op.dilation, pads=op.pads,
        group=op.groups,
    )  # fmt: skip
