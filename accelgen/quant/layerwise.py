"""Layer by layer: weights and biases made better on what the layers before them make now.

The int8 network and the float network run side by side, over all samples at once, and each
convolution is worked on when its input is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.exact import Sums, rescale
from accelgen.golden.int8_ops import accumulate
from accelgen.golden.interpret import enter, run_node, walk
from accelgen.ir import Graph, Node, Quantization, ops
from accelgen.quant.bias_correction import bias_steps, some_pixels
from accelgen.quant.excluded import Excluded
from accelgen.quant.rounding import MOST_INPUTS, round_together
from accelgen.quant.weights import ACC_BITS, Integers, with_bias, with_weight
from accelgen.streamed import Samples

if TYPE_CHECKING:
    from accelgen.quant.quantize import QuantizedModel

__all__ = ["LAYERWISE", "improve"]

Array = npt.NDArray[Any]

#: Techniques that work on one layer after the other.
LAYERWISE = ("bias", "round")


def improve(
    model: QuantizedModel,
    samples: Samples,
    techniques: Collection[str],
    acc_bits: int = ACC_BITS,
    excluded: Excluded | None = None,
) -> QuantizedModel:
    """``model`` with other integers, by those of ``techniques`` that are :data:`LAYERWISE`,
    each but for nodes that are ``excluded`` from it.

    Scales and operations stay. A channel whose sums would leave ``acc_bits`` keeps what it has.
    All ``samples`` are in memory at once, a layer at a time.
    """
    constants, integers = dict(model.graph.constants), dict(model.integers)
    graph = replace(model.graph, constants=constants)
    layers = {node.name: node for node in model.float_graph.nodes if node.name in integers}
    wanted = _Wanted(model.float_graph, samples, {n.output for n in layers.values()})
    spared = excluded or {}
    pending = Counter(name for node in graph.nodes for name in node.inputs)
    values: dict[str, Array] = enter(graph, samples)
    for node in graph.nodes:
        x = values[node.inputs[0]]
        if isinstance(node.op, ops.QConv2d) and node.name in integers:
            layer, given = layers[node.name], integers[node.name]
            used = {t for t in techniques if node.name not in spared.get(t, ())}
            if "round" in used:
                weight = model.float_graph.constants[layer.inputs[1]]
                given = _rounded(graph, node, x, weight, given, acc_bits)
            sums = accumulate(node.op, x, given.weight)
            if "bias" in used:
                real = wanted.pixels(layer.output)
                given = _corrected(graph, node, sums, given, real, acc_bits)
            integers[node.name] = given
            scale = graph.tensors[node.inputs[0]].quantization
            assert scale is not None
            constants[node.inputs[1]] = given.weight
            constants[node.inputs[2]] = _folded(given, scale)
            values[node.output] = _scaled(graph, node, x, sums)
        else:
            values[node.output] = run_node(graph, node, values)
        for name in node.inputs:
            pending[name] -= 1
            if not pending[name]:
                values.pop(name, None)
    return replace(model, graph=graph, integers=integers)


def _rounded(
    graph: Graph, node: Node, x: Array, weight: Array, given: Integers, acc_bits: int
) -> Integers:
    """``given`` with ``weight`` rounded together, where that is done."""
    assert isinstance(node.op, ops.QConv2d)
    scale = graph.tensors[node.inputs[0]].quantization
    assert scale is not None
    if node.op.insert != (1, 1) or weight[0].size > MOST_INPUTS:
        return given
    made = round_together(node.op, x, scale, weight, given.scale)
    return with_weight(given, made, scale, acc_bits)


def _corrected(
    graph: Graph, node: Node, sums: Array, given: Integers, real: Array, acc_bits: int
) -> Integers:
    """``given`` with the bias that makes the means of ``real``."""
    assert isinstance(node.op, ops.QConv2d)
    x, y = (graph.tensors[name].quantization for name in (node.inputs[0], node.output))
    assert x is not None
    assert y is not None
    biased = some_pixels(sums) + _folded(given, x)
    steps = bias_steps(node.op, biased, given, y, real)
    return with_bias(given, given.bias + steps, x, acc_bits)


def _folded(given: Integers, x: Quantization) -> npt.NDArray[np.int32]:
    """The bias with the input's zero point in it."""
    sums = given.weight.astype(np.int64).reshape(len(given.scale), -1).sum(axis=1)
    folded: npt.NDArray[np.int32] = (given.bias - x.zero_point * sums).astype(np.int32)
    return folded


def _scaled(graph: Graph, node: Node, x: Array, sums: Array) -> Array:
    """The output of ``node``, of the sums that it makes of ``x``."""
    op = node.op
    weight, bias, multiplier, shift = (graph.constants[name] for name in node.inputs[1:])
    assert isinstance(op, ops.QConv2d)
    most = Sums(op, x, weight).most
    return rescale(sums, bias, multiplier, shift, op.output_zero, op.low, op.high, most=most)


class _Wanted:
    """Pixels of the float graph's convolutions, each when it is asked for."""

    def __init__(self, graph: Graph, samples: Samples, tensors: set[str]) -> None:
        self._tensors = tensors
        self._walk: Iterator[tuple[str, Array]] = walk(graph, samples)
        self._found: dict[str, Array] = {}

    def pixels(self, tensor: str) -> Array:
        """Of ``tensor``, as :func:`some_pixels` takes them."""
        while tensor not in self._found:
            name, value = next(self._walk)
            if name in self._tensors:
                self._found[name] = some_pixels(value).copy()
        return self._found.pop(tensor)
