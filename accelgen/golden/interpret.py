"""The judge: what every tensor of a graph must be, bit for bit. Knows nothing of tiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.golden.arith import dequantize_array, quantize_array, real_array
from accelgen.golden.float_ops import FLOAT_OPS
from accelgen.golden.int8_ops import INT8_OPS
from accelgen.ir import Graph, Node, Quantization
from accelgen.ir.ops import Softmax
from accelgen.streamed import Inputs, by_name

__all__ = ["enter", "interpret", "run_node", "walk"]

Tensor = npt.NDArray[Any]


def interpret(
    graph: Graph, x: Inputs, watch: Callable[[str, Tensor], None] | None = None
) -> dict[str, Tensor]:
    """Run a float or an int8 graph and return every activation tensor by name, inputs included.

    Parameters
    ----------
    graph : Graph
        Float or int8.
    x : (n, h, w, c) array
        Of several inputs a mapping of name to array, n the same. float32 for a float graph. For an
        int8 graph int8, or float32, which is quantized on entry with the input's scale. Any n:
        images do not see each other.
    watch : callable, optional
        Called with (name, tensor) as soon as each tensor is known.

    Raises
    ------
    ModelError
        ``x`` does not fit the graph's inputs, or holds NaN.
    """
    values: dict[str, Tensor] = {}
    for name, value in walk(graph, x):
        values[name] = value
        if watch is not None:
            watch(name, value)
    return values


def walk(
    graph: Graph, x: Inputs, rounded: Mapping[str, Quantization] | None = None
) -> Iterator[tuple[str, Tensor]]:
    """As :func:`interpret`, tensor by tensor; forgets what no later node reads.

    ``rounded``, for a float graph: tensors that a QDQ file rounds and clips. They are shown, and
    read, as DequantizeLinear gives them.
    """
    rounded = rounded or {}
    pending = Counter(name for node in graph.nodes for name in node.inputs)
    entered = enter(graph, x)
    values = {name: _through_qdq(value, rounded.get(name)) for name, value in entered.items()}
    yield from list(values.items())
    for node in graph.nodes:
        value = _through_qdq(run_node(graph, node, values), rounded.get(node.output))
        for name in node.inputs:
            pending[name] -= 1
            if not pending[name]:
                values.pop(name, None)
        if pending[node.output]:
            values[node.output] = value
        yield node.output, value


def _through_qdq(value: Tensor, scale: Quantization | None) -> Tensor:
    """``value`` after QuantizeLinear and DequantizeLinear, where there is a scale; NaN stays."""
    if scale is None:
        return value
    known = ~np.isnan(value)
    real = dequantize_array(quantize_array(np.where(known, value, 0), scale), scale)
    return np.where(known, real, value)


def enter(graph: Graph, x: Inputs) -> dict[str, Tensor]:
    """``x`` as the graph's input tensors: checked, and quantized if the graph is int8."""
    try:
        given = by_name(x, graph.inputs)
    except ValueError as error:
        raise ModelError(str(error)) from None
    return {name: _entered(graph, name, value) for name, value in given.items()}


def _entered(graph: Graph, name: str, x: Tensor) -> Tensor:
    kind = graph.tensors[name]
    x = np.asarray(x)
    if x.ndim != 4 or x.shape[1:] != kind.shape[1:] or not x.shape[0]:
        raise ModelError(
            f"input {name!r} takes (n, h, w, c) = (n, {', '.join(map(str, kind.shape[1:]))})"
            f"; the array given has shape {x.shape}"
        )
    if kind.dtype == "int8" and x.dtype == np.int8:
        return x
    if not np.issubdtype(x.dtype, np.floating):
        raise ModelError(
            f"input {name!r} takes float32 (or int8 when the graph is int8), not {x.dtype}; "
            "scale the data as the network was trained"
        )
    if not np.isfinite(x).all():
        raise ModelError(f"input {name!r} holds NaN or infinity; clean the data")
    if kind.dtype != "int8":
        return x.astype(np.float32, copy=False)
    assert kind.quantization is not None
    return quantize_array(x, kind.quantization)


def run_node(graph: Graph, node: Node, values: Mapping[str, Tensor]) -> Tensor:
    """The output of one node, given at least its activation inputs in ``values``."""
    inputs = [graph.constants[n] if n in graph.constants else values[n] for n in node.inputs]
    if isinstance(node.op, Softmax):
        inputs[0] = real_array(inputs[0], graph.tensors[node.inputs[0]])
    run = INT8_OPS.get(type(node.op)) or FLOAT_OPS[type(node.op)]
    return run(node.op, *inputs)
