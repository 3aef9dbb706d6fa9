"""An int8 graph without samples: right in everything that does not depend on the data."""

from __future__ import annotations

import numpy as np

from accelgen.ir import Graph, Node, ops
from accelgen.ir.activations import activate
from accelgen.ir.imported import Imported
from accelgen.quant.assign_scales import assign_scales
from accelgen.quant.draft import Given
from accelgen.quant.fusion import fusable_clip
from accelgen.quant.scales import Range
from accelgen.quant.to_int8 import rewrite

__all__ = ["dry_int8"]

#: Ranges are kept between these: chains of layers must neither vanish nor overflow.
_LEAST, _MOST = 2.0**-20, 2.0**20
_POINTS = 33


def dry_int8(imported: Imported) -> Graph:
    """What quantization would make of a model as the passes leave it, with made-up ranges where
    the model says none: the same operations and sizes, other numbers.

    Raises
    ------
    QuantizationError, UnsupportedOpError
        It cannot be int8, whatever the data.
    """
    graph = imported.graph
    made_up = assign_scales(graph, _ranges(graph))
    if not imported.quantization:
        return rewrite(graph, made_up).graph
    return rewrite(graph, imported.quantization, Given.of(imported), missing=made_up).graph


def _ranges(graph: Graph) -> dict[str, Range]:
    """A plausible range of each tensor that gets a scale: the input's is -1 to 1."""
    spans = {graph.input: Range(-1, 1)}
    for node in graph.nodes:
        made = _span(graph, node, [spans[i] for i in node.inputs if i in spans])
        low, high = (float(np.clip(v, -_MOST, _MOST)) for v in (made.low, made.high))
        spans[node.output] = Range(low, max(high, _LEAST))
    skip = {
        n.output for n in graph.nodes if fusable_clip(graph, n) or isinstance(n.op, ops.Softmax)
    }
    return {name: span for name, span in spans.items() if name not in skip}


def _span(graph: Graph, node: Node, inputs: list[Range]) -> Range:
    x, op = inputs[0], node.op
    size = max(-x.low, x.high)
    if isinstance(op, ops.Conv2d):
        weight, bias = (graph.constants[name].astype(np.float64) for name in node.inputs[1:3])
        flat = weight.reshape(len(weight), -1)
        # Twice what products of random signs add up to, about each channel's bias.
        reach = size * 2 * np.sqrt(np.square(flat).sum(1))
        return Range(float((bias - reach).min()), float((bias + reach).max()))
    if isinstance(op, ops.Activation):
        y = activate(op.kind, op.params, np.linspace(x.low, x.high, _POINTS))
        return Range(float(y.min()), float(y.max()))
    if isinstance(op, ops.Add):
        other = inputs[-1]
        low, high = (-other.high, -other.low) if op.minus else (other.low, other.high)
        return Range(x.low + low, x.high + high)
    if isinstance(op, ops.Mul):
        high = size * max(-inputs[-1].low, inputs[-1].high)
        return Range(-high if min(x.low, inputs[-1].low) < 0 else 0, high)
    low = min(span.low for span in inputs)
    return Range(low, max(span.high for span in inputs))
