"""Bias correction: each channel's mean error, after its clip, goes into its bias.

Rounded weights are off by a constant, which inputs of one sign (after a relu) turn into an offset
of the whole channel. Layers are corrected in order, each on what the corrected ones before it
make, so the offset that activations bring is undone as well. Means are compared after the clip: a
channel that is mostly clipped would otherwise be moved by what nobody sees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.int8_ops import accumulate
from accelgen.golden.interpret import enter, run_node, walk
from accelgen.ir import Graph, Node, ops
from accelgen.quant.weights import ACC_BITS, Integers, with_bias

if TYPE_CHECKING:
    from accelgen.quant.quantize import QuantizedModel

__all__ = ["correct_bias"]

Array = npt.NDArray[Any]

# Pixels of all pictures that a layer's means are taken of, at most.
_PIXELS = 1 << 15
# Steps towards equal means, and the share of pixels that at least moves with the bias.
_ROUNDS, _LEAST_MOVING = 5, 0.25


def correct_bias(
    model: QuantizedModel, samples: npt.NDArray[np.float32], acc_bits: int = ACC_BITS
) -> QuantizedModel:
    """``model`` with other biases: every convolution's channels have float's means on ``samples``.

    Weights, scales and operations stay. A channel whose sums would leave ``acc_bits`` keeps its
    bias. All ``samples`` are in memory at once, a layer at a time.
    """
    constants, integers = dict(model.graph.constants), dict(model.integers)
    graph = replace(model.graph, constants=constants)
    wanted = _Wanted(model.float_graph, samples, set(integers))
    pending = Counter(name for node in graph.nodes for name in node.inputs)
    values = {graph.input: enter(graph, samples)}
    for node in graph.nodes:
        if isinstance(node.op, ops.QConv2d) and node.name in integers:
            real = wanted.rows(node.name)
            given = integers[node.name]
            steps = _steps(graph, node, values[node.inputs[0]], given, real)
            x = graph.tensors[node.inputs[0]].quantization
            assert x is not None
            made = with_bias(given, given.bias + steps, x, acc_bits)
            moved = made.bias.astype(np.int64) - given.bias
            constants[node.inputs[2]] = (constants[node.inputs[2]] + moved).astype(np.int32)
            integers[node.name] = made
        values[node.output] = run_node(graph, node, values)
        for name in node.inputs:
            pending[name] -= 1
            if not pending[name]:
                values.pop(name, None)
    return replace(model, graph=graph, integers=integers)


def _steps(graph: Graph, node: Node, x: Array, given: Integers, real: Array) -> Array:
    """What to add to the bias of each channel, in its steps."""
    assert isinstance(node.op, ops.QConv2d)
    y = graph.tensors[node.output].quantization
    assert y is not None
    sums = _sampled(accumulate(node.op, x, graph.constants[node.inputs[1]]))
    made = (sums + graph.constants[node.inputs[2]].astype(np.int64)) * given.bias_scale
    low, high = ((q - y.zero_point) * y.scale for q in (node.op.low, node.op.high))
    offset = _offset(real, made, low, high)
    steps: Array = np.rint(offset / given.bias_scale)
    return steps


def _offset(real: Array, made: Array, low: float, high: float) -> npt.NDArray[np.float64]:
    """Per column, what added to ``made`` gives it the mean of ``real``, both clipped."""
    wanted = np.clip(real, low, high).mean(axis=0, dtype=np.float64)
    offset = np.zeros(made.shape[1])
    for _ in range(_ROUNDS):
        moved = made + offset
        clipped = np.clip(moved, low, high)
        moving = (clipped == moved).mean(axis=0)
        offset += (wanted - clipped.mean(axis=0)) / np.maximum(moving, _LEAST_MOVING)
    return offset


def _sampled(value: Array) -> Array:
    """(pixels, channels): evenly some of the pixels of all pictures."""
    flat = value.reshape(-1, value.shape[-1])
    step = -(-len(flat) // _PIXELS)
    # A step that shares no factor with the rows of a map visits every column of it.
    return flat[:: step + (step > 1 and step % 2 == 0)]


class _Wanted:
    """Pixels of the float graph's convolutions, each when it is asked for."""

    def __init__(self, graph: Graph, samples: npt.NDArray[np.float32], names: set[str]) -> None:
        self._node = {n.output: n.name for n in graph.nodes if n.name in names}
        self._walk: Iterator[tuple[str, Array]] = walk(graph, samples)
        self._found: dict[str, Array] = {}

    def rows(self, node: str) -> Array:
        """Of the output of ``node``, as :func:`_sampled` takes them."""
        while node not in self._found:
            name, value = next(self._walk)
            if name in self._node:
                self._found[self._node[name]] = _sampled(value).copy()
        return self._found.pop(node)
