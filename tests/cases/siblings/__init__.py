"""Relatives of the cases: other operators, shapes, spellings and names of the same kinds.

Each TOML table is a small model. ``nodes``: ``outputs = Operator inputs | attributes``, by ``;``,
with ``name:`` before it where it has one, and ``_`` for an input left out; ``CONV`` is a 3 x 3
convolution of ``x``. ``constants``: numbers (integers are int64), ``"4x3"`` for noise of that
shape, ``"int8 [1, 2]"`` and ``"int8 4x3"`` for another type. ``refused`` are words of the sentence.
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import numpy as np

from tests.helpers.nets import make_net, node, weights

__all__ = ["SIBLINGS", "model_of", "read"]

CONV = "a = Conv x w | pads=[1,1,1,1]"


def read(*files: Path) -> dict[str, dict]:
    """Tables of ``files``, by name."""
    return {name: one for file in files for name, one in tomllib.loads(file.read_text()).items()}


SIBLINGS = read(*sorted(Path(__file__).parent.glob("*.toml")))


def model_of(name, among=SIBLINGS):
    """The model called ``name``."""
    one = among[name]
    nodes = [_node(text.strip()) for text in one["nodes"].replace("CONV", CONV).split(";")]
    read = {i for n in nodes for i in n.input}
    given = {"w": "4x3x3x3", **one.get("constants", {})}
    constants = {k: _constant(v) for k, v in given.items() if k in read}
    options = {k: one[k] for k in ("shape", "kind", "opset", "outputs") if k in one}
    return make_net(nodes, constants, **options)


def _node(text):
    head, _, attributes = text.partition("|")
    outputs, _, call = head.partition(" = ")
    name, colon, rest = outputs.partition(": ")
    outputs = rest if colon else name
    op, _, inputs = call.strip().partition(" ")
    pairs = (pair.split("=", 1) for pair in attributes.split())
    how = {key: ast.literal_eval(value) for key, value in pairs}
    return node(op, inputs, outputs, name if colon else "", **how)


def _constant(value):
    if not isinstance(value, str):
        array = np.asarray(value)
        return array.astype(np.float32) if array.dtype.kind == "f" else array
    kind, _, numbers = value.rpartition(" ") if "[" not in value else value.partition(" ")
    if "[" in numbers or "x" not in numbers:
        if kind:
            return np.asarray(ast.literal_eval(numbers), kind)
        return weights(int(numbers), scale=1.0)
    shape = [int(n) for n in numbers.split("x")]
    return weights(*shape) if not kind else weights(*shape, scale=40).clip(-127, 127).astype(kind)
