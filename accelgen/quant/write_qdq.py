"""A quantized model as ONNX in QDQ format, so that other tools can run what we run.

The only file outside the front end and the zoo that imports ``onnx``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from accelgen.errors import OutputError
from accelgen.ir import Graph, Node, Quantization, ops
from accelgen.quant.quantize import QuantizedModel

__all__ = ["integer_name", "to_qdq", "write_qdq"]

_OPSET = 17
_OPSET_OF_MISH = 18
_IR_VERSION = 8

#: Kind of activation: ONNX operator and the names of its attributes.
_ACTIVATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "sigmoid": ("Sigmoid", ()),
    "hard_sigmoid": ("HardSigmoid", ("alpha", "beta")),
    "hard_swish": ("HardSwish", ()),
    "leaky_relu": ("LeakyRelu", ("alpha",)),
    "tanh": ("Tanh", ()),
    "softplus": ("Softplus", ()),
    "mish": ("Mish", ()),
    "elu": ("Elu", ("alpha",)),
    "identity": ("Identity", ()),
}
_HARD_SIGMOID = (1 / 6, 0.5)


def write_qdq(model: QuantizedModel, path: str | Path) -> None:
    """Write ``model`` to ``path`` as :func:`to_qdq` makes it.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    try:
        onnx.save(to_qdq(model), str(path))
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def to_qdq(model: QuantizedModel) -> onnx.ModelProto:
    """ONNX opset 17 (18 with Mish): float operators between QuantizeLinear and DequantizeLinear.

    NCHW, batch 1, whatever the order of the original's input; outputs of one pixel become (1, c).
    Activations int8 per tensor, weights int8 per output channel, biases int32. Node names and the
    names of input and outputs are kept; tensor ``t`` has its integers under
    :func:`integer_name`. Reading the file back gives the same int8 graph.
    """
    writer = _Writer(model)
    graph = model.float_graph
    writer.enter()
    for node in graph.nodes:
        _write_node(writer, node)
        writer.leave(node.output)
    kinds = {op.kind for op in (n.op for n in graph.nodes) if isinstance(op, ops.Activation)}
    proto = helper.make_model(
        helper.make_graph(
            writer.nodes,
            graph.name,
            [_value(graph, graph.input, flat=False)],
            [_value(graph, name, flat=_is_vector(graph, name)) for name in graph.outputs],
            writer.initializers,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET_OF_MISH if "mish" in kinds else _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="accelgen",
    )
    onnx.checker.check_model(proto)
    return proto


def integer_name(tensor: str) -> str:
    """What QuantizeLinear makes of ``tensor`` in a file of ours."""
    return f"{tensor}/int8"


def _is_vector(graph: Graph, tensor: str) -> bool:
    return graph.tensors[tensor].shape[:3] == (1, 1, 1)


def _value(graph: Graph, tensor: str, *, flat: bool) -> onnx.ValueInfoProto:
    _, h, w, c = graph.tensors[tensor].shape
    shape = [1, c] if flat else [1, c, h, w]
    return helper.make_tensor_value_info(tensor, TensorProto.FLOAT, shape)


class _Writer:
    """Nodes and initializers as they accumulate."""

    def __init__(self, model: QuantizedModel) -> None:
        self.model = model
        self.graph = model.float_graph
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._names: set[str] = set()

    def raw(self, tensor: str) -> str:
        """The name under which an operator's result is written, before its scale."""
        return f"{tensor}/float" if tensor in self.graph.outputs else tensor

    def real(self, tensor: str) -> str:
        """The name under which operators read ``tensor``, rounded to its scale."""
        if tensor not in self.model.quantization:
            return self.raw(tensor)
        return f"{tensor}/real"

    def node(self, kind: str, name: str, inputs: list[str], output: str, **fields: Any) -> None:
        """Append one ONNX node."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **fields))

    def constant(self, name: str, array: npt.NDArray[Any]) -> str:
        """Add an initializer once; returns its name."""
        if name not in self._names:
            self._names.add(name)
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def enter(self) -> None:
        """Quantize the input."""
        self._round(self.graph.input, self.graph.input)

    def leave(self, tensor: str) -> None:
        """Quantize an operator's result; give outputs their name and shape."""
        self._round(tensor, self.raw(tensor))
        if tensor in self.graph.outputs:
            flat = _is_vector(self.graph, tensor)
            kind, fields = ("Flatten", {"axis": 1}) if flat else ("Identity", {})
            self.node(kind, f"{tensor}/output", [self.real(tensor)], tensor, **fields)

    def _round(self, tensor: str, source: str) -> None:
        if tensor not in self.model.quantization:
            return
        scale = self._scale(tensor, self.model.quantization[tensor])
        q = integer_name(tensor)
        self.node("QuantizeLinear", f"{tensor}/quantize", [source, *scale], q)
        self.node("DequantizeLinear", f"{tensor}/dequantize", [q, *scale], self.real(tensor))

    def _scale(self, tensor: str, of: Quantization) -> list[str]:
        return [
            self.constant(f"{tensor}/scale", np.array(of.scale, np.float32)),
            self.constant(f"{tensor}/zero_point", np.array(of.zero_point, np.int8)),
        ]

    def dequantized(self, name: str, array: npt.NDArray[Any], scale: npt.NDArray[Any]) -> str:
        """A constant as integers with a scale along axis 0; returns the name of its floats."""
        self.constant(name, array)
        parts = [
            name,
            self.constant(f"{name}/scale", scale.astype(np.float32)),
            self.constant(f"{name}/zero_point", np.zeros(scale.shape, array.dtype)),
        ]
        self.node("DequantizeLinear", f"{name}/dequantize", parts, f"{name}/real", axis=0)
        return f"{name}/real"


def _write_node(writer: _Writer, node: Node) -> None:
    """Append the ONNX nodes of one float node."""
    op, out = node.op, writer.raw(node.output)
    if isinstance(op, ops.Conv2d):
        _write_conv(writer, node, op, out)
        return
    inputs = [writer.real(name) for name in node.inputs]
    if isinstance(op, ops.Select):
        channels = writer.constant(f"{node.name}/channels", np.array(op.channels, np.int64))
        writer.node("Gather", node.name, [*inputs, channels], out, axis=1)
        return
    if isinstance(op, ops.Upsample):
        scales = writer.constant(f"{node.name}/scales", np.array([1, 1, 2, 2], np.float32))
        writer.node(
            "Resize", node.name, [*inputs, "", scales], out, mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip
        return
    if isinstance(op, ops.Activation):
        _write_activation(writer, node.name, op, inputs[0], out)
        return
    kind, fields = _plain(op)
    writer.node(kind, node.name, inputs, out, **fields)


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
    return {ops.GlobalAvgPool: "GlobalAveragePool", ops.Add: "Add", ops.Mul: "Mul"}[type(op)], {}


def _write_conv(writer: _Writer, node: Node, op: ops.Conv2d, out: str) -> None:
    integers = writer.model.integers.get(node.name)
    w_name, b_name = f"{node.name}/weight", f"{node.name}/bias"
    if integers is None:  # part of an elementwise function between two scales
        w, b = (writer.graph.constants[name] for name in node.inputs[1:])
        weight, bias = writer.constant(w_name, w.transpose(0, 3, 1, 2)), writer.constant(b_name, b)
    else:
        weight = writer.dequantized(w_name, integers.weight.transpose(0, 3, 1, 2), integers.scale)
        bias = writer.dequantized(b_name, integers.bias, integers.bias_scale)
    writer.node(
        "Conv", node.name, [writer.real(node.inputs[0]), weight, bias], out,
        kernel_shape=op.kernel, strides=op.stride, dilations=op.dilation, pads=op.pads,
        group=op.groups,
    )  # fmt: skip


def _write_activation(writer: _Writer, name: str, op: ops.Activation, x: str, out: str) -> None:
    if op.kind == "clip":
        low, high = op.params
        if (low, high) == (0, np.inf):
            writer.node("Relu", name, [x], out)
            return
        limits = [
            writer.constant(f"{name}/{end}", np.array(limit, np.float32))
            if np.isfinite(limit)
            else ""
            for end, limit in (("min", low), ("max", high))
        ]
        writer.node("Clip", name, [x, *limits], out)
    elif op.kind == "swish":
        writer.node("Sigmoid", f"{name}/sigmoid", [x], f"{out}/sigmoid")
        writer.node("Mul", name, [x, f"{out}/sigmoid"], out)
    else:
        kind, attributes = _ACTIVATIONS[op.kind]
        params = op.params or (_HARD_SIGMOID if op.kind == "hard_sigmoid" else ())
        writer.node(kind, name, [x], out, **dict(zip(attributes, params, strict=True)))
