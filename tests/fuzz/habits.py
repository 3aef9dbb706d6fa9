"""Q and DQ in a float model, as the tools that write them have it."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.fuzz.choices import Choices
from tests.fuzz.qoperator import with_qlinear
from tests.helpers.second_opinion import ort_outputs

__all__ = ["HABITS", "with_qdq"]

#: onnxruntime (uint8, int8, operators on integers), TensorRT (before convolutions), Brevitas
#: (narrow, biases' own scales).
HABITS = ("onnxruntime", "onnxruntime int8", "onnxruntime qoperator", "tensorrt", "brevitas")
_LAYERS = {"Conv": 1, "Gemm": 1, "MatMul": 1}
#: What onnxruntime leaves alone, or fuses with what comes before.
_FUSED = {"Relu", "Clip"}


def with_qdq(proto: onnx.ModelProto, habit: str, c: Choices) -> onnx.ModelProto:
    """``proto`` with scales of one random input."""
    made = _Writer(proto, habit, c).write()
    return with_qlinear(made) if habit == "onnxruntime qoperator" else made


class _Writer:
    def __init__(self, proto: onnx.ModelProto, habit: str, c: Choices) -> None:
        self.proto, self.habit, self.c = proto, habit, c
        self.opset = proto.opset_import[0].version
        self.arrays = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
        self.ranges = _ranges(proto)
        self.unsigned = habit == "onnxruntime"
        self.scale_of: dict[str, float] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.new: dict[str, np.ndarray] = {}
        self.per_channel = self.opset >= 13 and c.below(2) == 1

    def write(self) -> onnx.ModelProto:
        graph = self.proto.graph
        outputs = {o.name for o in graph.output}
        readers: dict[str, set[str]] = {}
        for node in graph.node:
            for name in node.input:
                readers.setdefault(name, set()).add(node.op_type)
        real = {graph.input[0].name: self._activation(graph.input[0].name, "")}
        for node in graph.node:
            made = list(node.output)
            layer = _LAYERS.get(node.op_type)
            taken = [real.get(name, name) for name in node.input]
            if layer and len(taken) > 1 and node.input[1] in self.arrays:
                taken[1:] = self._weights(node)
            elif node.op_type in ("Add", "Mul") and self.habit.startswith("onnxruntime"):
                taken = [self._operand(name) if name in self.arrays else name for name in taken]
            fused = readers.get(made[0], set()) <= _FUSED and made[0] not in outputs
            wanted = made[0] in self.ranges and not (fused and made[0] in readers)
            if self.habit == "tensorrt":
                wanted = bool(readers.get(made[0], set()) & set(_LAYERS))
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            del copy.input[:]
            copy.input.extend(taken)
            if wanted and made[0] in outputs and self.c.chance(85):
                copy.output[0] = f"{made[0]}/raw"
                self.nodes.append(copy)
                self._activation(f"{made[0]}/raw", made[0], self.ranges.get(made[0]))
                continue
            self.nodes.append(copy)
            if wanted and made[0] not in outputs and made[0] in self.ranges:
                real[made[0]] = self._activation(made[0], "")
        del graph.node[:]
        graph.node.extend(self.nodes)
        graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in self.new.items())
        return self.proto

    def _activation(self, name: str, final: str, span=None) -> str:
        """Q and DQ behind ``name``; what they give."""
        low, high = span or self.ranges.get(name, (-1.0, 1.0))
        low, high = min(low, 0.0), max(high, 0.0, low + 1e-3)
        kind = np.uint8 if self.unsigned else np.int8
        if self.habit in ("tensorrt", "brevitas") or self.c.chance(20):
            scale = max(high, -low) / 127
            zero = 128 if self.unsigned else 0
        else:
            scale = (high - low) / 255
            zero = int(np.clip(round(-low / scale), 0, 255)) - (0 if self.unsigned else 128)
        s = self._constant(f"{name}_scale", np.float32(scale))
        z = self._constant(f"{name}_zero", kind(zero))
        out = final or f"{name}_dq"
        self.scale_of[name] = self.scale_of[out] = float(np.float32(scale))
        self.nodes.append(helper.make_node("QuantizeLinear", [name, s, z], [f"{name}_q"]))
        between = f"{name}_q"
        if self.habit == "brevitas" and self.opset >= 13 and self.c.chance(50):
            limits = [self._constant(f"{name}_{v}", np.int8(v)) for v in (-127, 127)]
            self.nodes.append(helper.make_node("Clip", [between, *limits], [f"{name}_cl"]))
            between = f"{name}_cl"
        self.nodes.append(helper.make_node("DequantizeLinear", [between, s, z], [out]))
        return out

    def _weights(self, node: onnx.NodeProto) -> list[str]:
        """Weight and bias of a layer, dequantized."""
        name = node.input[1]
        array = self.arrays[name].astype(np.float32)
        turned = any(a.name == "transB" and a.i for a in node.attribute)
        axis = 0 if node.op_type == "Conv" or turned else array.ndim - 1
        over = tuple(i for i in range(array.ndim) if i != axis)
        most = np.abs(array).max(over) if self.per_channel else np.abs(array).max()
        scale = (np.maximum(most, 1e-3) / 127).astype(np.float32)
        along = scale.reshape([-1 if i == axis else 1 for i in range(array.ndim)])
        along = along if self.per_channel else scale
        steps = np.clip(np.rint(array / along), -127, 127).astype(np.int8)
        how = {"axis": axis} if self.per_channel else {}
        taken = [self._stored(f"{name}@{len(self.nodes)}", steps, scale, how)]
        if len(node.input) > 2 and node.input[2] in self.arrays:
            taken.append(self._bias(node, scale))
        return taken + list(node.input[3:])

    def _bias(self, node: onnx.NodeProto, scale: np.ndarray) -> str:
        name = node.input[2]
        bias = self.arrays[name].astype(np.float32)
        known = self.scale_of.get(node.input[0]) or self.scale_of.get(f"{node.input[0]}_dq")
        if self.habit == "tensorrt" or bias.ndim != 1 or known is None:
            return name
        steps = np.float32(known) * scale
        if self.habit == "brevitas" and self.c.below(2):
            steps = np.float32(np.abs(bias).max() / 30000 + 1e-9)
        axis = {"axis": 0} if np.ndim(steps) else {}
        values = np.clip(np.rint(bias / steps), -(2**30), 2**30).astype(np.int32)
        return self._stored(
            f"{name}@{len(self.nodes)}", values, np.asarray(steps, np.float32), axis
        )

    def _operand(self, name: str) -> str:
        """A constant of Add or Mul: uint8, with a zero point of its own."""
        array = self.arrays[name]
        if array.dtype != np.float32 or not array.size:
            return name
        low, high = min(float(array.min()), 0), max(float(array.max()), 0)
        scale = np.float32(max(high - low, 1e-3) / 255)
        zero = np.uint8(np.clip(np.rint(-low / scale), 0, 255))
        steps = np.clip(np.rint(array / scale) + zero, 0, 255).astype(np.uint8)
        return self._stored(f"{name}@{len(self.nodes)}", steps, scale, {}, zero)

    def _stored(self, name: str, values, scale, how: dict, zero=None) -> str:
        zero = np.zeros(scale.shape, values.dtype) if zero is None else zero
        given = [
            self._constant(f"{name}_q", values), self._constant(f"{name}_s", scale),
            self._constant(f"{name}_z", zero),
        ]  # fmt: skip
        if self.opset < 13:
            how = {}
        self.nodes.append(helper.make_node("DequantizeLinear", given, [f"{name}_d"], **how))
        return f"{name}_d"

    def _constant(self, name: str, array) -> str:
        self.new[name] = np.asarray(array)
        return name


def _ranges(proto: onnx.ModelProto) -> dict[str, tuple[float, float]]:
    """What every float tensor holds, for one random input."""
    asked = onnx.ModelProto()
    asked.CopyFrom(proto)
    del asked.graph.output[:]
    names = [n for node in proto.graph.node for n in node.output[:1]]
    asked.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    dims = [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(1).standard_normal(dims).astype(np.float32)
    found = {proto.graph.input[0].name: (float(x.min()), float(x.max()))}
    for name, array in ort_outputs(asked, x).items():
        if array.dtype == np.float32 and array.size and np.isfinite(array).all():
            found[name] = (float(array.min()), float(array.max()))
    return found
