"""QDQ to QOperator: an operator between DequantizeLinear and QuantizeLinear as onnxruntime fuses
it, where it has such an operator."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
from onnx import helper, numpy_helper

__all__ = ["with_qlinear"]

_MICROSOFT = "com.microsoft"
_ONE = ("Sigmoid", "LeakyRelu", "AveragePool", "GlobalAveragePool")
_TWO = ("Add", "Mul", "MatMul")


def with_qlinear(proto: onnx.ModelProto) -> onnx.ModelProto:
    """``proto`` with operators on integers wherever both sides of one are quantized to int8."""
    graph = proto.graph
    kinds = {t.name: numpy_helper.to_array(t).dtype for t in graph.initializer}
    dequantizers = {n.output[0]: n for n in graph.node if n.op_type == "DequantizeLinear"}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    ends = {output.name for output in graph.output}
    gone: set[str] = set()
    nodes = []
    for node in graph.node:
        behind = readers.get(node.output[0], []) if node.output else []
        alone = len(behind) == 1 and behind[0].op_type == "QuantizeLinear"
        fused = None
        if alone and node.output[0] not in ends:
            fused = _fused(node, behind[0], dequantizers, kinds)
        if fused is not None:
            gone.add(behind[0].output[0])
        nodes.append(fused or node)
    nodes = [n for n in nodes if n.op_type != "QuantizeLinear" or n.output[0] not in gone]
    reads = Counter(name for node in nodes for name in node.input)
    nodes = [n for n in nodes if n.op_type != "DequantizeLinear" or _is_read(n, reads, ends)]
    del graph.node[:]
    graph.node.extend(nodes)
    proto.opset_import.append(helper.make_opsetid(_MICROSOFT, 1))
    return proto


def _is_read(node: onnx.NodeProto, reads: Counter, ends: set[str]) -> bool:
    return reads[node.output[0]] > 0 or node.output[0] in ends


def _fused(node, quantizer, dequantizers, kinds) -> onnx.NodeProto | None:
    """The operator on integers, or None where there is none."""
    parts = [dequantizers.get(name) for name in node.input]
    if not parts or any(part is None or len(part.input) != 3 for part in parts):
        return None
    weighted = node.op_type in ("Conv", "Gemm")
    values = parts[:2] if weighted else parts
    triples = [list(part.input) for part in values]
    out = list(quantizer.input[1:])
    zeros = [kinds.get(names[-1]) for names in (*triples, out)]
    if any(kind != np.int8 for kind in zeros) or len(out) != 2:
        return None
    how = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    flat = [name for names in triples for name in names]
    op, domain = f"QLinear{node.op_type}", _MICROSOFT
    if weighted:
        bias = [parts[2].input[0]] if len(parts) > 2 else []
        if bias and kinds.get(bias[0]) != np.int32:
            return None
        if node.op_type == "Gemm":
            if {"beta", "transA"} & set(how):
                return None
            op, flat = "QGemm", [*flat, *(bias or [""]), *out]
        else:
            domain, flat = "", [*flat, *out, *bias]
    elif node.op_type == "Concat":
        flat = [*out, *flat]
    elif (node.op_type in _TWO and len(parts) == 2) or node.op_type in _ONE:
        domain = "" if node.op_type == "MatMul" else _MICROSOFT
        flat = [*flat, *out]
    else:
        return None
    return helper.make_node(op, flat, [quantizer.output[0]], node.name, domain=domain, **how)
