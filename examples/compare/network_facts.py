"""What a QDQ file says of itself, whichever tool wrote it: where it rounds, and how finely."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

__all__ = ["NetworkFacts", "network_facts"]

#: What changes how logits are seen, or is computed of them, before they are the output.
_VIEWS = ("Flatten", "Identity", "Reshape", "Softmax", "Squeeze", "Transpose", "Unsqueeze")
_ONE = np.ones(1)
_SMALL = (np.int8, np.uint8)


@dataclass(frozen=True, kw_only=True)
class NetworkFacts:
    """``weights``: a scale per "channel" or per "tensor", "2^n" where all scales are powers of two.
    ``rounded``: tensors that are rounded on the way, the input among them; of those ``wide`` have
    more than 8 bits, ``scaled`` a scale per channel. ``logits``: "8 bits", or "float" where the
    output is not rounded."""

    weights: str
    rounded: int
    wide: int
    scaled: int
    logits: str


def network_facts(path: Path) -> NetworkFacts:
    """Of a file."""
    graph = onnx.load(str(path)).graph
    constants = _constants(graph)
    makers = {name: node for node in graph.node for name in node.output}
    rounds = [node for node in graph.node if _rounds(node) and node.input[0] not in constants]
    # Weights are integers in the file, or floats that it rounds.
    stored = {*constants, *(n.output[0] for n in graph.node if _rounds(n))}
    stored -= {node.output[0] for node in rounds}
    weights = [
        node for node in graph.node
        if "DequantizeLinear" in node.op_type and node.input[0] in stored
    ]  # fmt: skip
    scales = [constants.get(node.input[1], _ONE) for node in (*rounds, *weights)]
    powers = all((np.frexp(scale)[0] == 0.5).all() for scale in scales)
    channel = any(constants.get(node.input[1], _ONE).size > 1 for node in weights)
    return NetworkFacts(
        weights=("channel" if channel else "tensor") + (", 2^n" if scales and powers else ""),
        rounded=len(rounds),
        wide=sum(_type(node, constants) not in _SMALL for node in rounds),
        scaled=sum(constants.get(node.input[1], _ONE).size > 1 for node in rounds),
        logits="8 bits" if _is_rounded(graph.output[0].name, makers) else "float",
    )


def _rounds(node):
    return "QuantizeLinear" in node.op_type


def _constants(graph):
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def _type(node, constants):
    """Of the integers that a QuantizeLinear makes."""
    zero = constants.get(node.input[2]) if len(node.input) > 2 else None
    return np.uint8 if zero is None else zero.dtype.type


def _is_rounded(name, makers):
    while name in makers and makers[name].op_type in _VIEWS:
        name = makers[name].input[0]
    node = makers.get(name)
    if node is None or "DequantizeLinear" not in node.op_type:
        return False
    maker = makers.get(node.input[0])
    return maker is not None and _rounds(maker)
