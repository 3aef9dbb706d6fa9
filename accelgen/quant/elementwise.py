"""Which nodes compute each number from one number only, and how: those become tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelgen.golden.arith import dequantize_array, quantize_array
from accelgen.ir import Graph, Node, Quantization, ops
from accelgen.ir.activations import finite
from accelgen.ir.elementwise import is_uniform
from accelgen.quant.weights import Integers

__all__ = ["Curve", "Function", "function_of"]

Reals = npt.NDArray[np.float64]
Function = Callable[..., Reals]


@dataclass(frozen=True)
class Curve:
    """What becomes of each of the 256 values of a tensor: real numbers, or integers with a scale.

    ``sources`` are the ONNX nodes on the way.
    """

    values: npt.NDArray[np.generic]  # (256,): float64, or int8 with a scale
    scale: Quantization | None
    sources: tuple[str, ...]

    @staticmethod
    def of(function: Function, inputs: list[Curve], sources: tuple[str, ...]) -> Curve:
        """``function`` of curves that start at the same tensor."""
        on_the_way = dict.fromkeys(name for curve in inputs for name in curve.sources)
        values = function(*(curve.reals for curve in inputs))
        return Curve(values, None, (*on_the_way, *sources))

    def rounded(self, scale: Quantization) -> Curve:
        """The curve after QuantizeLinear."""
        return Curve(quantize_array(self.reals, scale), scale, self.sources)

    @property
    def reals(self) -> Reals:
        """The values as real numbers."""
        if self.scale is None:
            return self.values.astype(np.float64)
        return dequantize_array(self.values, self.scale).astype(np.float64)

    @property
    def integers(self) -> npt.NDArray[np.int8]:
        """The values of a rounded curve: a table."""
        assert self.scale is not None
        return self.values.astype(np.int8)


def function_of(graph: Graph, node: Node, integers: Integers | None = None) -> Function | None:
    """The real function of the node's activations, float64, or None when it is not elementwise.

    Activations; products (of functions of one tensor: the caller checks that); convolutions that
    only multiply every number by one constant and add another. ``integers`` replace the weights
    of such a convolution.
    """
    op = node.op
    if isinstance(op, ops.Activation):
        kind, params = op.kind, op.params
        return lambda x: finite(kind, params, x).astype(np.float64)
    if isinstance(op, ops.Mul):
        return lambda a, b: a * b
    if is_uniform(graph, node):
        if integers is None:
            factor, term = (float(graph.constants[name].flat[0]) for name in node.inputs[1:])
        else:
            factor = float(integers.weight.flat[0]) * float(integers.scale[0])
            term = float(integers.bias[0]) * float(integers.bias_scale[0])
        return lambda x: x * factor + term
    return None
