"""QLinear operators (onnxruntime's QOperator format): integers in, integers out.

Each is read as what it says: DequantizeLinear of its inputs, the float operator, QuantizeLinear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder, Value, as_floats
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.quantized import dequantized, quantized, within
from accelgen.frontend.schema import check_schema, check_type
from accelgen.frontend.values import Constant, Integers, QuantizedView

__all__ = ["import_qlinear", "is_qlinear"]

_MICROSOFT = "com.microsoft"
#: Opset from which on Softmax is over one axis.
_SOFTMAX_OF_ONE_AXIS = 13


@dataclass(frozen=True)
class _Form:
    """``op``: the float operator. ``starts``: where tensors begin in the inputs, each with scale
    and zero point. ``bias``: where one without a scale is. ``out``: where the output's scale and
    zero point are. ``attributes`` with the only value that is read; all others are ``op``'s.
    """

    op: str
    starts: tuple[int, ...]
    out: int
    bias: int | None = None
    domain: str = _MICROSOFT
    attributes: tuple[tuple[str, int], ...] = ()
    last: int = 0  # inputs, if more than the scale of the output allows


_NCHW = (("channels_last", 0),)
_FORMS = {
    "QLinearConv": _Form("Conv", (0, 3), 6, bias=8, domain="", last=9),
    "QLinearMatMul": _Form("MatMul", (0, 3), 6, domain=""),
    "QGemm": _Form("Gemm", (0, 3), 7, bias=6),
    "QLinearAdd": _Form("Add", (0, 3), 6),
    "QLinearMul": _Form("Mul", (0, 3), 6),
    "QLinearSigmoid": _Form("Sigmoid", (0,), 3),
    "QLinearLeakyRelu": _Form("LeakyRelu", (0,), 3),
    "QLinearSoftmax": _Form("Softmax", (0,), 3),
    "QLinearAveragePool": _Form("AveragePool", (0,), 3, attributes=_NCHW),
    "QLinearGlobalAveragePool": _Form("GlobalAveragePool", (0,), 3, attributes=_NCHW),
    "QLinearConcat": _Form("Concat", (), 0),
}


def is_qlinear(node: OnnxNode) -> bool:
    """Whether :func:`import_qlinear` reads ``node``."""
    form = _FORMS.get(node.op_type)
    return form is not None and node.domain in (form.domain, form.domain or "ai.onnx")


def import_qlinear(
    graph: GraphBuilder, node: OnnxNode, read: Callable[[GraphBuilder, OnnxNode], list[Value]]
) -> list[Value]:
    """``node`` as the float operator between DequantizeLinear and QuantizeLinear; ``read`` reads
    that. The bias of a convolution has the scale of its sums.

    Raises
    ------
    ModelError, UnsupportedOpError
        Inputs are missing or no integers, or the float operator is not built.
    """
    form = _form_of(node)
    names = [node.inputs[i] for i in form.starts if node.has_input(i)]
    real: dict[str, Value] = {}
    plain = _plain(graph, node, form, names)
    for start in form.starts:
        value = dequantized(graph, _part(graph, node, plain, start))
        name = node.inputs[start]
        if real.setdefault(name, value) is not value and real[name] != value:
            raise node.rejected(f"reads '{name}' with two scales", "export it in QDQ format")
    if form.bias is not None and node.has_input(form.bias):
        real[node.inputs[form.bias]] = _bias(graph, node, form)
    # The operator reads the same names, and finds real numbers under them.
    integers = {name: graph.values[name] for name in real}
    graph.values |= real
    try:
        (made,) = read(graph, plain)
    finally:
        graph.values |= integers
    if not node.has_input(form.out):
        return [made]
    if isinstance(made, Constant):
        raise node.rejected("has only constants as inputs", "fold it before (onnxsim)")
    assert not isinstance(made, QuantizedView)
    ends = replace(node, inputs=("", *node.inputs[form.out : form.out + 2]))
    first = graph.value(node, form.starts[0])
    assert isinstance(first, Constant | QuantizedView)
    kind = first.array.dtype if isinstance(first, Constant) else np.dtype(first.dtype)
    return [quantized(graph, ends, made, kind)]


def _form_of(node: OnnxNode) -> _Form:
    """Where everything is; of a Concat that depends on how many tensors there are."""
    form = _FORMS[node.op_type]
    most = max(form.out + 2, form.last)
    if node.op_type == "QLinearConcat":
        most = len(node.inputs)
        form = replace(form, starts=tuple(range(2, most, 3)))
        if most < 5 or most % 3 != 2:
            raise ModelError(f"{node.label} has {most} inputs; two and three each are needed")
    if len(node.inputs) > most:
        raise ModelError(
            f"{node.label} has {len(node.inputs)} inputs; the operator has up to {most}",
            node=node.name,
        )
    if form.op != "Gemm" and not node.has_input(form.out):
        raise ModelError(f"{node.label} lacks its input {form.out}", node=node.name)
    for name, value in form.attributes:
        node.require(name, (value,), value, "export it in QDQ format, in NCHW order")
    return form


def _plain(graph: GraphBuilder, node: OnnxNode, form: _Form, names: list[str]) -> OnnxNode:
    """The float operator, which reads what ``node`` reads."""
    own = {*dict(form.attributes), *(("opset",) if form.op == "Softmax" else ())}
    # As the file has them: a value alone does not say which type an empty list is of.
    attributes = [a for a in node.proto.attribute if a.name not in own]
    for attribute in node.proto.attribute:
        if attribute.name in own:
            check_type(node, attribute, "INT")
    if form.op == "Softmax":
        since = _SOFTMAX_OF_ONE_AXIS
        opset = int(node.get("opset", graph.opset))
        if (opset >= since) != (graph.opset >= since):
            raise node.unsupported("opset", opset, f"the model's opset is {graph.opset}")
        if "axis" not in node.attributes:
            attributes.append(onnx.helper.make_attribute("axis", -1))
    if form.bias is not None and node.has_input(form.bias):
        names = [*names, node.inputs[form.bias]]
    proto = onnx.helper.make_node(form.op, names, node.outputs, name=node.name)
    proto.attribute.extend(attributes)
    plain = OnnxNode.read(proto, node.name)
    check_schema(plain, graph.opset)  # before anything is made of its attributes
    return plain


def _part(graph: GraphBuilder, node: OnnxNode, plain: OnnxNode, start: int) -> OnnxNode:
    """The DequantizeLinear of one of the inputs: weights may have a scale per output."""
    matrix = plain.op_type == "MatMul" or (
        plain.op_type == "Gemm" and not plain.get("transB", 0)
    )  # fmt: skip
    axis = 1 if matrix and start else 0
    graph.value(node, start)  # raises if nothing is there
    inputs = node.inputs[start : start + 3]
    return replace(node, inputs=inputs, attributes={"axis": axis})


def _bias(graph: GraphBuilder, node: OnnxNode, form: _Form) -> Constant:
    """int32 numbers of the scale of input times weight (times alpha of a QGemm, as onnxruntime
    computes it)."""
    assert form.bias is not None
    constant = graph.constant(node, form.bias)
    if constant.array.dtype != np.int32:
        raise ModelError(
            f"{node.label}: bias '{constant.name}' is {constant.array.dtype}, not int32",
            node=node.name,
        )
    scales = [as_floats(node, graph.constant(node, start + 1)) for start in form.starts]
    scale: Any = np.float32(node.get("alpha", 1.0))
    with np.errstate(over="ignore"):
        for factor in scales:
            scale = scale * factor.reshape(-1)
    # One that vanishes is of a bias that does.
    within(node, f"the scale of bias '{constant.name}'", scale, 0.0)
    if scale.size not in (1, constant.array.size):
        raise ModelError(
            f"{node.label}: bias '{constant.name}' has {constant.array.size} numbers, the weight"
            f" {scale.size} scales",
            node=node.name,
        )
    values = constant.array.reshape(-1)
    scale = scale.reshape(()) if scale.size == 1 else scale
    floats = (values * scale.astype(np.float64)).astype(np.float32)
    return Constant(constant.name, floats, Integers(values, scale, 0))
