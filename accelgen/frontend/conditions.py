"""Conditions of maps: comparisons with constants, what joins them, and Where.

A condition is a map of ones and zeros, made by a table; what Where chooses is multiplied by it. Of
functions of one tensor all that is one table again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from accelgen.frontend.broadcast import matched
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.elementwise import per_channel
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import Constant, MaskView, View
from accelgen.ir.activations import COMPARISONS
from accelgen.ir.ops import Activation, Add, Mul

__all__ = ["import_comparison", "import_logic", "import_not", "import_where"]

#: What a comparison is with its operands exchanged.
_TURNED = {
    "Greater": "Less", "GreaterOrEqual": "LessOrEqual", "Less": "Greater",
    "LessOrEqual": "GreaterOrEqual", "Equal": "Equal",
}  # fmt: skip
#: Opset from which on Equal takes floats.
_EQUAL_FLOATS = 11


def import_comparison(graph: GraphBuilder, node: OnnxNode) -> MaskView:
    """Greater, Less, Equal and their kin, of a map and a constant."""
    if node.op_type == "Equal" and graph.opset < _EQUAL_FLOATS:
        raise node.rejected(
            f"compares no floats at opset {graph.opset}", "export it with opset_version=17"
        )
    left, right = (graph.value(node, i) for i in (0, 1))
    kind = node.op_type if isinstance(right, Constant) else _TURNED[node.op_type]
    at = 0 if isinstance(right, Constant) else 1
    if not isinstance(right, Constant) and not isinstance(left, Constant):
        raise node.rejected("compares two maps", "comparisons with constants are built")
    x = graph.view(node, at)
    numbers = per_channel(node, x, graph.constant(node, 1 - at))
    limit = float(numbers[0])
    if np.unique(numbers).size > 1:
        x, limit = graph.emit_affine(node, x, 1, -numbers), 0.0
    return MaskView(graph.emit(node, Activation(kind=COMPARISONS[kind], params=(limit,)), x))


def _conditions(graph: GraphBuilder, node: OnnxNode) -> list[View]:
    found = []
    for index in range(len(node.inputs)):
        value = graph.value(node, index)
        if not isinstance(value, MaskView):
            raise node.rejected(
                f"reads '{node.inputs[index]}', no condition of a map",
                "conditions are made by Greater, Less, Equal and their kin",
            )
        found.append(value.view)
    return found


def import_not(graph: GraphBuilder, node: OnnxNode) -> MaskView:
    """Not: one less."""
    return MaskView(graph.emit_affine(node, _conditions(graph, node)[0], -1, 1))


def import_logic(graph: GraphBuilder, node: OnnxNode) -> MaskView:
    """And: the product. Or: none of the others."""
    a, b = matched(graph, node, *_conditions(graph, node))
    if node.op_type == "And":
        return MaskView(graph.emit(node, Mul(), a, b))
    neither = graph.emit(node, Mul(), *(graph.emit_affine(node, x, -1, 1) for x in (a, b)))
    return MaskView(graph.emit_affine(node, neither, -1, 1))


def import_where(graph: GraphBuilder, node: OnnxNode) -> View:
    """Where: each choice times its condition, and their sum."""
    condition = graph.value(node, 0)
    if not isinstance(condition, MaskView):
        raise node.rejected(
            f"chooses by '{node.inputs[0]}', no condition of a map",
            "conditions are made by Greater, Less, Equal and their kin",
        )
    gate = condition.view
    gates: list[Callable[[], View]] = [
        lambda: gate, lambda: graph.emit_affine(node, gate, -1, 1)
    ]  # fmt: skip
    terms: list[View] = []
    for index, make in ((1, gates[0]), (2, gates[1])):
        value = graph.value(node, index)
        if not isinstance(value, Constant):
            chosen, by = matched(graph, node, graph.view(node, index), make())
            terms.append(graph.emit(node, Mul(), chosen, by))
        elif (numbers := per_channel(node, gate, value)).any():
            terms.append(graph.emit_affine(node, make(), numbers, 0))
    if not terms:
        return graph.emit_affine(node, gate, 0, 0)
    if len(terms) == 1:
        return terms[0]
    return graph.emit(node, Add(), *matched(graph, node, *terms))
