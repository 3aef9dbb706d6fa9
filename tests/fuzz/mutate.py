"""Damage: fields of a model, and bytes of anything."""

from __future__ import annotations

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tests.fuzz.choices import Choices

__all__ = ["mutated_bytes", "mutated_model"]

INTS = (
    0, 1, -1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16, 17, 21, 127, 128, 255, 1000, 4096, 65535, 65536,
    -2, 1 << 31, (1 << 31) - 1, -(1 << 31), 1 << 40, (1 << 63) - 1, -(1 << 63),
)  # fmt: skip
FLOATS = (
    0.0, 1.0, -1.0, 0.5, 2.0, 1e-30, 1e-3, 6.0, 255.0, 1e9, 3e38, -3e38, float("inf"),
    float("-inf"), float("nan"),
)  # fmt: skip
WORDS = (
    "", "x", "y", "NCHW", "SAME_UPPER", "VALID", "nearest", "linear", "edge", "constant", "axis",
    "axes", "pads", "strides", "dilations", "group", "kernel_shape", "auto_pad", "ceil_mode",
    "count_include_pad", "alpha", "beta", "epsilon", "keepdims", "perm", "to", "mode", "ai.onnx",
    "com.microsoft", "\x1b[31m", "a\nb", "ключ", "../../etc/passwd", "a" * 300,
)  # fmt: skip
OPERATORS = (
    "Relu", "Conv", "Add", "Mul", "Sub", "Div", "Identity", "MaxPool", "AveragePool", "Concat",
    "GlobalAveragePool", "GlobalMaxPool", "Flatten", "Reshape", "Transpose", "Gemm", "MatMul",
    "Softmax", "Sigmoid", "Clip", "Pad", "Slice", "Split", "Squeeze", "Unsqueeze", "Shape",
    "Constant", "ConstantOfShape", "Cast", "Resize", "Upsample", "BatchNormalization", "Sum",
    "Dropout", "LeakyRelu", "PRelu", "ReduceMean", "Gather", "QuantizeLinear", "DequantizeLinear",
    "Loop", "If", "ConvTranspose", "Tile", "Expand", "Range", "Exp",
)  # fmt: skip
_INTEGER = {
    FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}  # fmt: skip
_MESSAGES = 3000


def mutated_model(data: bytes, c: Choices) -> bytes:
    """One to three changed fields of a model."""
    model = onnx.ModelProto()
    model.ParseFromString(data)
    words = _names(model)
    for _ in range(c.one_of((1, 1, 1, 2, 3))):
        found = _messages(model)
        # Two of three hit a node, its attributes, or an initializer.
        kind = c.below(3)
        liked = {1: (onnx.NodeProto, onnx.AttributeProto), 2: (onnx.TensorProto,)}.get(kind)
        chosen = [m for m in found if liked and isinstance(m, liked)] or found
        _change(c.one_of(chosen), c, words)
    return model.SerializeToString()


def _names(model: onnx.ModelProto) -> list[str]:
    graph = model.graph
    names = [n for node in graph.node for n in (*node.input, *node.output)]
    names += [t.name for t in graph.initializer]
    return list(dict.fromkeys(names)) or ["x"]


def _messages(message: Message) -> list[Message]:
    """Every message within, outermost first."""
    found = [message]
    for one in found:
        for field, value in one.ListFields():
            if field.message_type is not None and len(found) < _MESSAGES:
                found.extend(value if field.is_repeated else [value])
    return found


def _change(message: Message, c: Choices, words: list[str]) -> None:
    there = [field for field, _ in message.ListFields()]
    fields = there if there and not c.chance(15) else list(message.DESCRIPTOR.fields)
    field = c.one_of(fields)
    if field.is_repeated:
        _change_list(getattr(message, field.name), field, c, words)
    elif c.chance(20):
        message.ClearField(field.name)
    elif field.message_type is None:
        _assign(message, field, c, words)
    elif message.HasField(field.name) and c.below(2):
        _change(getattr(message, field.name), c, words)
    else:
        getattr(message, field.name).SetInParent()


def _change_list(values, field, c: Choices, words: list[str]) -> None:
    way = c.below(5)
    at = c.below(len(values)) if len(values) else 0
    if way == 0 and len(values):
        del values[at]
    elif way == 1 and len(values):
        values.append(values[at])
    elif way == 2 and len(values) > 1:
        a, b = at, c.below(len(values))
        if field.message_type is None:
            values[a], values[b] = values[b], values[a]
        else:
            copy = type(values[a])()
            copy.CopyFrom(values[a])
            values[a].CopyFrom(values[b])
            values[b].CopyFrom(copy)
    elif field.message_type is not None:
        one = values[at] if len(values) else values.add()
        _change(one, c, words)
    else:
        value = _value(field, values[at] if len(values) else None, c, words)
        if len(values) and way == 3:
            values[at] = value
        else:
            values.append(value)


def _assign(message: Message, field, c: Choices, words: list[str]) -> None:
    before = getattr(message, field.name)
    if field.name == "op_type":
        message.op_type = c.one_of(OPERATORS)
        return
    setattr(message, field.name, _value(field, before, c, words))


def _value(field, before, c: Choices, words: list[str]):
    kind = field.cpp_type
    if kind in _INTEGER:
        value = c.one_of(INTS)
        if isinstance(before, int) and c.below(2):
            value = before + c.one_of([1, -1, 2, before])
        bits = 31 if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32) else 63
        low = (
            0 if kind in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64) else None
        )
        return max(min(value, (1 << bits) - 1), -(1 << bits) if low is None else 0)
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return c.one_of(FLOATS)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return c.one_of(list(field.enum_type.values_by_number))
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return bool(c.below(2))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return mutated_bytes(before or b"\0" * 8, c)
    return c.one_of(words) if c.below(3) else c.one_of(WORDS)


def mutated_bytes(data: bytes, c: Choices) -> bytes:
    """One to four changes of bytes."""
    changed = bytearray(data)
    for _ in range(c.between(1, 4)):
        at = c.below(max(len(changed), 1))
        way = c.below(6)
        if way == 0 and changed:
            changed[at] ^= 1 << c.below(8)
        elif way == 1 and changed:
            changed[at] = c.below(256)
        elif way == 2:
            del changed[at : at + c.between(1, 16)]
        elif way == 3:
            changed[at:at] = bytes(c.below(256) for _ in range(c.between(1, 8)))
        elif way == 4:
            del changed[at:]
        else:
            changed[at:at] = changed[at : at + 32]
    return bytes(changed)
