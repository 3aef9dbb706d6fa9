"""Names as text that a terminal and a file may hold: what is no text, or steers one, is escaped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx

from accelgen.ir.names import Names
from accelgen.plain_text import printable

__all__ = ["clean_names"]


def clean_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` itself, or a copy whose nodes, tensors and inputs have printable names.

    Different names stay different.
    """
    found: dict[str | bytes, str] = {name: printable(name) for _, _, name in _places(model)}
    if all(name == shown for name, shown in found.items()):
        return model
    names = Names(name for name, shown in found.items() if name == shown and isinstance(name, str))
    new = {name: name if name == shown else names.fresh(shown) for name, shown in found.items()}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for holder, key, name in list(_places(copy)):
        if isinstance(key, int):
            holder[key] = new[name]
        else:
            setattr(holder, key, new[name])
    return copy


def _places(model: onnx.ModelProto) -> Iterator[tuple[Any, Any, str | bytes]]:
    """Every name: what holds it, under which field or index, and the name."""
    graph = model.graph
    yield graph, "name", graph.name
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        yield value, "name", value.name
    for node in graph.node:
        for key in ("name", "op_type", "domain"):
            yield node, key, getattr(node, key)
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                yield names, index, name
        for attribute in node.attribute:
            yield attribute, "name", attribute.name
