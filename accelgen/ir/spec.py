"""What is legal at each stage of a graph: float, fused, quantized."""

from __future__ import annotations

import numpy as np

from accelgen.errors import ModelError
from accelgen.ir.activations import KINDS
from accelgen.ir.graph import Graph, Node
from accelgen.ir.ops import Activation, QConv2d, QTable, Softmax
from accelgen.ir.ps_ops import QJoinBytes
from accelgen.ir.shapes import infer_shape
from accelgen.ir.wide import is_wide, may_be_wide

__all__ = ["check_float", "check_quantized"]


def check_float(graph: Graph) -> None:
    """Check a float graph as it comes from the front end.

    Float operations only; nodes in topological order, names unique; every tensor typed, every
    constant present, float32 and finite; shapes as the operations say.

    Raises
    ------
    ModelError
        One sentence naming node and tensor.
    """
    known = {*graph.inputs, *graph.constants}
    names: set[str] = set()
    for name in graph.inputs:
        if name not in graph.tensors:
            raise ModelError(f"input '{name}' has no type")
    for name, constant in graph.constants.items():
        _check_constant(graph, name, constant)
    for node in graph.nodes:
        if node.name in names:
            raise ModelError(f"two nodes are called '{node.name}'")
        names.add(node.name)
        _check_node(graph, node, known)
        known.add(node.output)
    for output in graph.outputs:
        if output not in known or output in graph.constants:
            raise ModelError(f"no node makes output '{output}'")


def _check_constant(
    graph: Graph, name: str, constant: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> None:
    tensor = graph.tensors.get(name)
    if tensor is None or tensor.shape != constant.shape or tensor.dtype != str(constant.dtype):
        raise ModelError(
            f"constant '{name}' is {constant.dtype} {constant.shape}, but typed as {tensor}"
        )
    if tensor.dtype != "float32" or not np.isfinite(constant).all():
        raise ModelError(f"constant '{name}' must be float32 without NaN and infinity")


def _check_node(graph: Graph, node: Node, known: set[str]) -> None:
    if node.op.int8:
        raise ModelError(
            f"node '{node.name}': {type(node.op).__name__} is no float operation", node=node.name
        )
    if isinstance(node.op, Activation) and node.op.kind not in KINDS:
        raise ModelError(f"node '{node.name}': unknown activation '{node.op.kind}'", node=node.name)
    wanted = node.op.arity or max(len(node.inputs), 1)
    if len(node.inputs) != wanted:
        raise ModelError(
            f"node '{node.name}' has {len(node.inputs)} inputs, not {wanted}", node=node.name
        )
    for name in node.inputs:
        if name not in known:
            raise ModelError(
                f"node '{node.name}' reads '{name}', which nothing before it makes", node=node.name
            )
    if node.output in known:
        raise ModelError(
            f"node '{node.name}' makes '{node.output}', which exists already", node=node.name
        )
    tensor = graph.tensors.get(node.output)
    shape = infer_shape(node, graph.tensors)
    if tensor is None or tensor.shape != shape or tensor.dtype != "float32":
        raise ModelError(
            f"node '{node.name}' makes float32 {shape}, but is typed as {tensor}", node=node.name
        )


def check_quantized(graph: Graph) -> None:
    """Check an int8 graph, of a whole network or of a part of one.

    Int8 operations and Softmax only; nodes in topological order (tensors that no node makes are
    inputs), names unique; every tensor typed, shapes as the operations say; constants of their
    formula's types and ranges.

    Raises
    ------
    ModelError
        One sentence naming node and tensor.
    """
    made_by = {node.output: node.name for node in graph.nodes}
    known = {name for node in graph.nodes for name in node.inputs if name not in made_by}
    names: set[str] = set()
    for node in graph.nodes:
        if node.name in names:
            raise ModelError(f"two nodes are called '{node.name}'")
        names.add(node.name)
        _check_int8_node(graph, node, known)
        known.add(node.output)
    for output in graph.outputs:
        if output not in known and output not in graph.inputs:
            raise ModelError(f"no node makes output '{output}'")


def _check_int8_node(graph: Graph, node: Node, known: set[str]) -> None:
    if not (node.op.int8 or isinstance(node.op, Softmax)):
        raise ModelError(
            f"node '{node.name}': {type(node.op).__name__} is no int8 operation; quantize the graph"
            " first",
            node=node.name,
        )
    wanted = node.op.arity or max(len(node.inputs), 1)
    if len(node.inputs) != wanted:
        raise ModelError(
            f"node '{node.name}' has {len(node.inputs)} inputs, not {wanted}", node=node.name
        )
    for name in node.inputs:
        if name not in known:
            raise ModelError(
                f"node '{node.name}' reads '{name}', which nothing before it makes", node=node.name
            )
        if name not in graph.tensors:
            raise ModelError(
                f"node '{node.name}' reads '{name}', which has no type", node=node.name
            )
    if node.output in known:
        raise ModelError(
            f"node '{node.name}' makes '{node.output}', which exists already", node=node.name
        )
    tensor, shape = graph.tensors.get(node.output), infer_shape(node, graph.tensors)
    dtype = "float32" if isinstance(node.op, Softmax) else "int8"
    if isinstance(node.op, QJoinBytes):
        dtype = "int32"
    if is_wide(node):
        dtype = "int32"
        _check_wide(graph, node)
    if tensor is None or tensor.shape != shape or tensor.dtype != dtype:
        raise ModelError(
            f"node '{node.name}' makes {dtype} {shape}, but is typed as {tensor}", node=node.name
        )
    for name, what, dtype, low, high in _int8_constants(node):
        _check_int8_constant(graph, node, name, (what, dtype, low, high))


def _check_wide(graph: Graph, node: Node) -> None:
    tensor = graph.tensors.get(node.output)
    if not may_be_wide(graph, node):
        raise ModelError(
            f"node '{node.name}' leaves its sums in int32, and is no fully connected layer or"
            " average that only the model's outputs and a softmax at the end read",
            node=node.name,
        )
    if tensor is None or len(tensor.steps) != tensor.shape[3]:
        raise ModelError(
            f"node '{node.name}' leaves its sums in int32, and '{node.output}' has no step for each"
            " channel",
            node=node.name,
        )


def _int8_constants(node: Node) -> tuple[tuple[str, str, str, int, int], ...]:
    """The constants a node reads: name, what it is, type, smallest and largest value."""
    if isinstance(node.op, QTable):
        return ((node.inputs[1], "table", "int8", -128, 127),)
    if not isinstance(node.op, QConv2d):
        return ()
    _, weight, bias, multiplier, shift = node.inputs
    return (
        (weight, "weight", "int8", -127, 127),
        (bias, "bias", "int32", -(1 << 31), (1 << 31) - 1),
        (multiplier, "multiplier", "int32", 0, (1 << 17) - 1),
        (shift, "shift", "int32", 1, 47),
    )


def _check_int8_constant(
    graph: Graph, node: Node, name: str, wanted: tuple[str, str, int, int]
) -> None:
    what, dtype, low, high = wanted
    array, tensor = graph.constants.get(name), graph.tensors[name]
    if array is None:
        raise ModelError(f"node '{node.name}': its {what} '{name}' is no constant", node=node.name)
    if str(array.dtype) != dtype or tensor.shape != array.shape:
        raise ModelError(
            f"node '{node.name}': its {what} '{name}' is {array.dtype} {array.shape}, not {dtype}"
            f" {tensor.shape}",
            node=node.name,
        )
    if array.size and not low <= array.min() <= array.max() <= high:
        raise ModelError(
            f"node '{node.name}': its {what} '{name}' holds {array.min()} to {array.max()}, not"
            f" {low} to {high}",
            node=node.name,
        )
